"""The oracle of poison, checked by mutation of evidence that a right broker would leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from loadgen import oracles, plan, roster
from loadgen.collect import Totals
from loadgen.evidence import Evidence, members
from loadgen.ledger import Event, Kind, LogPart
from loadgen.spec import LoadSpec

COUNT = 300
QUEUES = ("warren.plain", "warren.laddered")


@pytest.fixture
def poison(spec_of: Callable[[str], LoadSpec]) -> LoadSpec:
    return spec_of("poison")


def failures(spec: LoadSpec) -> Callable[[int], int]:
    choice = plan.failures(spec.consumers[0].failures, spec.seed)
    return lambda seq: choice.of(0, seq)


def owed(spec: LoadSpec, queue: str = "warren.plain") -> list[int]:
    return list(members(roster.expectation(spec).owed(queue, 0, COUNT)))


def always(spec: LoadSpec) -> int:
    """A message of the plain queue that fails at every try."""
    return next(seq for seq in owed(spec) if failures(spec)(seq) >= 4)


def never(spec: LoadSpec) -> int:
    """A message of the plain queue that never fails."""
    return next(seq for seq in owed(spec) if not failures(spec)(seq))


def set_aside(spec: LoadSpec) -> Evidence:
    """Each message delivered as often as planned; those that always fail set aside at the limit."""
    found = Evidence(published={0: COUNT}, confirmed={0: (1 << COUNT) - 1})
    for queue in QUEUES:
        events, done, dead = [], 0, 0
        for seq in owed(spec, queue):
            fails = failures(spec)(seq)
            events += [Event(Kind.TRIED, 0, seq, aux=number) for number in range(min(fails + 1, 4))]
            if fails >= 4:
                dead |= 1 << seq
            else:
                done |= 1 << seq
        found.logs.append(LogPart(meaning={"queue": queue, "worker": "w-0"}, events=tuple(events)))
        found.done[queue, 0], found.dead[queue, 0, "delivery_limit"] = [done], [dead]
    return found


def checked(spec: LoadSpec, evidence: Evidence) -> Any:
    return oracles.check(spec, evidence, roster.expectation(spec), Totals())


def with_event(evidence: Evidence, event: Event) -> Evidence:
    evidence.logs[0] = replace(evidence.logs[0], events=(*evidence.logs[0].events, event))
    return evidence


def without_a_try(evidence: Evidence, seq: int) -> Evidence:
    events = list(evidence.logs[0].events)
    events.remove(next(each for each in events if each.seq == seq))
    evidence.logs[0] = replace(evidence.logs[0], events=tuple(events))
    return evidence


def test_messages_that_end_at_the_limit_hold(poison: LoadSpec) -> None:
    found = checked(poison, set_aside(poison))
    assert (found["deliveries"]["passed"], found["ends"]["passed"]) == (True, True)
    for queue in QUEUES:
        assert set(found["deliveries"][queue]["always_failing"]) == {"delivered_4_times"}
        assert found["deliveries"][queue]["good"] > 0
    assert found["ends"]["done"] + found["ends"]["delivery_limit"] == COUNT


def test_delivery_beyond_the_limit_is_found(poison: LoadSpec) -> None:
    found = checked(poison, with_event(set_aside(poison), Event(Kind.TRIED, 0, always(poison), aux=4)))
    counts = found["deliveries"]["warren.plain"]
    assert (found["deliveries"]["passed"], counts["too_many"]) == (False, 1)
    assert counts["always_failing"]["delivered_5_times"] == 1


def test_message_that_was_set_aside_too_early_is_found(poison: LoadSpec) -> None:
    found = checked(poison, without_a_try(set_aside(poison), always(poison)))["deliveries"]
    assert (found["passed"], found["warren.plain"]["too_few"]) == (False, 1)


def test_good_message_that_came_again_is_found(poison: LoadSpec) -> None:
    found = checked(poison, with_event(set_aside(poison), Event(Kind.TRIED, 0, never(poison), aux=0)))
    assert found["deliveries"]["passed"] is False
    assert found["deliveries"]["warren.plain"]["good_repeated"] == 1


@pytest.mark.parametrize("lost", ["connection", "worker"])
def test_deliveries_are_not_judged_where_some_were_not_seen(poison: LoadSpec, lost: str) -> None:
    evidence = without_a_try(set_aside(poison), always(poison))
    if lost == "connection":
        with_event(evidence, Event(Kind.CONNECTION_LOST, 0, 0))
    else:
        evidence.logs.append(LogPart(meaning={"queue": "warren.plain", "worker": "w-0~1"}, events=()))
    found = checked(poison, evidence)
    assert found["deliveries"]["passed"] is None
    assert found["deliveries"]["warren.plain"]["too_few"] == 1


def test_good_message_that_was_set_aside_is_found(poison: LoadSpec) -> None:
    evidence, one = set_aside(poison), never(poison)
    evidence.done["warren.plain", 0][0] ^= 1 << one
    evidence.dead["warren.plain", 0, "delivery_limit"][0] |= 1 << one
    found = checked(poison, evidence)["ends"]
    assert (found["passed"], found["wrong_end"]) == (False, 1)


def test_good_message_may_be_set_aside_by_crashes(poison: LoadSpec) -> None:
    evidence, one = set_aside(poison), never(poison)
    evidence.done["warren.plain", 0][0] ^= 1 << one
    evidence.dead["warren.plain", 0, "delivery_limit"][0] |= 1 << one
    found = checked(poison, with_event(evidence, Event(Kind.CONNECTION_LOST, 0, 0)))["ends"]
    assert (found["passed"], found["by_crashes"]) == (True, 1)


def test_message_that_always_fails_and_was_done_is_found_after_crashes_too(poison: LoadSpec) -> None:
    evidence, one = set_aside(poison), always(poison)
    evidence.dead["warren.plain", 0, "delivery_limit"][0] ^= 1 << one
    evidence.done["warren.plain", 0][0] |= 1 << one
    found = checked(poison, with_event(evidence, Event(Kind.CONNECTION_LOST, 0, 0)))["ends"]
    assert (found["passed"], found["wrong_end"]) == (False, 1)


def test_message_that_was_set_aside_for_another_reason_is_found(poison: LoadSpec) -> None:
    evidence, one = set_aside(poison), always(poison)
    evidence.dead["warren.plain", 0, "delivery_limit"][0] ^= 1 << one
    evidence.dead["warren.plain", 0, "rejected"] = [1 << one]
    found = checked(poison, evidence)["ends"]
    assert (found["passed"], found["wrong_reason"]) == (False, 1)
