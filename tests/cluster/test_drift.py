"""Drift on the real broker: what is changed by hand is seen under its kind, by command and metric."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters import collector, names
from exporters.broker import Node
from exporters.collector import Reach
from warren.connection import Credentials
from warren.drift.model import DriftKind
from warren.errors import EXIT_NOT_READY, NotReadyError

from .causes_of_probes import drift_watched
from .conftest import ClusterUnderTest

EVERY = {kind.value for kind in DriftKind}
#: What a user tagged monitoring may not read.
ADMINISTRATORS = {"user", "user_limit", "permission", "topic_permission", "parameter"}


def diff(cluster: ClusterUnderTest, folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code of `warren topology diff`, and its result by kind; raises NotReadyError as it does."""
    path = folder / "drift.json"
    done = cluster.warren(["topology", "diff", "--json", str(path), *arguments])
    if done.returncode == EXIT_NOT_READY:
        raise NotReadyError("warren topology diff", done.stderr)
    assert done.returncode in (0, 1, 4), done.stdout + done.stderr
    return done.returncode, json.loads(path.read_text(encoding="utf-8"))["kinds"]


def differing(kinds: dict[str, Any]) -> set[str]:
    return {kind for kind, found in kinds.items() if found["differences"]}


def lines(kinds: dict[str, Any]) -> list[str]:
    return [each["line"] for found in kinds.values() for each in found["differences"]]


def collected(cluster: ClusterUnderTest, user: str) -> tuple[dict[str, float], dict[str, float]]:
    """Differences and readability by kind, as the exporter's collector finds them as ``user``."""
    nodes = tuple(
        Node(
            host="localhost",
            management_port=cluster.topology.published_node(node.name, "management"),
            metrics_port=cluster.topology.published_node(node.name, "metrics"),
        )
        for node in cluster.topology.nodes
    )
    reach = Reach(
        nodes=nodes,
        credentials=Credentials.from_file(user, cluster.context.secrets.path(user)),
        ca=cluster.context.cluster_ca,
        timeout_s=10.0,
        topology=Path(cluster.env["WARREN_TOPOLOGY"]),
    )
    families = collector.make("drift", reach).collect(None)  # type: ignore[arg-type]
    found = {family.name: {s.labels["kind"]: s.value for s in family.samples} for family in families}
    return found[names.DRIFT_DIFFERENCES.name], found[names.DRIFT_READABLE.name]


@pytest.fixture
def by_hand(cluster: ClusterUnderTest) -> Iterator[None]:
    """A queue made, a policy changed and a permission widened by hand; taken back after."""
    api = cluster.management
    policy = api.get("policies", "/orders", "orders-work")
    definition = {**policy["definition"], "max-length": 7}
    permission = api.get("permissions", "/orders", "orders-worker")
    queue = {"durable": True, "auto_delete": False, "arguments": {"x-queue-type": "quorum"}}
    api.put("queues", "/orders", "by.hand", body=queue)
    api.put("policies", "/orders", "orders-work", body={**policy, "definition": definition})
    api.put("permissions", "/orders", "orders-worker", body={**permission, "write": ".*"})
    yield
    done = cluster.warren(["topology", "apply", "--prune", "--yes"])
    assert done.returncode == 0, done.stdout + done.stderr


