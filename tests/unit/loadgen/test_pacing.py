"""Open loop: each message has its own time, and lag is split by whose doing it was."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from loadgen.pacing import SECOND_NS, Constant, LagClock, schedule

MS = 1_000_000


def test_rate_is_spread_evenly_and_not_in_bursts() -> None:
    plan = Constant(rate_per_s=1000)
    times = [plan.intended_ns(seq) for seq in range(5000)]
    per_10_ms = Counter(at // (10 * MS) for at in times)
    assert set(per_10_ms.values()) == {10}


def test_publishers_interleave_to_the_whole_rate() -> None:
    times = sorted(
        Constant(rate_per_s=100, index=index, publishers=3).intended_ns(seq)
        for index in range(3)
        for seq in range(50)
    )
    gaps = {after - before for before, after in pairwise(times)}
    assert gaps == {10 * MS}


def test_times_do_not_drift_over_an_hour() -> None:
    plan = Constant(rate_per_s=7)
    assert plan.intended_ns(7 * 3600) == 3600 * SECOND_NS


def test_no_rate_means_no_schedule() -> None:
    assert schedule(None, index=0, publishers=1).paced is False
    assert schedule(5, index=0, publishers=1).paced is True


def test_oversleeping_counts_as_our_own() -> None:
    assert LagClock(0).split(10 * MS, 15 * MS) == (5 * MS, 0)


def test_waiting_for_the_window_counts_as_blocked() -> None:
    lag = LagClock(0)
    lag.free(500 * MS)
    assert lag.split(10 * MS, 501 * MS) == (1 * MS, 490 * MS)


def test_message_due_after_the_block_has_no_blocked_part() -> None:
    lag = LagClock(0)
    lag.free(500 * MS)
    assert lag.split(600 * MS, 602 * MS) == (2 * MS, 0)


def test_loop_that_never_sleeps_is_late_by_its_own_doing() -> None:
    lag = LagClock(0)
    assert lag.split(10 * MS, 900 * MS) == (890 * MS, 0)


def test_message_that_is_early_has_no_lag() -> None:
    assert LagClock(0).split(10, 5) == (0, 0)
