"""The planner against the real broker: what it writes is what it then finds, and nothing in use is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from warren.errors import RefusedError
from warren.objects.writing import apply
from warren.plan import Action, Plan, plan, read_actual
from warren.topology import (
    Binding,
    Exchange,
    Permission,
    Policy,
    Queue,
    TopicPermission,
    Topology,
    User,
    Vhost,
)
from warren.topology_reader import load

VHOST = "/planned"


def _vhost(*, ttl_ms: int) -> Vhost:
    queue = Queue(name="q", type="quorum", durable=True, arguments={"x-message-ttl": ttl_ms}, objective=None)
    classic = Queue(name="c", type="classic", durable=True, arguments={}, objective=None)
    topic = Exchange(name="t", type="topic", durable=True, internal=False, arguments={})
    headers = Exchange(name="h", type="headers", durable=True, internal=True, arguments={})
    by_reason = {"x-match": "all-with-x", "x-last-death-reason": "rejected"}
    return Vhost(
        name=VHOST,
        description="made by a test",
        default_queue_type="quorum",
        protected=False,
        limits={"max-queues": 10},
        exchanges=(topic, headers),
        queues=(queue, classic),
        bindings=(
            Binding(source="t", destination="q", destination_type="queue", routing_key="a.#", arguments={}),
            Binding(source="t", destination="h", destination_type="exchange", routing_key="b", arguments={}),
            Binding(
                source="h", destination="q", destination_type="queue", routing_key="", arguments=by_reason
            ),
        ),
        policies=(
            Policy(
                name="p",
                pattern="^q$",
                apply_to="quorum_queues",
                priority=1,
                definition={"max-length": 10, "overflow": "reject-publish"},
            ),
        ),
        operator_policies=(
            Policy(
                name="o",
                pattern=".*",
                apply_to="quorum_queues",
                priority=1,
                definition={"delivery-limit": 7},
            ),
        ),
        permissions=(
            Permission(user="operator", configure=".*", write=".*", read=".*"),
            Permission(user="planned", configure="^$", write="^t$", read="^q$"),
        ),
        topic_permissions=(TopicPermission(user="planned", exchange="t", write="^a", read="^$"),),
    )


def _widened(topology: Topology, *, ttl_ms: int = 60000) -> Topology:
    """The cluster's topology with a vhost and a user more: every kind of object is in them."""
    user = User(name="planned", tags=(), role="application", max_connections=3, max_channels=9)
    return replace(topology, users=(*topology.users, user), vhosts=(*topology.vhosts, _vhost(ttl_ms=ttl_ms)))


@pytest.fixture
def planned(cluster) -> Iterator[Callable[[Topology], Plan]]:
    """Plans against the live broker; the widening is removed at the end, as a user would remove it."""
    passwords = {user.name: cluster.context.secrets.read(user.name) for user in cluster.topology.users}
    passwords["planned"] = "only-for-this-test"

    def now(topology: Topology) -> Plan:
        return plan(topology, read_actual(cluster.management), passwords)

    yield now
    if any(row["name"] == VHOST for row in cluster.management.rows("vhosts")):
        for queue in cluster.management.queues(VHOST):
            _purge(cluster, queue.name)
    apply(now(cluster.topology), cluster.management, say=lambda line: None, prune=True)
    assert not now(cluster.topology)


def _apply(cluster, found: Plan, **allowed: bool) -> list[str]:
    said: list[str] = []
    apply(found, cluster.management, say=said.append, **allowed)
    return said


def _purge(cluster, queue: str) -> None:
    """Empty a queue, and wait until the broker's counters, which it collects every five seconds, say so."""
    cluster.management.delete("queues", VHOST, queue, "contents")
    cluster.wait_for(lambda: cluster.management.queue(VHOST, queue).messages == 0, "an empty queue", 20)


def _publish(cluster, key: str) -> None:
    body = {"routing_key": key, "payload": "x", "payload_encoding": "string", "properties": {}}
    assert cluster.management.post("exchanges", VHOST, "t", "publish", body=body)["routed"]


