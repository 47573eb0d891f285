"""The loop's turns: woken when told, spaced where there are many, and honest about when they rested."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from pika.adapters.select_connection import PollEvents

from loadgen.budget import Budget, spacing_ns
from loadgen.loop import TurnLoop

MS = 1_000_000


@pytest.fixture
def busy() -> Iterator[TurnLoop]:
    """A loop of 200 turns a second that always has something due, its burst used up."""
    loop = TurnLoop(Budget(5 * MS))
    loop.wake_ns = 0
    for _ in range(21):
        loop.turn()
    yield loop
    loop.close()


def taken(budget: Budget, moments: list[int]) -> list[int]:
    """When a loop that is wanted at ``moments`` takes its turns."""
    now, turns = 0, []
    for wanted in moments:
        now = max(now, wanted)
        now += max(0, budget.rest_ns(now))
        budget.spend(now)
        turns.append(now)
    return turns


def test_turns_within_the_budget_are_taken_when_they_are_wanted() -> None:
    moments = [at * 5 * MS for at in range(1000)]
    assert taken(Budget(5 * MS // 2), moments) == moments


def test_more_turns_than_the_budget_has_are_spaced_after_a_burst() -> None:
    turns = taken(Budget(5 * MS // 2), [at * MS // 2 for at in range(2000)])
    steps = [later - before for before, later in pairwise(turns)]
    assert steps[:20] == [MS // 2] * 20
    assert set(steps[40:]) == {5 * MS // 2}


def test_a_pause_earns_no_more_than_one_burst() -> None:
    budget = Budget(5 * MS // 2)
    taken(budget, [0] * 100)
    late = taken(budget, [10_000 * MS] * 50)
    assert sum(at == 10_000 * MS for at in late) == 21


def test_no_budget_is_no_rest() -> None:
    assert taken(Budget(0), [7] * 1000) == [7] * 1000


def test_rests_end_where_what_comes_in_one_fills_the_socket() -> None:
    """A hundred turns a second of what a receive buffer holds were 11.5 MB/s, whatever the broker had."""
    budget, now, total = Budget(10 * MS), 0, 0
    for _ in range(40):
        now += max(0, budget.rest_ns(now))
        budget.spend(now)
    rests = []
    for _ in range(1000):
        came_in_ns = max(MS // 10, budget.rest_ns(now))
        rests.append(came_in_ns)
        now += came_in_ns
        budget.spend(now)
        there = min(115_000, 60_000_000 * came_in_ns // 1_000_000_000)
        budget.read(there)
        total += there
    assert total / sum(rests) * 1_000_000_000 > 50_000_000
    assert max(rests) <= 10 * MS, "a share that falls makes no rest of its own"
    for _ in range(120):
        now += max(0, budget.rest_ns(now))
        budget.spend(now)
        budget.read(1000)
    assert budget.rest_ns(now) == pytest.approx(10 * MS, rel=0.01)


def test_little_that_is_read_leaves_the_turns_as_far_apart_as_they_were() -> None:
    budget, turns, now = Budget(10 * MS), [], 0
    for _ in range(50):
        now += max(0, budget.rest_ns(now))
        budget.spend(now)
        budget.read(30_000)
        turns.append(now)
    assert {later - before for before, later in pairwise(turns[25:])} == {10 * MS}


def test_turns_are_spaced_as_asked_where_credit_abounds() -> None:
    assert spacing_ns(400, 500, 2000) == 5 * MS // 2


@pytest.mark.parametrize("messages_per_s", [1_000, 20_000])
def test_rest_is_at_most_a_tenth_of_what_the_credit_takes_to_go_round(messages_per_s: int) -> None:
    around_ns = 200 * 1_000 * MS // messages_per_s
    assert spacing_ns(1, 200, messages_per_s) == around_ns // 10


@pytest.mark.parametrize(
    ("wakes_per_s", "credit", "messages_per_s"), [(0, 500, 2000), (300, 1, 400), (300, 200, 0)]
)
def test_no_rest_unasked_nor_with_little_credit_nor_before_a_rate_is_known(
    wakes_per_s: int, credit: int, messages_per_s: int
) -> None:
    assert spacing_ns(wakes_per_s, credit, messages_per_s) == 0


def test_loop_wakes_when_told_and_says_that_it_rested() -> None:
    loop = TurnLoop()
    rests = []
    for _ in range(5):  # on a busy machine a poll may last so long that it passes for a rest; hardly all five
        loop.wake_ns = 0
        rests.append(loop.turn()[1])
    assert 0 in rests
    start = time.monotonic_ns()
    loop.wake_ns = start + 5 * MS
    woke, rested = loop.turn()
    assert rested == woke
    assert woke - start >= 5 * MS
    loop.close()


def test_spaced_turn_says_since_when_it_could_have_been_taken(busy: TurnLoop) -> None:
    before = time.monotonic_ns()
    turns = [busy.turn() for _ in range(5)]
    # On a busy machine a turn may last as long as a rest, and a poll pass for one; hardly all five.
    assert all(not rested or before <= rested <= woke for woke, rested in turns)
    assert any(0 < rested < woke for woke, rested in turns)
    assert time.monotonic_ns() - before >= 4 * 5 * MS


def test_what_came_while_the_loop_rested_is_read_in_one_turn(busy: TurnLoop) -> None:
    near, far = os.pipe()
    seen: list[int] = []
    busy.add_handler(near, lambda fd, _events: seen.append(len(os.read(fd, 100))), PollEvents.READ)
    os.write(far, b"one")
    os.write(far, b"two")
    busy.turn()
    assert seen == [6]
    os.close(near)
    os.close(far)


def test_turn_that_left_something_behind_is_followed_by_one_without_a_rest(
    busy: TurnLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    monkeypatch.setattr(time, "sleep", rests.append)
    near, far = os.pipe()
    os.write(far, bytes(50))

    def read_one() -> bool:
        os.read(near, 1)
        busy.hurry()
        return True

    busy.add_handler(near, lambda _fd, _events: pytest.fail("it was to be read directly"), PollEvents.READ)
    busy.prefer(near, read_one)
    busy.turn()
    del rests[:]
    for _ in range(40):
        busy.turn()
    assert rests == []
    os.close(near)
    os.close(far)


@pytest.mark.parametrize("ask", ["call_later", "add_callback", "add_callback_threadsafe"])
def test_what_pika_asks_for_between_turns_is_not_missed(ask: str) -> None:
    loop = TurnLoop()
    loop.wake_ns = 0
    loop.turn()
    rung: list[str] = []
    arguments = (0, lambda: rung.append(ask)) if ask == "call_later" else (lambda: rung.append(ask),)
    getattr(loop, ask)(*arguments)
    loop.turn()
    assert rung == [ask]
    loop.close()


def test_pikas_timers_are_kept_though_they_are_not_asked_each_turn() -> None:
    loop = TurnLoop()
    rung: list[int] = []
    start = time.monotonic_ns()
    loop.call_later(0.02, lambda: rung.append(time.monotonic_ns()))
    while not rung and time.monotonic_ns() - start < 5_000 * MS:
        loop.wake_ns = time.monotonic_ns() + MS
        loop.turn()
    assert rung[0] - start >= 20 * MS
    loop.close()
