from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from warren.errors import NotReadyError
from warren.gate import Gate, leader_spread
from warren.management import HealthCheck, QueueInfo
from warren.process import Completed
from warren.topology import Topology

NODES = ("rmq1", "rmq2", "rmq3")
ERLANG = tuple(f"rabbit@{node}" for node in NODES)


def health(node: str, check: str, *, passed: bool = True) -> HealthCheck:
    return HealthCheck(node=node, check=check, passed=passed, reason="" if passed else f"{check} is bad")


def queue(name: str, **changes: Any) -> Any:
    """A queue as the gate looks at it, whole unless ``changes`` say otherwise."""
    whole = {
        "vhost": "/orders", "name": name, "type": "quorum", "members": ERLANG, "online": ERLANG,
        "leader": ERLANG[0],
    }  # fmt: skip
    return SimpleNamespace(**{**whole, **changes})


class Management:
    """A whole cluster; tests break one thing."""

    def __init__(self) -> None:
        self.seen = {
            node: [
                SimpleNamespace(name=name, running=True, partitions=(), mem_alarm=False, disk_alarm=False)
                for name in ERLANG
            ]
            for node in NODES
        }
        self.queue_list = [queue("orders.work"), queue("orders.failed")]
        self.failed: set[str] = set()
        self.leaderless: dict[str, set[tuple[str, str]]] = {}

    def nodes(self, *, node: str | None = None) -> Any:
        return tuple(self.seen[node or "rmq1"])

    def queues(self, vhost: str | None = None) -> Any:
        return tuple(self.queue_list)

    def alarms(self) -> HealthCheck:
        return health("rmq1", "alarms", passed="alarms" not in self.failed)

    def quorum_queues_have_leaders(self, pattern: str = ".*", *, node: str) -> HealthCheck:
        queues = frozenset(self.leaderless.get(node, ()))
        found = health(node, "leaders", passed="leaders" not in self.failed and not queues)
        return replace(found, queues=queues)

    def ready_to_serve_clients(self, node: str) -> HealthCheck:
        return health(node, "ready", passed=node not in self.failed)

    def listens(self, node: str, port: int) -> HealthCheck:
        return health(node, f"port-listener/{port}", passed=f"{node}:{port}" not in self.failed)


STORE = [
    {"node": name, "state": "leader" if name == ERLANG[1] else "follower", "applied": "500", "commit": "500"}
    for name in ERLANG
]