def test_cluster_that_was_just_made_is_in_sync(cluster) -> None:
    done = cluster.warren(["topology", "diff"])
    assert done.returncode == 0, done.stdout
    assert "the broker has what the topology asks for" in done.stdout


def test_additions_of_every_kind_are_written_as_they_are_then_found(cluster, planned) -> None:
    widened = _widened(cluster.topology)
    said = _apply(cluster, planned(widened), additions_only=True)
    assert len({line.split()[1] for line in said}) >= 8
    assert planned(widened).steps == ()


def test_change_by_hand_is_found_and_taken_back(cluster, planned) -> None:
    before = cluster.management.get("policies", "/orders", "orders-work")
    body = {**before, "definition": {**before["definition"], "max-length": 7}}
    cluster.management.put("policies", "/orders", "orders-work", body=body)
    assert [step.line for step in planned(cluster.topology).steps] == [
        "change   policy orders-work in /orders  [definition.max-length: 7 -> 100000]"
    ]
    done = cluster.warren(["topology", "diff"])
    assert done.returncode == 1
    _apply(cluster, planned(cluster.topology))
    assert planned(cluster.topology).steps == ()


def test_queue_is_recreated_with_its_bindings_only_when_empty(cluster, planned) -> None:
    _apply(cluster, planned(_widened(cluster.topology)))
    _publish(cluster, "a.b")
    changed = _widened(cluster.topology, ttl_ms=50000)
    with pytest.raises(RefusedError, match=r"queue q in /planned"):
        _apply(cluster, planned(changed), recreate=True)
    _purge(cluster, "q")
    _apply(cluster, planned(changed), recreate=True)
    assert planned(changed).steps == ()
    _publish(cluster, "a.b")


def test_fresh_message_is_never_pruned_away(cluster, planned) -> None:
    """The counters do not show it yet: they are collected every five seconds."""
    _apply(cluster, planned(_widened(cluster.topology)))
    _publish(cluster, "a.b")
    with pytest.raises(RefusedError, match=r"queue q in /planned"):
        _apply(cluster, planned(cluster.topology), prune=True)


def test_command_removes_what_nobody_asked_for_and_tells_it_by_json(cluster, planned, tmp_path: Path) -> None:
    cluster.management.put("exchanges", "/orders", "by.hand", body={"type": "fanout", "durable": True})
    left = cluster.warren(["topology", "apply", "--yes"])
    assert left.returncode == 1
    assert "warren topology apply --prune" in left.stdout
    result = tmp_path / "result.json"
    done = cluster.warren(["topology", "apply", "--prune", "--yes", "--json", str(result)])
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads(result.read_text(encoding="utf-8"))
    assert [step["title"] for step in written["done"]] == ["exchange by.hand in /orders"]
    assert planned(cluster.topology).steps == ()


def test_cluster_up_adds_what_is_new_and_refuses_what_would_change(cluster, planned, tmp_path: Path) -> None:
    text = Path(cluster.env["WARREN_TOPOLOGY"]).read_text(encoding="utf-8")
    changed = text.replace(
        "      - {name: orders.failed, ", "      - {name: orders.late}\n      - {name: orders.failed, ", 1
    ).replace("max-length: 100000", "max-length: 99999", 1)
    assert changed.count("orders.late") == 1
    path = tmp_path / "topology.yml"
    path.write_text(changed, encoding="utf-8")
    done = cluster.warren(["cluster", "up", "--topology", str(path)], timeout_s=300)
    assert done.returncode == 2, done.stderr
    assert "queue orders.late in /orders" in done.stderr
    assert "definition.max-length: 100000 -> 99999" in done.stderr
    assert "warren topology apply" in done.stderr
    assert planned(load(path)).of(Action.ADD) == ()
    again = cluster.warren(["topology", "apply", "--prune", "--yes"])
    assert again.returncode == 0, again.stdout + again.stderr
    up = cluster.warren(["cluster", "up"], timeout_s=300)
    assert up.returncode == 0, up.stderr