def test_cluster_that_was_just_made_has_no_drift(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    code, kinds = diff(cluster, tmp_path)
    assert (code, lines(kinds)) == (0, [])
    assert set(kinds) == EVERY
    assert all(found["read"] for found in kinds.values())
    assert collected(cluster, "operator") == (dict.fromkeys(EVERY, 0.0), dict.fromkeys(EVERY, 1.0))


def test_changes_by_hand_are_seen_under_their_kinds_and_gone_when_taken_back(
    cluster: ClusterUnderTest, tmp_path: Path, by_hand: None
) -> None:
    code, kinds = diff(cluster, tmp_path)
    assert (code, differing(kinds)) == (1, {"queue", "policy", "permission"})
    told = lines(kinds)
    assert "policy orders-work in /orders: definition.max-length is 7, wanted 100000" in told
    assert "permission of orders-worker in /orders: write is .*, wanted ^$" in told
    assert any(line.startswith("queue by.hand in /orders: there, and nobody asked for it") for line in told)
    differences, _ = collected(cluster, "operator")
    assert {kind: count for kind, count in differences.items() if count} == {
        "queue": 1,
        "policy": 1,
        "permission": 1,
    }
    done = cluster.warren(["topology", "apply", "--prune", "--yes"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert diff(cluster, tmp_path)[0] == 0
    assert not any(collected(cluster, "operator")[0].values())


def test_the_monitoring_tag_sees_the_kinds_that_it_may_and_says_which_it_may_not(
    cluster: ClusterUnderTest, tmp_path: Path, by_hand: None
) -> None:
    code, kinds = diff(cluster, tmp_path, "--user", "monitoring")
    assert (code, differing(kinds)) == (1, {"queue", "policy"})
    assert {kind for kind, found in kinds.items() if not found["read"]} == ADMINISTRATORS
    differences, readable = collected(cluster, "monitoring")
    assert {kind for kind, value in readable.items() if not value} == ADMINISTRATORS
    assert set(differences) == EVERY - ADMINISTRATORS
    code, _ = diff(cluster, tmp_path, "--user", "monitoring", "--kind", "exchange", "--kind", "listener")
    assert code == 0


def test_a_vhost_that_may_not_be_entered_is_not_taken_for_an_empty_one(
    cluster: ClusterUnderTest, tmp_path: Path
) -> None:
    """The broker leaves it out of its lists without a word; to an administrator it shows it all the same."""
    permission = cluster.management.get("permissions", "/users", "monitoring")
    cluster.management.delete("permissions", "/users", "monitoring")
    try:
        as_operator, all_kinds = diff(cluster, tmp_path)
        as_monitoring, kinds = diff(cluster, tmp_path, "--user", "monitoring")
    finally:
        cluster.management.put("permissions", "/users", "monitoring", body=permission)
    assert (as_operator, differing(all_kinds)) == (1, {"permission"})
    assert (as_monitoring, differing(kinds)) == (4, set())
    assert "may not enter /users" in kinds["queue"]["reason"]
    assert diff(cluster, tmp_path)[0] == 0


def test_an_administrator_sees_what_it_may_not_enter(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    permission = cluster.management.get("permissions", "/users", "operator")
    cluster.management.delete("permissions", "/users", "operator")
    try:
        code, kinds = diff(cluster, tmp_path)
    finally:
        cluster.management.put("permissions", "/users", "operator", body=permission)
    assert (code, differing(kinds)) == (1, {"permission"})
    assert kinds["queue"]["reason"] is None


def test_a_watermark_set_by_hand_is_a_setting(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    node, broker = cluster.topology.nodes[1].name, cluster.topology.broker

    def watermark(value: float) -> None:
        argv = ["rabbitmqctl", "set_vm_memory_high_watermark", str(value)]
        assert cluster.runtime.execute(node, argv, timeout_s=60).ok

    def kinds() -> set[str]:
        return differing(diff(cluster, tmp_path, "--kind", "setting", "--kind", "listener")[1])

    watermark(broker.memory_watermark - 0.1)
    try:
        cluster.wait_for(lambda: kinds() == {"setting"}, "the node to report its limit", 60)
    finally:
        watermark(broker.memory_watermark)
    cluster.wait_for(lambda: kinds() == set(), "the node to report its limit", 60)


@pytest.mark.full
def test_a_node_that_is_away_is_told_once_and_nothing_of_it_is_judged(
    cluster: ClusterUnderTest, tmp_path: Path
) -> None:
    node = cluster.topology.nodes[-1].name
    done = cluster.warren(["chaos", "kill", node])
    assert done.returncode == 0, done.stderr
    told = [f"node {node}: state is down, wanted running"]
    cluster.wait_for(lambda: lines(diff(cluster, tmp_path)[1]) == told, "the node to be missed", 60)


@pytest.fixture
def watched(cluster: ClusterUnderTest) -> Iterator[Path]:
    """The topology with ``monitoring.drift`` on, brought up; and without it again after."""
    with drift_watched(cluster) as path:
        yield path


@pytest.mark.full
def test_where_it_is_on_prometheus_sees_a_change_come_and_go(
    cluster: ClusterUnderTest, watched: Path
) -> None:
    """Its account does not exist when its container starts: `up` makes objects last."""

    def value(expression: str) -> float | None:
        samples = cluster.prometheus(expression)
        return samples[0].value if samples else None

    differences = f'{names.DRIFT_DIFFERENCES.name}{{job="drift"}}'
    policies = f'{names.DRIFT_DIFFERENCES.name}{{job="drift",kind="policy"}}'
    cluster.wait_for(
        lambda: value(f"count({differences})") == len(EVERY) and value(f"sum({differences})") == 0,
        "every kind to be compared and equal",
        120,
    )
    policy = cluster.management.get("policies", "/orders", "orders-work")
    changed = {**policy, "definition": {**policy["definition"], "max-length": 7}}
    cluster.management.put("policies", "/orders", "orders-work", body=changed)
    try:
        cluster.wait_for(lambda: value(policies) == 1, "the change to be counted", 90)
        logs = cluster.warren(["cluster", "logs", "drift", "--topology", str(watched)])
        assert "definition.max-length is 7, wanted 100000" in logs.stdout
    finally:
        cluster.management.put("policies", "/orders", "orders-work", body=policy)
    cluster.wait_for(lambda: value(policies) == 0, "the change to be gone", 90)