class Tools:
    """The one broker tool that the gate calls."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {"syncing": 0, "store": json.loads(json.dumps(STORE))}
        self.stdout: str | None = None
        self.returncode = 0

    def execute(self, node: str, argv: Any, *, timeout_s: float, stdin: bytes | None = None) -> Completed:
        text = self.stdout if self.stdout is not None else f"a warning\n{json.dumps(self.facts)}\nok\n"
        return Completed(argv=tuple(argv), returncode=self.returncode, stdout=text, stderr="")


@pytest.fixture
def management() -> Management:
    return Management()


@pytest.fixture
def tools() -> Tools:
    return Tools()


@pytest.fixture
def gate(deployed: Topology, management: Management, tools: Tools) -> Gate:
    return Gate(topology=deployed, management=management, runtime=tools)  # type: ignore[arg-type]


def test_gate_holds_for_a_whole_cluster(gate: Gate) -> None:
    gate.check()


def _stop(management: Management, _: Tools) -> None:
    management.seen["rmq2"][2].running = False


def _forget(management: Management, _: Tools) -> None:
    del management.seen["rmq3"][0]


def _part(management: Management, _: Tools) -> None:
    management.seen["rmq2"][0].partitions = ("rabbit@rmq3",)


def _fail(what: str) -> Callable[[Management, Tools], None]:
    return lambda management, _: management.failed.add(what)


def _member(name: str = "orders.audit", **changes: Any) -> Callable[[Management, Tools], None]:
    return lambda management, _: management.queue_list.append(queue(name, **changes))


def _leaderless(*names: str, nodes: Sequence[str] = NODES) -> Callable[[Management, Tools], None]:
    found = {("/orders", name) for name in names}
    return lambda management, _: management.leaderless.update(dict.fromkeys(nodes, found))


def _facts(change: Callable[[dict[str, Any]], object]) -> Callable[[Management, Tools], None]:
    def act(_: Management, tools: Tools) -> None:
        change(tools.facts)

    return act


def _printed(text: str, returncode: int = 0) -> Callable[[Management, Tools], None]:
    def act(_: Management, tools: Tools) -> None:
        tools.stdout, tools.returncode = text, returncode

    return act


def test_queue_is_not_leaderless_that_some_nodes_have_no_member_of(
    gate: Gate, management: Management, tools: Tools
) -> None:
    """RabbitMQ 4.3.6, five nodes: the check of each node names every queue without a member on that node."""
    management.leaderless = {
        "rmq1": {("/orders", "on-2-and-3"), ("/orders", "on-3"), ("/orders", "on-2")},
        "rmq2": {("/orders", "on-1-and-3"), ("/orders", "on-3")},
        "rmq3": {("/orders", "on-2")},
    }
    gate.check()
    management.leaderless["rmq3"].add(("/orders", "on-3"))
    with pytest.raises(NotReadyError, match="has no leader"):
        gate.check()


@pytest.mark.parametrize(
    ("breakage", "where", "what"),
    [
        (_stop, "rmq2", "does not see rabbit@rmq3 running"),
        (_forget, "rmq3", "does not see rabbit@rmq1 running"),
        (_part, "rmq2", "sees a partition around rabbit@rmq1"),
        (_fail("alarms"), "rmq1", "alarms is bad"),
        (_fail("leaders"), "rmq1", "leaders is bad"),
        (_leaderless("orders.work"), "queue orders.work in /orders", "has no leader"),
        (_leaderless("b", "a", "c"), "queue a in /orders", "has no leader, nor have 2 more"),
        (_fail("rmq3"), "rmq3", "ready is bad"),
        (_member(online=ERLANG[:2]), "queue orders.audit in /orders", "2 of 3 members online, not rabbit@r"),
        (
            _member(members=ERLANG[:2], online=ERLANG[:2]),
            "queue orders.audit in /orders",
            "has 2 of 3 members online",
        ),
        (_facts(lambda facts: facts.update(syncing=2)), "rmq1", "2 new queue replicas have not finished"),
        (_facts(lambda facts: facts["store"].pop()), "rmq1", "not whole"),
        (_facts(lambda facts: facts["store"][1].update(state="follower")), "rmq1", "not whole"),
        (_facts(lambda facts: facts["store"][0].update(state="leader")), "rmq1", "not whole"),
        (_facts(lambda facts: facts["store"][2].update(state="noproc")), "rmq1", "rabbit@rmq3 noproc"),
        (_facts(lambda facts: facts["store"][2].update(applied="400")), "rabbit@rmq3", "still catching up"),
        (_facts(lambda facts: facts["store"][2].update(applied="undefined")), "rabbit@rmq3", "catching up"),
        (_printed("Error: unable to connect to node", 69), "rmq1", "unable to connect"),
        (_printed("a warning and no JSON"), "rmq1", "printed no facts"),
    ],
)
def test_each_thing_that_is_not_whole_keeps_the_gate_shut(
    deployed: Topology, breakage: Callable[[Management, Tools], None], where: str, what: str
) -> None:
    management, tools = Management(), Tools()
    breakage(management, tools)
    with pytest.raises(NotReadyError) as caught:
        Gate(topology=deployed, management=management, runtime=tools).check()  # type: ignore[arg-type]
    assert caught.value.where == where
    assert what in caught.value.what


def old(topology: Topology, version: str = "4.0.5") -> Topology:
    return dataclasses.replace(topology, broker=dataclasses.replace(topology.broker, version=version))


@pytest.mark.parametrize(
    ("breakage", "where", "what"),
    [
        (_member(leader=None), "queue orders.audit in /orders", "has no leader"),
        (_fail("rmq3:5671"), "rmq3", "port-listener/5671 is bad"),
        (_facts(lambda facts: facts.update(mnesia=ERLANG[:2])), "rmq1", "does not run on rabbit@rmq3"),
        (_facts(lambda facts: facts["store"].pop()), "rmq1", "not whole"),
    ],
)
def test_old_series_is_asked_in_its_own_ways(
    deployed: Topology, breakage: Callable[[Management, Tools], None], where: str, what: str
) -> None:
    """4.0 has no health check of leaders or of readiness, and keeps its metadata in Mnesia."""
    management, tools = Management(), Tools()
    management.quorum_queues_have_leaders = management.ready_to_serve_clients = None  # type: ignore[assignment, method-assign]
    gate = Gate(topology=old(deployed), management=management, runtime=tools)  # type: ignore[arg-type]
    gate.check()
    breakage(management, tools)
    with pytest.raises(NotReadyError) as caught:
        gate.check()
    assert (caught.value.where, what in caught.value.what) == (where, True), caught.value


@pytest.mark.parametrize(("version", "asks"), [("4.0.5", True), ("4.2.9", True), ("4.3.0", False)])
def test_metadata_store_is_mnesia_only_before_it_is_always_khepri(
    deployed: Topology, version: str, asks: bool
) -> None:
    tools = Tools()
    tools.facts = {"syncing": 0, "store": [], "mnesia": list(ERLANG)}
    asked: list[str] = []

    def execute(node: str, argv: Any, **rest: Any) -> Completed:
        asked.append(argv[2])
        return Tools.execute(tools, node, argv, **rest)

    tools.execute = execute  # type: ignore[method-assign]
    Gate(topology=old(deployed, version), management=Management(), runtime=tools).check()  # type: ignore[arg-type]
    assert ("mnesia:system_info" in asked[0]) is asks


@pytest.mark.parametrize(
    "harmless",
    [
        _member(type="classic", members=(), online=()),
        _member(name="somebodys", members=ERLANG[:1], online=ERLANG[:1]),
        _facts(lambda facts: facts["store"][2].update(applied="460")),
    ],
    ids=["classic queue", "foreign queue of one member", "a few entries behind"],
)
def test_what_is_no_fault_does_not_keep_it_shut(
    gate: Gate, management: Management, tools: Tools, harmless: Callable[[Management, Tools], None]
) -> None:
    harmless(management, tools)
    gate.check()


@pytest.mark.parametrize(("members", "whole"), [(5, True), (3, False)])
def test_on_five_nodes_a_queue_of_the_topology_has_five_members_and_anothers_has_its_own(
    gate: Gate, management: Management, members: int, whole: bool
) -> None:
    """As the rendered configuration has it: https://www.rabbitmq.com/docs/quorum-queues#replica-reconciliation."""
    names = tuple(f"rabbit@rmq{place}" for place in range(1, 6))
    nodes = tuple(dataclasses.replace(gate.topology.nodes[0], name=f"rmq{place}") for place in range(1, 6))
    five = dataclasses.replace(gate, topology=dataclasses.replace(gate.topology, nodes=nodes))
    management.queue_list = [
        queue("orders.work", members=names[:members], online=names[:members]),
        queue("somebodys", members=names[:3], online=names[:3]),
    ]
    if whole:
        five.members_online()
        return
    with pytest.raises(NotReadyError, match="has 3 of 5 members online"):
        five.members_online()


