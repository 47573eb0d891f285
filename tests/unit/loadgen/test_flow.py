"""The profile that raises an alarm: when it acts, that it always undoes it, and what its oracle sees."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loadgen import oracles, resolve, roster, scenario, specify
from loadgen.acting import Acting, MemoryAlarm
from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.histogram import record
from loadgen.ledger import Event, Kind, LogPart
from loadgen.progress import Quiet
from loadgen.roles import Act
from loadgen.spec import ConsumerRole, LoadSpec, PublisherRole
from warren.connection import Credentials, Endpoint
from warren.errors import BadInputError, BadInputsError, NotReadyError
from warren.process import Completed
from warren.runtime.fake import FakeRuntime
from warren.topology import Topology
from warren.topology_reader import load as load_topology

SECOND = 1_000_000_000
PATIENCE_S = 10.0


@pytest.fixture(scope="module")
def topology(checkout_root: Path) -> Topology:
    return load_topology(checkout_root / "deploy" / "topology.yml")


# --- the act


class Alarm:
    """Remembers what was asked of it; ``fails`` at the start if so told."""

    node = "rmq1"

    def __init__(self, fails: bool = False) -> None:
        self.calls: list[str] = []
        self.started = threading.Event()
        self._fails = fails

    def start(self) -> None:
        self.calls.append("start")
        self.started.set()
        if self._fails:
            raise NotReadyError("rmq1", "no answer")

    def undo(self) -> None:
        self.calls.append("undo")


class Seen(Quiet):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def show(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "note":
            self.notes.append(event["text"])


def acting(alarm: Alarm, at_s: float = 0.0, for_s: float = 0.01) -> Acting:
    act = Act(name="memory-alarm", at_s=at_s, for_s=for_s)
    return Acting(Seen(), act, alarm)  # type: ignore[arg-type]


def until_over(found: Acting) -> None:
    end = time.monotonic() + PATIENCE_S
    while found.record is None and time.monotonic() < end:
        time.sleep(0.005)


def test_act_begins_with_the_run_and_is_undone_when_its_time_is_over() -> None:
    alarm = Alarm()
    with acting(alarm) as found:
        found.show({"type": "note", "text": "before"})
        assert alarm.calls == []
        found.show({"type": "progress", "t_s": 0})
        found.show({"type": "progress", "t_s": 1})
        until_over(found)
    assert alarm.calls == ["start", "undo"]
    assert found.record is not None
    assert (found.record.name, found.record.target, found.error) == ("memory-alarm", "rmq1", None)
    assert found.record.healed_at is not None


def test_act_is_undone_when_the_run_ends_before_its_time() -> None:
    alarm = Alarm()
    with acting(alarm, for_s=3600) as found:
        found.show({"type": "progress", "t_s": 0})
        assert alarm.started.wait(PATIENCE_S)
    assert alarm.calls == ["start", "undo"]


def test_act_is_undone_at_once_when_the_run_is_interrupted() -> None:
    alarm = Alarm()
    with acting(alarm, for_s=3600) as found:
        found.show({"type": "progress", "t_s": 0})
        assert alarm.started.wait(PATIENCE_S)
        found.stop()
        until_over(found)
        assert alarm.calls == ["start", "undo"]


def test_act_is_undone_when_the_run_is_broken_off() -> None:
    alarm = Alarm()

    def broken_off() -> None:
        with acting(alarm, for_s=3600) as found:
            found.show({"type": "progress", "t_s": 0})
            assert alarm.started.wait(PATIENCE_S)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert alarm.calls == ["start", "undo"]


def test_act_whose_time_has_not_come_is_never_done() -> None:
    alarm = Alarm()
    with acting(alarm, at_s=3600) as found:
        found.show({"type": "progress", "t_s": 0})
    assert (alarm.calls, found.record) == ([], None)


def test_act_that_failed_is_undone_all_the_same_and_told() -> None:
    alarm = Alarm(fails=True)
    with acting(alarm) as found:
        found.show({"type": "progress", "t_s": 0})
        until_over(found)
    assert alarm.calls == ["start", "undo"]
    assert found.error is not None
    assert found.error.what == "no answer"


class Tool(FakeRuntime):
    """Notes the watermarks that are set; ``status`` is what the tool ends with."""

    status = 0

    def execute(self, node: str, argv: Any, *, timeout_s: float, stdin: bytes | None = None) -> Completed:
        del timeout_s, stdin
        self.calls.append((node, " ".join(argv)))
        return Completed(argv=tuple(argv), returncode=self.status, stdout="", stderr="Error: no node")


def test_alarm_is_raised_by_a_low_watermark_and_lifted_by_the_topologys(topology: Topology) -> None:
    runtime = Tool([node.name for node in topology.nodes])
    alarm = MemoryAlarm(runtime, topology)
    alarm.start()
    alarm.undo()
    assert runtime.calls == [
        ("rmq1", "rabbitmqctl set_vm_memory_high_watermark absolute 1MB"),
        ("rmq1", f"rabbitmqctl set_vm_memory_high_watermark {topology.broker.memory_watermark}"),
    ]


def test_tool_that_fails_is_no_alarm(topology: Topology) -> None:
    runtime = Tool([node.name for node in topology.nodes])
    runtime.status = 69
    with pytest.raises(NotReadyError, match="no node"):
        MemoryAlarm(runtime, topology).start()


# --- the profile


def test_act_must_be_over_before_the_run_is() -> None:
    with pytest.raises(BadInputsError, match="not over before the end"):
        scenario.load("flow", {"duration": "9s"})


def test_act_is_refused_on_a_cluster_of_somebody_else(topology: Topology) -> None:
    found = resolve.resolve(scenario.load("flow"), topology)
    there = specify.Foreign(
        endpoints=(Endpoint(name="a", host="a", port=1),),
        credentials=Credentials(username="me", password="p"),
        ca_pem=None,
        vhost="/mine",
    )
    with pytest.raises(BadInputError, match="raises an alarm"):
        specify.foreign_spec(found, specify.Order(scenario=found), "r", there, Path("x"))


# --- the oracle

SHOP = PublisherRole(name="shop", user="u", exchange="", routing_key="q", destinations=("q",), count=2)
SPEC = LoadSpec(
    run_id="r",
    nonce=1,
    seed=1,
    profile="flow",
    vhost="/",
    endpoints=(),
    ca_pem=None,
    users=(),
    publishers=(SHOP,),
    consumers=(ConsumerRole(name="w", user="u", queue="q"),),
    folder="",
    rate_per_s=100.0,
    duration_s=15.0,
    act=Act(name="memory-alarm", at_s=5, for_s=4),
)


def blocked(publisher: int, at_s: float = 6.0, for_s: float = 5.0) -> list[Event]:
    begin, end = int(at_s * SECOND), int((at_s + for_s) * SECOND)
    return [Event(Kind.BLOCKED, publisher, 0, begin), Event(Kind.UNBLOCKED, publisher, 0, end)]


def sent(publisher: int, *at_s: float) -> list[Event]:
    return [Event(Kind.SENT_AT, publisher, seq, int(at * SECOND)) for seq, at in enumerate(at_s)]


def checked(
    *events: list[Event], failed: int = 0, confirmed: int = 1500, waited_s: float = 5.0
) -> dict[str, Any]:
    totals = Totals()
    totals.counts |= {"confirmed": confirmed, "failed": failed}
    record(totals.histograms["blocked"], int(waited_s * SECOND))
    logs = [LogPart(meaning={"worker": f"shop-{at}"}, events=tuple(each)) for at, each in enumerate(events)]
    evidence = Evidence(published={0: 750, 1: 750}, logs=logs)
    return dict(oracles.check(SPEC, evidence, roster.expectation(SPEC), totals))


def outcome(found: dict[str, Any]) -> list[object]:
    return [found[name]["passed"] for name in ("blocked", "stood_still", "caught_up")]


STILL = ([*blocked(0), *sent(0, 5.9, 11.1)], [*blocked(1), *sent(1, 5.9, 11.1)])


def test_publishers_that_stood_still_and_caught_up_hold() -> None:
    found = checked(*STILL)
    assert outcome(found) == [True, True, True]
    assert (found["blocked"]["told"], found["blocked"]["shortest_s"]) == (2, 5.0)


def test_publisher_that_was_never_told_is_found() -> None:
    assert outcome(checked(STILL[0], sent(1, 5.9)))[0] is False
    found = checked(sent(0, 1), sent(1, 1), waited_s=0.0)
    assert outcome(found) == [False, None, True]


def test_block_that_never_ended_is_found() -> None:
    assert outcome(checked(STILL[0], blocked(1)[:1]))[0] is False


@pytest.mark.parametrize("for_s", [1.0, 60.0])
def test_block_that_lasted_otherwise_than_meant_is_found(for_s: float) -> None:
    assert outcome(checked(STILL[0], blocked(1, for_s=for_s)))[0] is False


def test_run_that_ends_before_publishers_go_on_is_not_held_to_their_waiting() -> None:
    found = checked([*blocked(0), *sent(0, 5.9)], [*blocked(1), *sent(1, 5.9)], waited_s=0.0)
    assert outcome(found) == [True, True, None]
    short = [[*blocked(each, for_s=1.0), *sent(each, 5.9)] for each in (0, 1)]
    assert outcome(checked(*short, waited_s=0.0)) == [None, True, None]
    assert outcome(checked(short[0], sent(1, 5.9), waited_s=0.0))[0] is False


def test_message_sent_while_the_broker_blocked_is_found() -> None:
    found = checked(STILL[0], [*blocked(1), *sent(1, 5.9, 8.0)])
    assert outcome(found) == [True, False, True]
    assert found["stood_still"]["sent_while_blocked"] == 1


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"failed": 3}, "3 publishes failed"),
        ({"confirmed": 1400}, "1400 of 1500 were confirmed"),
        ({"waited_s": 0.2}, "longest wait is 0.2 s"),
    ],
)
def test_publisher_that_did_not_catch_up_is_found(wrong: dict[str, Any], why: str) -> None:
    found = checked(*STILL, **wrong)
    assert outcome(found) == [True, True, False]
    assert why in found["caught_up"]["why"]
