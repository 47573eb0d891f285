"""saga: each way in which a saga can go wrong is found, and a right one is not blamed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from loadgen import oracles, scenario
from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.ledger import Event, Kind, LogPart
from loadgen.oracles.saga import Paths
from loadgen.resolve import resolve
from loadgen.roster import expectation
from loadgen.spec import LoadSpec
from warren.topology_reader import load as load_topology

COUNT = 200
STEP_NS = 1_000_000
ENDS = ("warren.saga.completed", "warren.saga.compensated")


@pytest.fixture(scope="module")
def spec() -> LoadSpec:
    root = Path(__file__).resolve().parents[3]
    found = resolve(scenario.load("saga"), load_topology(root / "deploy" / "topology.yml"))
    return LoadSpec(
        run_id="r",
        nonce=1,
        seed=3,
        profile="saga",
        vhost=found.vhost,
        endpoints=(),
        ca_pem=None,
        users=(),
        publishers=found.publishers,
        consumers=found.consumers,
        relays=found.relays,
        folder="",
    )


class Day:
    """Sagas that all went as planned, and what a test changes about them."""

    def __init__(self, spec: LoadSpec) -> None:
        self.spec = spec
        self.paths = {seq: Paths(spec).of(0, seq) for seq in range(COUNT)}
        self.ends: dict[str, set[int]] = {queue: set() for queue in ENDS}
        self.arrived: list[tuple[str, Event]] = []
        self.other: list[Event] = []
        for seq, path in self.paths.items():
            self.ends[path.queues[-1]].add(seq)
            for step, queue in enumerate(path.queues):
                self.arrive(queue, seq, (step + 1) * STEP_NS)

    def arrive(self, queue: str, seq: int, at_ns: int, *, flagged: bool = False) -> None:
        self.arrived.append((queue, Event(Kind.ARRIVED, 0, seq, at_ns, aux2=flagged)))

    def one(self, end: str) -> int:
        return min(self.ends[end])

    def check(self) -> Any:
        logs = [LogPart(meaning={"queue": queue}, events=(event,)) for queue, event in self.arrived]
        logs.append(LogPart(meaning={}, events=tuple(self.other)))
        evidence = Evidence(
            published={0: COUNT},
            confirmed={0: (1 << COUNT) - 1},
            done={(queue, 0): [bits(seqs)] for queue, seqs in self.ends.items()},
            logs=logs,
        )
        return oracles.check(self.spec, evidence, expectation(self.spec), Totals())


def bits(seqs: Iterable[int]) -> int:
    return sum(1 << seq for seq in seqs)


@pytest.fixture
def day(spec: LoadSpec) -> Day:
    return Day(spec)


def test_sagas_that_end_as_planned_hold(day: Day) -> None:
    found = day.check()
    assert [found[name]["passed"] for name in ("one_end", "steps", "repeats")] == [True, True, True]
    paths = found["one_end"]["as_planned"]
    assert sum(paths.values()) == COUNT
    assert set(paths) == {"declined", "taken, reserved", "taken, out-of-stock"}
    assert paths["taken, reserved"] > paths["declined"] > 0


def test_compensation_goes_backwards(day: Day) -> None:
    longest = max(day.paths.values(), key=lambda path: len(path.queues) * (path.queues[-1] == ENDS[1]))
    assert [queue.rpartition(".")[2] for queue in longest.queues] == [
        "orders", "payments", "inventory", "refunds", "cancellations", "compensated",
    ]  # fmt: skip


def test_saga_in_two_ends_is_found(day: Day) -> None:
    day.ends[ENDS[1]].add(day.one(ENDS[0]))
    found = day.check()["one_end"]
    assert (found["passed"], found["in_two_ends"]) == (False, 1)
    assert "1 of 200" in found["why"]


def test_saga_in_no_end_is_found(day: Day) -> None:
    day.ends[ENDS[0]].remove(day.one(ENDS[0]))
    found = day.check()["one_end"]
    assert (found["passed"], found["in_no_end"]) == (False, 1)


def test_saga_that_should_have_been_compensated_and_was_completed_is_found(day: Day) -> None:
    one = day.one(ENDS[1])
    day.ends[ENDS[1]].remove(one)
    day.ends[ENDS[0]].add(one)
    found = day.check()["one_end"]
    assert (found["passed"], found["in_another_end"]) == (False, 1)


def test_step_that_was_left_out_is_found(day: Day) -> None:
    day.arrived.remove(next(each for each in day.arrived if each[0] == "warren.saga.refunds"))
    found = day.check()["steps"]
    assert (found["passed"], found["left_out"]) == (False, 1)


def test_refund_after_the_cancellation_is_out_of_order(day: Day) -> None:
    at = next(at for at, each in enumerate(day.arrived) if each[0] == "warren.saga.refunds")
    queue, event = day.arrived.pop(at)
    day.arrive(queue, event.seq, 100 * STEP_NS)
    found = day.check()["steps"]
    assert (found["passed"], found["out_of_order"]) == (False, 1)


def test_step_that_was_not_planned_is_found(day: Day) -> None:
    day.arrive("warren.saga.refunds", day.one(ENDS[0]), 100 * STEP_NS)
    found = day.check()["steps"]
    assert (found["passed"], found["not_planned"]) == (False, 1)


def test_step_taken_again_without_a_reason_is_found(day: Day) -> None:
    day.arrive(ENDS[0], day.one(ENDS[0]), 100 * STEP_NS)
    found = day.check()["repeats"]
    assert (found["passed"], found["unexplained"]) == (False, 1)


@pytest.mark.parametrize("kind", [Kind.RELAYED_AGAIN, Kind.REPUBLISHED])
def test_step_taken_again_after_somebody_published_again_is_legal(day: Day, kind: Kind) -> None:
    one = day.one(ENDS[0])
    day.arrive(ENDS[0], one, 100 * STEP_NS)
    day.other.append(Event(kind, 0, one, 50 * STEP_NS))
    found = day.check()["repeats"]
    assert (found["passed"], found["published_again"]) == (True, 1)


def test_step_taken_again_with_the_flag_is_legal(day: Day) -> None:
    day.arrive(ENDS[0], day.one(ENDS[0]), 100 * STEP_NS, flagged=True)
    found = day.check()["repeats"]
    assert (found["passed"], found["redelivered"]) == (True, 1)
