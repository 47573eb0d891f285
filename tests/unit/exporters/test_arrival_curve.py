"""The estimator against a queue whose truth is known, seen through counters that are up to 5 s old."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.arrival_curve import Age, CountersSum, CounterSum, Curve, QueueArrivals, Reading, Source

REFRESH_S = 5
NODES = ("a", "b")


@dataclass(slots=True)
class ModelQueue:
    """First in, first out; one step is one second. ``skew_s`` is when in the five seconds the backlog is
    refreshed; channel counters are refreshed at 0."""

    skew_s: int = 0
    queue: deque[float] = field(default_factory=deque)
    published: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NODES, 0))
    acked: int = 0
    arrivals: list[float] = field(default_factory=list)
    departed: int = 0
    shown_published: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NODES, 0))
    shown_acked: int = 0
    shown_backlog: int = 0

    def step(
        self, second: int, arrivals: int, departures: int, *, by_publish: bool = True, acked: bool = True
    ) -> None:
        """One second: ``arrivals`` come evenly over it, at most ``departures`` leave at its end."""
        for index in range(arrivals):
            at = second + index / arrivals
            self.queue.append(at)
            self.arrivals.append(at)
            if by_publish:
                self.published[NODES[len(self.arrivals) % 2]] += 1
        for _ in range(min(departures, len(self.queue))):
            self.queue.popleft()
            self.departed += 1
            self.acked += int(acked)
        now = second + 1
        if now % REFRESH_S == 0:
            self.shown_published, self.shown_acked = dict(self.published), self.acked
        if now % REFRESH_S == self.skew_s:
            self.shown_backlog = len(self.queue)

    def reading(self, **flags: bool) -> Reading:
        acked: Mapping[str, float] = {"a": self.shown_acked, "b": 0}
        return Reading(
            ready=self.shown_backlog,
            unacked=0,
            published={node: {"x": count} for node, count in self.shown_published.items()},
            acked=acked,
            delivered=acked,
            **flags,
        )

    def restart(self, node: str) -> None:
        """The node comes back with its counters at nought."""
        self.published[node] = self.shown_published[node] = 0

    def true_age(self, now_s: float) -> float:
        return now_s - self.queue[0] if self.queue else 0.0

    def age_of(self, number: int, now_s: float) -> float:
        """Age that arrival ``number`` (from 1, clipped to those there are) has now."""
        return now_s - self.arrivals[max(0, min(number, len(self.arrivals)) - 1)]

    def arrived_since(self, since_s: float) -> int:
        return len(self.arrivals) - bisect_left(self.arrivals, since_s)


def idle(ready: int) -> Reading:
    """A queue of ``ready`` messages of which no counter says anything."""
    return Reading(ready=ready, unacked=0, published={}, acked={}, delivered={})


#: The two counters of one answer are up to one refresh old each.
SKEW_S = 2.0 * REFRESH_S
Rates = Callable[[int], tuple[int, int]]


def play(rates: Rates, *, seconds: int, skew_s: int = 0, every_s: int = 5) -> list[tuple[float, float, Age]]:
    """(second, true age, answer) at each scrape."""
    model, arrivals, seen = ModelQueue(skew_s=skew_s), QueueArrivals(), []
    arrivals.record(0.0, model.reading())
    for second in range(seconds):
        model.step(second, *rates(second))
        now = second + 1
        if now % every_s == 0:
            seen.append((float(now), model.true_age(now), arrivals.record(float(now), model.reading())))
    return seen


def worst_error(seen: list[tuple[float, float, Age]], *, after_s: float = 0) -> float:
    errors = [abs(age.age_s - true) for now, true, age in seen if age.age_s is not None and now > after_s]
    assert errors
    return max(errors)


@pytest.mark.parametrize("skew_s", range(5))
def test_age_stays_within_the_refresh_skew_under_steady_load(skew_s: int) -> None:
    seen = play(lambda s: (100, 100 if s >= 30 else 0), seconds=300, skew_s=skew_s)
    assert worst_error(seen) <= SKEW_S
    assert seen[-1][1] == pytest.approx(30, abs=1)


@pytest.mark.parametrize("skew_s", range(5))
def test_age_follows_a_stopped_consumer_second_by_second(skew_s: int) -> None:
    seen = play(lambda s: (50, 50 if s < 60 else 0), seconds=400, skew_s=skew_s)
    assert worst_error(seen) <= SKEW_S
    assert seen[-1][2].age_s == pytest.approx(340, abs=SKEW_S)


def test_age_goes_to_nought_when_the_queue_is_drained() -> None:
    seen = play(lambda s: (50, 0) if s < 100 else (0, 200), seconds=200)
    assert seen[-1][2].age_s == 0.0
    assert max(true for _, true, _ in seen) >= 95


@pytest.mark.parametrize("skew_s", range(5))
def test_age_survives_bursts_against_a_slow_consumer(skew_s: int) -> None:
    seen = play(lambda s: (400 if s % 60 < 10 else 20, 80), seconds=600, skew_s=skew_s)
    errors = sorted(abs(age.age_s - true) for _, true, age in seen if age.age_s is not None)
    assert errors[len(errors) // 2] <= 2
    # What left in the last refresh at 80 a second came in at 20 a second: four times as long.
    assert errors[-1] <= 4 * SKEW_S


@settings(max_examples=60, deadline=None)
@given(
    phases=st.lists(
        st.tuples(st.integers(10, 60), st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=6
    ),
    skew_s=st.integers(0, 4),
    every_s=st.sampled_from([1, 5, 15]),
)
def test_answer_is_never_off_by_more_messages_than_moved_between_refreshes(
    phases: list[tuple[int, int, int]], skew_s: int, every_s: int
) -> None:
    model, arrivals = ModelQueue(skew_s=skew_s), QueueArrivals()
    arrivals.record(0.0, model.reading())
    rates = [(a, d) for seconds, a, d in phases for _ in range(seconds)]
    history: list[tuple[int, int]] = []
    for second, (come, go) in enumerate(rates):
        departed = model.departed
        model.step(second, come, go)
        history.append((come, model.departed - departed))
        now = second + 1
        if now % every_s:
            continue
        answer = arrivals.record(float(now), model.reading())
        if answer.age_s is None or not model.queue or answer.age_s == 0.0:
            continue
        span = history[-int(SKEW_S) :]
        off = sum(a for a, _ in span) + sum(d for _, d in span) + 1
        oldest = model.departed + 1
        slack = every_s + REFRESH_S + 0.02 * now
        assert answer.age_s <= model.age_of(oldest - off, now) + slack
        assert answer.age_s >= model.age_of(oldest + off, now) - slack


def test_restart_of_a_node_does_not_disturb_the_age() -> None:
    model, arrivals = ModelQueue(), QueueArrivals()
    arrivals.record(0.0, model.reading())
    worst = 0.0
    for second in range(300):
        model.step(second, 100, 0 if second < 40 else 100)
        if second == 150:
            model.restart("a")
        if (second + 1) % 5 == 0:
            answer = arrivals.record(second + 1.0, model.reading())
            assert answer.source is Source.PUBLISHED
            assert answer.age_s is not None
            worst = max(worst, abs(answer.age_s - model.true_age(second + 1)))
    assert worst <= SKEW_S


def test_messages_from_before_the_first_scrape_have_a_least_age_only() -> None:
    arrivals = QueueArrivals()
    for now in range(0, 100, 5):
        answer = arrivals.record(float(now), idle(7))
    assert answer == Age(source=Source.PUBLISHED, at_least_s=95.0)


def test_age_is_exact_once_the_messages_from_before_are_gone() -> None:
    arrivals = QueueArrivals()
    arrivals.record(
        0.0, Reading(ready=10, unacked=0, published={"a": {"x": 500}}, acked={"a": 5}, delivered={})
    )
    at_least = arrivals.record(
        10.0, Reading(ready=15, unacked=0, published={"a": {"x": 510}}, acked={"a": 10}, delivered={})
    )
    exact = arrivals.record(
        20.0, Reading(ready=10, unacked=0, published={"a": {"x": 510}}, acked={"a": 15}, delivered={})
    )
    assert (at_least.age_s, at_least.at_least_s) == (None, 10.0)
    assert exact.age_s == pytest.approx(19.0)


def test_dead_lettered_arrivals_are_counted_by_conservation() -> None:
    model, arrivals = ModelQueue(), QueueArrivals()
    arrivals.record(0.0, model.reading())
    for second in range(300):
        model.step(second, 2 if second < 200 else 0, 0, by_publish=False)
        if (second + 1) % 5 == 0:
            answer = arrivals.record(second + 1.0, model.reading())
    assert answer.source is Source.CONSERVATION
    assert answer.age_s == pytest.approx(model.true_age(300), abs=SKEW_S)


def test_rejected_messages_do_not_disturb_a_queue_that_publishers_fill() -> None:
    model, arrivals = ModelQueue(), QueueArrivals()
    arrivals.record(0.0, model.reading())
    for second in range(400):
        model.step(second, 100, 0 if second < 20 else 100, acked=second % 10 != 0)
        if (second + 1) % 5 == 0:
            answer = arrivals.record(second + 1.0, model.reading())
            assert answer.source is Source.PUBLISHED
    assert answer.age_s == pytest.approx(20, abs=SKEW_S)


def test_age_is_absent_where_messages_come_and_go_unseen() -> None:
    arrivals = QueueArrivals()
    for now in range(0, 600, 5):
        answer = arrivals.record(
            float(now),
            Reading(
                ready=50,
                unacked=0,
                published={},
                acked={},
                delivered={},
                unseen_arrivals=True,
                unseen_departures=True,
            ),
        )
    assert answer == Age(source=Source.UNKNOWN)


def test_a_full_queue_that_refuses_publishes_is_counted_by_departures() -> None:
    """Publishes refused by a full queue are in the counter and never in the queue."""
    arrivals = QueueArrivals()
    for now in range(0, 400, 5):
        reading = Reading(
            ready=1000,
            unacked=0,
            published={"a": {"x": 100 * now}},
            acked={"a": 10 * now},
            delivered={},
            refusing=now > 0,
        )
        answer = arrivals.record(float(now), reading)
    assert answer.source is Source.CONSERVATION
    assert answer.age_s == pytest.approx(100, abs=SKEW_S)


def test_a_retry_queue_counts_what_its_consumers_reject() -> None:
    """Deliveries, not acknowledgements, say what left a dead-letter target whose consumers reject."""
    arrivals = QueueArrivals()
    for now in range(0, 400, 5):
        ready = min(20 * now, 600)
        answer = arrivals.record(
            float(now),
            Reading(
                ready=ready,
                unacked=0,
                published={},
                acked={"a": 0},
                delivered={"a": 20 * now - ready},
                unseen_arrivals=True,
            ),
        )
    assert answer.source is Source.CONSERVATION
    assert answer.age_s == pytest.approx(30, abs=SKEW_S)


def test_arrivals_that_the_counter_misses_are_found_out_and_counted_by_conservation() -> None:
    """Half of the messages come by another protocol: their publishes are in no counter."""
    arrivals = QueueArrivals()
    for now in range(0, 300, 5):
        answer = arrivals.record(
            float(now),
            Reading(
                ready=20 * now, unacked=0, published={"a": {"x": 10 * now}}, acked={"a": 0}, delivered={}
            ),
        )
    assert answer.source is Source.CONSERVATION
    assert answer.age_s == pytest.approx(295, abs=SKEW_S)


def test_arrivals_that_the_counter_misses_do_not_pass_for_old_published_ones() -> None:
    """The counter saw thousands, all long gone; what is there now came by another protocol."""
    arrivals = QueueArrivals()
    for now in range(0, 300, 5):
        gone = 100 * min(now, 100)
        answer = arrivals.record(
            float(now),
            Reading(
                ready=500 if now > 200 else 0,
                unacked=0,
                published={"a": {"x": gone}},
                acked={"a": gone},
                delivered={},
            ),
        )
    assert answer.source is Source.CONSERVATION
    assert answer.age_s == pytest.approx(95, abs=SKEW_S)


def test_age_is_absent_after_messages_came_and_went_unseen() -> None:
    """A hundred came by another protocol and half of them were purged: which ones is not known."""
    arrivals = QueueArrivals()
    answers = []
    for now in range(0, 300, 5):
        ready = 0 if now < 60 else 100 if now < 120 else 50
        answers.append(arrivals.record(float(now), idle(ready)))
    assert answers[22].source is Source.CONSERVATION
    assert answers[-1] == Age(source=Source.UNKNOWN)


def test_an_empty_queue_has_no_age_although_the_acknowledgements_are_not_counted_yet() -> None:
    arrivals = QueueArrivals()
    for now, ready in ((0.0, 0), (5.0, 50), (10.0, 50)):
        arrivals.record(
            now, Reading(ready=ready, unacked=0, published={"a": {"x": ready}}, acked={"a": 0}, delivered={})
        )
    answer = arrivals.record(
        15.0, Reading(ready=0, unacked=0, published={"a": {"x": 50}}, acked={"a": 10}, delivered={})
    )
    assert answer.age_s == 0.0


def test_bursts_of_long_ago_are_not_smeared_by_more_than_a_percent_of_their_age() -> None:
    curve = Curve()
    for second in range(40_000):
        curve.record(float(second), 100.0 * (second // 4000))
        curve.forget(0.0, float(second))
    for burst in range(1, 10):
        arrived = curve.arrival(100.0 * burst)
        assert arrived is not None
        assert arrived.at_s == pytest.approx(4000 * burst, abs=0.011 * (40_000 - 4000 * burst) + 1)


def test_drain_time_is_backlog_over_the_net_rate() -> None:
    arrivals = QueueArrivals()
    for now in range(0, 65, 5):
        arrivals.record(float(now), idle(1000 - 10 * now))
    assert arrivals.drain_s() == pytest.approx(40)
    arrivals.record(65.0, idle(5000))
    assert arrivals.drain_s() is None
    arrivals.record(70.0, idle(0))
    assert arrivals.drain_s() == 0.0


def test_counter_sum_takes_a_smaller_value_for_a_restart_and_a_new_node_for_a_base() -> None:
    total = CounterSum()
    total.advance({"a": 100})
    total.advance({"a": 150, "b": 1000})
    assert total.total == 50
    total.advance({"b": 1010})
    total.advance({"a": 20, "b": 1010})
    assert total.total == 80


def test_counters_that_come_and_go_are_summed_by_what_each_grew() -> None:
    total = CountersSum()
    total.advance({"a": {"x": 100, "y": 1000}})
    total.advance({"a": {"x": 110, "y": 1000}, "b": {"x": 7}})
    assert total.total == 10
    total.advance({"a": {"x": 120}, "b": {"x": 7}})  # y's exchange is deleted
    assert total.total == 20
    total.advance({"a": {"x": 120, "y": 3}})  # and there is a new one
    total.advance({"a": {"x": 5}, "b": {"x": 8}})  # a was restarted, b was away
    assert total.total == 20 + 3 + 5 + 1
    total.advance({"a": {}})
    total.advance({"a": {"x": 2}})
    assert total.total == 29 + 2


def test_a_curve_of_a_day_stays_small_and_keeps_ages_to_a_percent() -> None:
    curve = Curve()
    for second in range(0, 86_400):
        curve.record(float(second), float(second))
        curve.forget(0.0, float(second))
    assert len(curve) < 2500
    for back in (10, 1000, 40_000, 86_000):
        arrived = curve.arrival(86_399 - back)
        assert arrived is not None
        assert 86_399 - arrived.at_s == pytest.approx(back, rel=0.01, abs=1)


def test_a_curve_forgets_what_no_answer_needs() -> None:
    curve = Curve()
    for second in range(1000):
        curve.record(float(second), 100.0 * second)
        curve.forget(second - 60.0, float(second))
    assert len(curve) <= 130
