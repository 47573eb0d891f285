from __future__ import annotations

import base64
import itertools
from typing import Any

import pytest

from chaos.wiring import ManagementBroker
from warren.errors import NotReadyError
from warren.management_facts import HealthCheck, NodeInfo, QueueInfo
from warren.management_facts import node as read_node
from warren.management_facts import queue as read_queue
from warren.process import Completed
from warren.runtime.fake import FakeRuntime
from warren.runtime.protocol import NodeState
from warren.wait import Clock


class FakeManagement:
    """Answers ``get`` with one queue and records what was asked of whom."""

    def __init__(self, leader: str | None) -> None:
        self.leader = leader
        self.asked: list[tuple[tuple[str, ...], str | None]] = []
        self.passed = True

    def get(self, *path: str, node: str | None = None) -> dict[str, Any]:
        self.asked.append((path, node))
        return {
            "vhost": "/orders",
            "name": "orders.work",
            "type": "quorum",
            "durable": True,
            "leader": self.leader,
            "node": "rabbit@rmq9",  # this field lags behind the leader: it must not be used
        }

    def not_quorum_critical(self, node: str) -> HealthCheck:
        return HealthCheck(node=node, check="node-is-quorum-critical", passed=self.passed, reason="")

    def alarms(self) -> HealthCheck:
        return HealthCheck(node="rmq1", check="alarms", passed=self.passed, reason="")


class AnyCommand(FakeRuntime):
    """Answers every command with ``done``."""

    done = Completed(argv=(), returncode=0, stdout="", stderr="")
    argv: list[str]

    def execute(self, node: str, argv: Any, *, timeout_s: float, stdin: bytes | None = None) -> Completed:
        self.argv = list(argv)
        return self.done


@pytest.fixture
def runtime() -> AnyCommand:
    return AnyCommand(["rmq1", "rmq2", "rmq3"])


def broker(management: FakeManagement, runtime: FakeRuntime) -> ManagementBroker:
    clock = Clock(now=itertools.count().__next__, sleep=lambda _: None)
    return ManagementBroker(management, runtime, clock)  # type: ignore[arg-type]


def test_leader_is_the_node_that_the_broker_names(runtime: AnyCommand) -> None:
    management = FakeManagement("rabbit@rmq3")
    assert broker(management, runtime).queue_leader("/orders", "orders.work", asked="rmq1") == "rmq3"
    assert management.asked == [(("queues", "/orders", "orders.work"), "rmq1")]


def test_queue_without_a_leader_is_not_ready(runtime: AnyCommand) -> None:
    with pytest.raises(NotReadyError, match="no leader"):
        broker(FakeManagement(None), runtime).queue_leader("/orders", "orders.work")


def test_leader_by_tool_is_read_from_the_metadata_store(runtime: AnyCommand) -> None:
    runtime.done = Completed(argv=(), returncode=0, stdout="leader=rabbit@rmq2\nok\n", stderr="")
    found = broker(FakeManagement(None), runtime).queue_leader_by_tool("/orders", "orders.work", node="rmq1")
    assert found == "rmq2"
    assert runtime.argv[:2] == ["rabbitmqctl", "eval"]
    assert '<<"/orders">>, queue, <<"orders.work">>' in runtime.argv[2]


@pytest.mark.parametrize(
    "done",
    [
        Completed(
            argv=("x",), returncode=69, stdout="", stderr="Error: unable to connect to node rabbit@rmq1"
        ),
        Completed(argv=("x",), returncode=0, stdout="{error,not_found}", stderr=""),
    ],
)
def test_tool_that_cannot_answer_is_not_ready(runtime: AnyCommand, done: Completed) -> None:
    runtime.done = done
    with pytest.raises(NotReadyError):
        broker(FakeManagement(None), runtime).queue_leader_by_tool("/orders", "orders.work", node="rmq1")


def test_leader_is_moved_by_the_tool_of_the_node_that_is_to_lead(runtime: AnyCommand) -> None:
    runtime.done = Completed(argv=(), returncode=0, stdout="{migrated,rabbit@rmq3}\n", stderr="")
    broker(FakeManagement(None), runtime).lead("/orders", "orders.work", "rmq3")
    assert runtime.argv[:2] == ["rabbitmqctl", "eval"]
    assert all(base64.b64encode(each).decode() in runtime.argv[2] for each in (b"/orders", b"orders.work"))
    assert 'transfer_leadership(Queue, list_to_atom("rabbit@rmq3"))' in runtime.argv[2]
    runtime.done = Completed(argv=(), returncode=0, stdout="{not_migrated,timeout}\n", stderr="")
    with pytest.raises(NotReadyError, match=r"could not be led by rmq3: \{not_migrated,timeout\}"):
        broker(FakeManagement(None), runtime).lead("/orders", "orders.work", "rmq3")
    runtime.done = Completed(argv=("x",), returncode=1, stdout="", stderr="Error: badmatch")
    with pytest.raises(NotReadyError, match="badmatch"):
        broker(FakeManagement(None), runtime).lead("/orders", "no.such", "rmq3")


