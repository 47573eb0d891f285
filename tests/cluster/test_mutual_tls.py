"""Mutual TLS for clients is a switch in the topology: on, nobody comes in without a certificate."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest

from exporters import names
from warren import cluster as cluster_engine
from warren.context import Context, open_context
from warren.errors import NotReadyError
from warren.wait import until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Context, dict[str, str]]]:
    """A cluster of one node that asks every client for a certificate."""
    text = (ROOT / "deploy" / "topology.yml").read_text(encoding="utf-8")
    for old, new in (
        ("  name: warren\n", "  name: warren-mtls\n"),
        ("base_port: 15600", "base_port: 15900"),
        ("    - name: rmq2\n    - name: rmq3\n", ""),
        ("client_certificate: optional", "client_certificate: required"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    folder = tmp_path_factory.mktemp("strict")
    path = folder / "topology.yml"
    path.write_text(text, encoding="utf-8")
    env = {**os.environ, "WARREN_STATE": str(folder / "state"), "WARREN_TOPOLOGY": str(path)}
    cluster_engine.destroy(open_context(_quiet, topology_path=path, env=env))
    context = open_context(_quiet, topology_path=path, env=env)
    try:
        cluster_engine.up(context)
        yield context, env
    finally:
        cluster_engine.destroy(context)


def _quiet(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _connect(context: Context, tls: ssl.SSLContext) -> pika.BlockingConnection:
    host, port = context.runtime.address("rmq1", "amqps")
    password = context.secrets.read("orders-shop")
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            host, port, "/orders", pika.PlainCredentials("orders-shop", password),
            ssl_options=pika.SSLOptions(tls, host),
        )
    )  # fmt: skip


@pytest.mark.timeout(600)
def test_client_without_certificate_is_refused_and_one_with_it_comes_in(
    strict: tuple[Context, dict[str, str]],
) -> None:
    context, _ = strict
    tls = ssl.create_default_context(cafile=str(context.cluster_ca))
    with pytest.raises(pika.exceptions.AMQPError):
        _connect(context, tls)
    pair = context.pki.leaf("clients", "orders-shop")
    tls.load_cert_chain(pair.certificate, pair.key)
    _connect(context, tls).close()


def test_certificate_of_another_authority_is_refused(strict: tuple[Context, dict[str, str]]) -> None:
    """A node's own inter-node certificate opens nothing to clients."""
    context, _ = strict
    tls = ssl.create_default_context(cafile=str(context.cluster_ca))
    pair = context.pki.leaf("inter-node", "rmq1")
    tls.load_cert_chain(pair.certificate, pair.key)
    with pytest.raises(pika.exceptions.AMQPError):
        _connect(context, tls)


def test_load_shows_its_certificates(strict: tuple[Context, dict[str, str]]) -> None:
    _, env = strict
    argv = [str(Path(sys.executable).parent / "warren"), "load", "run", "work", "--rate", "50"]
    argv += ["--duration", "3s", "--quiet", "--set", "tolerances.self_lag_p99_s=2"]
    done = subprocess.run(argv, env=env, capture_output=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


@pytest.mark.timeout(600)
def test_the_canary_shows_a_certificate_and_comes_through(strict: tuple[Context, dict[str, str]]) -> None:
    """A single node flies to itself."""
    context, _ = strict

    def comes_through() -> None:
        samples = context.prometheus.query(names.CANARY_SUCCESS.name)
        found = {each.labels["vhost"]: each.value for each in samples}
        if found != {vhost.name: 1.0 for vhost in context.topology.vhosts}:
            raise NotReadyError("canary", f"success is {found}")

    until(comes_through, what="the canary to come through", deadline_s=120)
