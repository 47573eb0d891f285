"""Causes that the probe sees, certificates and the canary, and drift. See provocations.py."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from warren.pki import Pki

from .provoking import evaluate, now_s, without

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

Began = Iterator[float]
#: How long Warren's own certificates are good for: one that ends tomorrow was made so many days ago.
_LEAF = timedelta(days=397)


@contextmanager
def the_probe_is_gone(cluster: ClusterUnderTest) -> Began:
    began = now_s()
    with without(cluster, "probe"):
        yield began


@contextmanager
def a_certificate_ends_today(cluster: ClusterUnderTest) -> Began:
    with _another_certificate(cluster, made_ago=_LEAF - timedelta(hours=12)) as began:
        yield began


@contextmanager
def a_certificate_names_another_host(cluster: ClusterUnderTest) -> Began:
    with _another_certificate(cluster, hosts=("elsewhere.example",)) as began:
        yield began


@contextmanager
def a_certificate_of_another_authority(cluster: ClusterUnderTest) -> Began:
    """Signed by the authority of clients, which no client trusts for a server."""
    with _another_certificate(cluster, authority="clients") as began:
        yield began


@contextmanager
def a_listener_is_closed(cluster: ClusterUnderTest) -> Began:
    """That of AMQPS on the last node; who is connected stays, and the node answers everybody else."""
    node = cluster.topology.nodes[-1].name
    listeners = "rabbit_networking:ranch_refs_of_protocol('amqp/ssl')"
    began = now_s()
    evaluate(cluster, node, f"[ok] = [ranch:suspend_listener(Each) || Each <- {listeners}].")
    try:
        yield began
    finally:
        evaluate(cluster, node, f"[ok] = [ranch:resume_listener(Each) || Each <- {listeners}].")
        cluster.wait_ready()


@contextmanager
def _another_certificate(
    cluster: ClusterUnderTest,
    *,
    authority: str = "cluster",
    hosts: tuple[str, ...] = (),
    made_ago: timedelta = timedelta(0),
) -> Began:
    """The last node shows, on every listener but that between nodes, a certificate made for this."""
    node = cluster.topology.nodes[-1].name
    own = cluster.context.pki.leaf("cluster", node)
    named = hosts or (node, "localhost", "127.0.0.1", "::1")
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "pki"
        shutil.copytree(cluster.state.pki, copy)
        made = Pki(copy, datetime.now(UTC) - made_ago)
        made.leaf(authority, node).certificate.unlink(missing_ok=True)
        pair = made.ensure_leaf(authority, node, hosts=named, purpose="server")
        files = _files(pair.certificate, pair.key)
    began = now_s()
    _show(cluster, node, files)
    try:
        yield began
    finally:
        _show(cluster, node, _files(own.certificate, own.key))
        cluster.wait_ready()


def _files(certificate: Path, key: Path) -> dict[str, bytes]:
    return {"tls/server.pem": certificate.read_bytes(), "tls/server.key": key.read_bytes()}


def _show(cluster: ClusterUnderTest, node: str, files: dict[str, bytes]) -> None:
    """As a renewal does it: https://www.rabbitmq.com/docs/ssl#rotation."""
    cluster.runtime.put_files(node, files)
    evaluate(cluster, node, "ssl:clear_pem_cache().")


@contextmanager
def drift_watched(cluster: ClusterUnderTest) -> Iterator[Path]:
    """The topology with ``monitoring.drift`` on, brought up; and without it again after."""
    text = Path(cluster.env["WARREN_TOPOLOGY"]).read_text(encoding="utf-8")
    for line, more in (
        ("  retention: 7d\n", "  drift: {user: drift}\n"),
        ("    role: monitoring\n", "  - {name: drift, tags: [administrator]}\n"),
        ("    permissions:\n", "      - {user: drift}\n"),
    ):
        assert line in text
        text = text.replace(line, line + more)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "watched.yml"
        path.write_text(text, encoding="utf-8")
        up = cluster.warren(["cluster", "up", "--topology", str(path)], timeout_s=300)
        assert up.returncode == 0, up.stderr
        try:
            yield path
        finally:
            left = cluster.warren(["topology", "apply", "--prune", "--yes"])
            assert left.returncode == 0, left.stdout + left.stderr
            up = cluster.warren(["cluster", "up"], timeout_s=300)
            assert up.returncode == 0, up.stderr
            assert not cluster.runtime.runs("drift")


@contextmanager
def somebody_changes_a_policy(cluster: ClusterUnderTest) -> Began:
    policy = cluster.management.get("policies", "/orders", "orders-work")
    changed = {**policy, "definition": {**policy["definition"], "max-length": 7}}
    with drift_watched(cluster):
        began = now_s()
        cluster.management.put("policies", "/orders", "orders-work", body=changed)
        try:
            yield began
        finally:
            cluster.management.put("policies", "/orders", "orders-work", body=policy)
            over = 'sum(warren_drift_differences{job="drift"}) == 0'
            cluster.wait_for(lambda: bool(cluster.prometheus(over)), "the difference to be gone", 120)


@contextmanager
def nobody_sees_drift(cluster: ClusterUnderTest) -> Began:
    with drift_watched(cluster):
        cluster.wait_for(lambda: bool(cluster.prometheus('up{job="drift"} == 1')), "the watcher", 120)
        began = now_s()
        with without(cluster, "drift"):
            yield began
        cluster.wait_for(lambda: bool(cluster.prometheus('up{job="drift"} == 1')), "the watcher", 120)
