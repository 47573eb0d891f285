"""The oracles of routing and returns, checked by mutation of evidence that a right broker would leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from loadgen import oracles, roster
from loadgen.collect import Totals
from loadgen.evidence import Evidence, members
from loadgen.ledger import Event, Kind, LogPart
from loadgen.spec import LoadSpec

COUNT = 400
ROUTED = ("pubsub", "direct", "topic", "headers", "alternate", "returns")


@pytest.fixture(scope="module")
def specs(spec_of: Callable[[str], LoadSpec]) -> dict[str, LoadSpec]:
    return {name: spec_of(name) for name in ROUTED}


def right(spec: LoadSpec) -> Evidence:
    """Every message in each queue that it is owed to; what has no way came back."""
    expected = roster.expectation(spec)
    everything = (1 << COUNT) - 1
    unroutable = everything
    done = {}
    for queue in expected.destinations[0]:
        owed = expected.owed(queue, 0, COUNT)
        done[queue, 0] = [owed]
        unroutable &= ~owed
    back = tuple(Event(Kind.RETURNED, 0, seq) for seq in members(unroutable))
    return Evidence(
        published={0: COUNT}, confirmed={0: everything}, done=done, logs=[LogPart(meaning={}, events=back)]
    )


def checked(spec: LoadSpec, evidence: Evidence) -> Any:
    return oracles.check(spec, evidence, roster.expectation(spec), Totals())


def flip(evidence: Evidence, queue: str, bit: int) -> None:
    evidence.done[queue, 0] = [evidence.done.get((queue, 0), [0])[0] ^ (1 << bit)]


@pytest.mark.parametrize("profile", ROUTED)
def test_what_a_right_broker_does_holds(profile: str, specs: dict[str, LoadSpec]) -> None:
    found = checked(specs[profile], right(specs[profile]))
    assert found["bindings"]["passed"] is True
    assert found["returns"]["passed"] is True
    queues = [each for each in found["bindings"].values() if isinstance(each, dict)]
    assert all(each["owed"] == each["received"] > 0 for each in queues)
    assert len(queues) == (1 if profile == "returns" else 3)


def test_what_the_bindings_ask_for_is_shown(specs: dict[str, LoadSpec]) -> None:
    found = checked(specs["topic"], right(specs["topic"]))["bindings"]
    assert found["warren.orders"]["bindings"] == ["warren.topic order.#", "warren.topic #.failed"]


@pytest.mark.parametrize("profile", ROUTED)
def test_message_that_a_binding_leads_to_and_that_never_came_is_missing(
    profile: str, specs: dict[str, LoadSpec]
) -> None:
    evidence = right(specs[profile])
    queue = sorted(name for name, _ in evidence.done)[0]
    flip(evidence, queue, next(members(evidence.done[queue, 0][0])))
    found = checked(specs[profile], evidence)["bindings"]
    assert (found["passed"], found["missing"], found["leaked"]) == (False, 1, 0)
    assert (found[queue]["missing"], f"{queue} lacks 1 messages" in found["why"]) == (1, True)


@pytest.mark.parametrize("profile", ["direct", "topic", "headers", "alternate"])
def test_message_that_no_binding_leads_there_is_a_leak(profile: str, specs: dict[str, LoadSpec]) -> None:
    evidence = right(specs[profile])
    queue = sorted(name for name, _ in evidence.done)[0]
    flip(evidence, queue, next(members(~evidence.done[queue, 0][0] & (1 << COUNT) - 1)))
    found = checked(specs[profile], evidence)["bindings"]
    assert (found["passed"], found["missing"], found["leaked"]) == (False, 0, 1)
    assert found[queue]["leaked"] == 1
    assert found["why"] == f"{queue} lacks 0 messages that its bindings owe it and got 1 others"


def test_message_in_a_queue_that_nothing_leads_to_is_a_leak(specs: dict[str, LoadSpec]) -> None:
    evidence = right(specs["returns"])
    flip(evidence, "warren.nowhere", 3)
    assert checked(specs["returns"], evidence)["bindings"]["leaked"] == 1


def test_message_that_was_never_confirmed_is_not_missing(specs: dict[str, LoadSpec]) -> None:
    evidence = right(specs["pubsub"])
    flip(evidence, "warren.audit", 7)
    evidence.confirmed[0] ^= 1 << 7
    assert checked(specs["pubsub"], evidence)["bindings"]["passed"] is True


def test_message_that_an_alternate_should_have_taken_and_that_came_back_is_found(
    specs: dict[str, LoadSpec],
) -> None:
    evidence = right(specs["alternate"])
    evidence.logs = [LogPart(meaning={}, events=(Event(Kind.RETURNED, 0, 5),))]
    found = checked(specs["alternate"], evidence)["returns"]
    assert (found["passed"], found["returned_though_routable"]) == (False, 1)


def test_classes_without_a_way_are_counted_apart(specs: dict[str, LoadSpec]) -> None:
    found = checked(specs["returns"], right(specs["returns"]))["returns"]
    kinds = {name: each["returned"] for name, each in found.items() if isinstance(each, dict)}
    assert set(kinds) == {"unbound-key", "unbound-exchange", "no-such-queue"}
    assert all(kinds.values())
