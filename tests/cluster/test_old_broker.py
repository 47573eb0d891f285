"""A cluster of RabbitMQ 4.0, as Debian 13 carries it: up, verified, under load, broken and whole again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from warren import cluster as cluster_engine
from warren.context import Context, open_context

ROOT = Path(__file__).resolve().parents[2]
VERSION = "4.0.5"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Context, dict[str, str]]]:
    """Three nodes of 4.0, from a registry or from Debian's packages."""
    text = (ROOT / "deploy" / "topology.yml").read_text(encoding="utf-8")
    waiver = "  - assertion: broker-mended\n    reason: it rehearses what Debian 13 carries\n"
    for before, after in (
        ("  name: warren\n", "  name: warren-4-0\n"),
        ("base_port: 15600", "base_port: 16400"),
        ('version: "4.3.6"', f'version: "{VERSION}"'),
        ("rabbitmq:4.3.6", f"rabbitmq:{VERSION}"),
        ("waivers:\n", f"waivers:\n{waiver}"),
    ):
        assert before in text
        text = text.replace(before, after, 1)
    folder = tmp_path_factory.mktemp("old")
    path = folder / "topology.yml"
    path.write_text(text, encoding="utf-8")
    env = {**os.environ, "WARREN_STATE": str(folder / "state"), "WARREN_TOPOLOGY": str(path)}
    context = open_context(_quiet, topology_path=path, env=env)
    try:
        cluster_engine.up(context)
        yield context, env
    finally:
        cluster_engine.destroy(context)


def _quiet(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def warren(env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    argv = [str(Path(sys.executable).parent / "warren"), *words]
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=900, check=False)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_cluster_of_4_0_is_verified(old: tuple[Context, dict[str, str]]) -> None:
    context, env = old
    assert context.management.overview().rabbitmq_version == VERSION
    done = warren(env, "cluster", "verify")
    assert done.returncode == 0, done.stdout
    refused = warren(env, "load", "run", "retry-native", "--duration", "3s")
    assert refused.returncode == 2
    assert "came with RabbitMQ 4.3" in refused.stderr


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_renamed_metrics_are_there(old: tuple[Context, dict[str, str]]) -> None:
    context, _ = old
    for name in ("erlang_vm_processes", 'rabbitmq_detailed_raft_term{queue="orders.work"}'):
        assert len(context.prometheus.query(name)) == len(context.topology.nodes), name


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_faults_lose_nothing_on_4_0(old: tuple[Context, dict[str, str]], tmp_path: Path) -> None:
    _, env = old
    out = tmp_path / "matrix.json"
    done = warren(env, "chaos", "matrix", "--quick", "--profiles", "work", "--json", str(out))
    found = json.loads(out.read_text("utf-8"))
    assert sum(cell["made"] for cell in found["cells"]) == 5, done.stderr
    assert "hang" not in found["verdicts"], done.stdout
    assert found["loss"]["days"]["events"] == 0, done.stdout
