"""One view of several runs: sums, worst latencies, notes by name, and nothing of what is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from loadgen.dayview import DayView
from loadgen.progress import Quiet, line


class Shown(Quiet):
    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []

    def show(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)


@pytest.fixture
def shown() -> Shown:
    return Shown()


@pytest.fixture
def day(shown: Shown) -> DayView:
    return DayView(shown, planned_s=30, start_after_s={"work": 0, "mail": 5})


def progress(at_s: int, **changes: Any) -> dict[str, Any]:
    counts = dict.fromkeys(
        ("published", "confirmed", "nacked", "consumed", "redelivered", "settled", "in_flight"), 10
    )
    rates = dict.fromkeys(("published_per_s", "confirmed_per_s", "consumed_per_s"), 5.0)
    latencies = {"confirm_p99_s": 0.1, "end_to_end_p99_s": None}
    plain = {"type": "progress", "t_s": at_s, "planned_s": 30, "phase": "steady", "waits_for": ""}
    return {**plain, **counts, **rates, **latencies, **changes}


def test_figures_are_summed_and_the_worst_latency_is_told(day: DayView, shown: Shown) -> None:
    day.hear("work", progress(6))
    day.hear("mail", progress(2, published=3, confirm_p99_s=0.4, end_to_end_p99_s=2.0))
    last = shown.events[-1]
    assert (last["t_s"], last["published"], last["published_per_s"]) == (7, 13, 10.0)
    assert (last["confirm_p99_s"], last["end_to_end_p99_s"]) == (0.4, 2.0)
    assert last["phase"] == "publish"
    assert line(last).startswith("   7 s  publish")


def test_second_is_told_once(day: DayView, shown: Shown) -> None:
    day.hear("work", progress(7))
    day.hear("mail", progress(2))
    day.hear("work", progress(7))
    assert [event["t_s"] for event in shown.events] == [7]


def test_part_that_is_over_keeps_its_counts_and_has_no_rate(day: DayView, shown: Shown) -> None:
    day.hear("mail", progress(1, published=3))
    day.ended("mail")
    day.hear("work", progress(9, phase="drain", waits_for="2 of q"))
    last = shown.events[-1]
    assert (last["published"], last["published_per_s"]) == (13, 5.0)
    assert (last["phase"], last["waits_for"]) == ("drain 1, end 1", "work: 2 of q")


def test_notes_name_their_part_at_the_days_time(day: DayView, shown: Shown) -> None:
    day.hear("mail", {"type": "note", "t_s": 2.5, "text": "mailer-0 died"})
    assert (shown.events[-1]["t_s"], shown.events[-1]["text"]) == (7.5, "mail: mailer-0 died")


def test_day_watches_what_its_view_shows(day: DayView, shown: Shown) -> None:
    assert day.watched == shown.watched == frozenset()
    shown.watched = frozenset({"depths"})
    assert day.watched == {"depths"}


def test_queues_of_several_virtual_hosts_stand_side_by_side(day: DayView, shown: Shown) -> None:
    day.look({"type": "depths", "queues": {"orders.work": (1, 2)}})
    day.look({"type": "depths", "queues": {"users.email": None}})
    assert shown.events[-1]["queues"] == {"orders.work": (1, 2), "users.email": None}
    day.look({"type": "faults", "open": ["kill"]})
    assert shown.events[-1] == {"type": "faults", "open": ["kill"]}


def test_waits_of_many_parts_are_told_in_short() -> None:
    shown = Shown()
    day = DayView(shown, planned_s=30, start_after_s={})
    for at, name in enumerate("abcd"):
        day.hear(name, progress(at, phase="drain", waits_for=f"1 of {name}"))
    assert shown.events[-1]["waits_for"] == "a: 1 of a; b: 1 of b and 2 parts more"