@pytest.mark.parametrize("passed", [True, False])
def test_node_is_critical_when_its_health_check_fails(runtime: AnyCommand, passed: bool) -> None:
    management = FakeManagement(None)
    management.passed = passed
    assert bool(broker(management, runtime).lost_with("rmq1")) is not passed


def test_alarms_are_asked_of_the_nodes_only_where_there_is_one(runtime: AnyCommand) -> None:
    """The management API says at once that there is one, and five seconds later on which node."""
    management = FakeManagement(None)
    runtime.put("rmq3", NodeState.PAUSED)
    runtime.done = Completed(
        argv=(), returncode=0, stdout="[{{resource_limit,disk,rabbit@rmq2},[]}]", stderr=""
    )
    management.passed = True
    assert broker(management, runtime).alarms() == {}
    management.passed = False
    assert broker(management, runtime).alarms() == dict.fromkeys(("rmq1", "rmq2"), frozenset({"disk"}))


class Rows(FakeManagement):
    """Answers with the lists that it is given."""

    connections: list[dict[str, Any]]
    shown: list[QueueInfo]
    members: list[dict[str, Any]]

    def rows(self, *path: str) -> list[dict[str, Any]]:
        assert path == ("connections",)
        return self.connections

    def queues(self) -> list[QueueInfo]:
        return self.shown

    def queue(self, vhost: str, name: str) -> QueueInfo:
        return self.shown[0]

    def nodes(self) -> tuple[NodeInfo, ...]:
        return tuple(read_node(each) for each in self.members)


def connection(node: str, user: str, name: str | None = None) -> dict[str, Any]:
    given = {"connection_name": name} if name else {}
    return {
        "node": f"rabbit@{node}",
        "user": user,
        "name": "10.0.0.9:1 -> 10.0.0.2:2",
        "client_properties": given,
    }


@pytest.mark.parametrize(
    ("client", "nodes"),
    [
        ("warren-load r1", ("rmq1", "rmq3")),
        ("warren-load", ("rmq1", "rmq2", "rmq3")),
        ("orders", ("rmq2",)),
        ("order", ()),
        ("nobody", ()),
        ("10.0.0.9", ("rmq2",)),
    ],
)
def test_client_is_known_by_the_beginning_of_its_name_or_by_its_user(
    runtime: AnyCommand, client: str, nodes: tuple[str, ...]
) -> None:
    management = Rows(None)
    management.connections = [
        connection("rmq3", "load", "warren-load r1 publisher-0"),
        connection("rmq1", "load", "warren-load r1 consumer-0"),
        connection("rmq1", "load", "warren-load r1 consumer-1"),
        connection("rmq2", "load", "warren-load r2 consumer-0"),
        connection("rmq2", "orders"),
        {"user": "orders", "name": "closing"},
    ]
    assert broker(management, runtime).client_nodes(client) == nodes


def queue(name: str, *online: str, members: tuple[str, ...], leader: str = "rmq1") -> QueueInfo:
    return read_queue(
        {
            "vhost": "/orders",
            "name": name,
            "leader": f"rabbit@{leader}",
            "members": [f"rabbit@{each}" for each in members],
            "online": [f"rabbit@{each}" for each in online],
        }
    )


def test_followers_are_the_members_online_that_do_not_lead(runtime: AnyCommand) -> None:
    management = Rows(None)
    management.shown = [queue("q", "rmq1", "rmq2", members=("rmq1", "rmq2", "rmq3"))]
    assert broker(management, runtime).queue_followers("/orders", "q") == ("rmq2",)


def test_queues_that_would_be_lost_are_those_without_a_majority_left(runtime: AnyCommand) -> None:
    three, five = ("rmq1", "rmq2", "rmq3"), ("rmq1", "rmq2", "rmq3", "rmq4", "rmq5")
    management = Rows(None)
    management.shown = [
        queue("narrow", *three, members=three),
        queue("wide", *five, members=five),
        queue("hurt", "rmq1", "rmq2", "rmq4", members=five),
        queue("classic", members=()),
    ]
    found = broker(management, runtime).queues_lost_with({"rmq1", "rmq2"})
    assert found == ("/orders:narrow", "/orders:hurt")


def test_drained_nodes_are_those_that_say_so(runtime: AnyCommand) -> None:
    management = Rows(None)
    management.members = [
        {"name": "rabbit@rmq1", "running": True, "being_drained": False},
        {"name": "rabbit@rmq2", "running": True, "being_drained": True},
    ]
    assert broker(management, runtime).drained() == {"rmq2"}