def test_queue_that_is_to_begin_with_fewer_members_is_whole_with_these(
    gate: Gate, management: Management
) -> None:
    """The broker adds the others at its next look, an hour away: nobody can wait for that."""
    orders = gate.topology.vhosts[0]
    small = dataclasses.replace(orders.queues[0], arguments={"x-quorum-initial-group-size": 1})
    vhosts = (dataclasses.replace(orders, queues=(small,)), *gate.topology.vhosts[1:])
    lone = dataclasses.replace(gate, topology=dataclasses.replace(gate.topology, vhosts=vhosts))
    name, vhost = small.name, orders.name
    management.queue_list = [queue(name, vhost=vhost, members=ERLANG[:1], online=ERLANG[:1])]
    lone.members_online()
    management.queue_list = [queue(name, vhost=vhost, members=ERLANG, online=ERLANG[:2])]
    with pytest.raises(NotReadyError, match="has 2 of 3 members online"):
        lone.members_online()


def test_foreign_queue_must_have_all_the_members_it_has_online(gate: Gate, management: Management) -> None:
    management.queue_list.append(queue("somebodys", members=ERLANG[:2], online=ERLANG[:1]))
    with pytest.raises(NotReadyError, match="1 of 2"):
        gate.check()


def test_every_node_is_asked_for_its_own_view(gate: Gate, management: Management) -> None:
    for node in NODES:
        broken = Management()
        broken.seen[node][0].running = False
        with pytest.raises(NotReadyError) as caught:
            dataclasses.replace(gate, management=broken).check()
        assert caught.value.where == node


@pytest.mark.parametrize(
    ("leaders", "even"),
    [
        ({0: 5, 1: 5, 2: 5}, True),
        ({0: 6, 1: 6, 2: 4}, True),
        ({0: 6, 1: 5, 2: 4}, False),
        ({0: 8, 1: 0, 2: 0}, False),
        ({0: 1, 1: 0, 2: 0}, True),
        ({}, True),
    ],
)
def test_leaders_are_even_when_no_node_has_more_than_its_share(
    leaders: Mapping[int, int], even: bool
) -> None:
    queues: list[QueueInfo] = [
        queue(f"q{place}{number}", leader=ERLANG[place])
        for place, count in leaders.items()
        for number in range(count)
    ]
    found = leader_spread(queues, ERLANG)
    assert found.even is even
    assert (found.least, found.most) == (
        min(leaders.get(place, 0) for place in range(3)),
        max(leaders.get(place, 0) for place in range(3)),
    )


def test_classic_queues_and_queues_without_a_leader_do_not_count(deployed: Topology) -> None:
    queues: list[QueueInfo] = [queue("a", type="classic"), queue("b", leader=None)]
    assert leader_spread(queues, ERLANG).most == 0
