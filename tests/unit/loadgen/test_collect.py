"""Ticks of several processes add up: totals, the series, silences; and what is shown of them."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from rich.console import Console

from loadgen import names, progress, summary
from loadgen.collect import Totals, intersect
from loadgen.curve import SECOND_NS
from loadgen.histogram import bucket_of
from loadgen.metrics import LoadCollector
from loadgen.pacing import steady
from loadgen.reporting import Gaps, pairs, unpairs
from warren.fault_record import FaultRecord
from warren.results import Ledger, LoadResult, Verdict


def tick(second: int, **fields: Any) -> dict[str, Any]:
    return {"s": second, **fields}


def ms(value: int) -> int:
    return bucket_of(value * 1000)


@pytest.fixture
def totals() -> Totals:
    first = {"counts": {"published": 10, "confirmed": 8}, "histograms": {"confirm": [ms(10), 8]}}
    other = {"counts": {"published": 5, "confirmed": 5}, "histograms": {"confirm": [ms(1), 5]}}
    taken = {"end_to_end.vip": [ms(2), 3], "end_to_end.normal": [ms(1), 4]}
    found = Totals()
    found.add("p-0", tick(0, cpu_s=1.0, max_rss_bytes=5, in_flight=2, **first))
    found.add("p-1", tick(0, cpu_s=0.5, max_rss_bytes=5, in_flight=1, **other))
    found.add("c-0", tick(2, cpu_s=0.25, max_rss_bytes=7, counts={"consumed": 7}, histograms=taken))
    found.add("p-0", tick(1, cpu_s=1.5, max_rss_bytes=6, in_flight=0, counts={"confirmed": 2}))
    return found


def test_totals_are_the_sum_of_the_ticks(totals: Totals) -> None:
    assert dict(totals.counts) == {"published": 15, "confirmed": 15, "consumed": 7}
    assert sum(totals.in_flight.values()) == 1


def test_series_has_every_second_and_its_own_latencies(totals: Totals) -> None:
    first, second, third = totals.series()
    assert [first.published_per_s, first.confirmed_per_s] == [15, 13]
    assert [second.confirmed_per_s, third.consumed_per_s] == [2, 7]
    assert first.confirm_p50_s == pytest.approx(0.010, rel=0.01)
    assert second.confirm_p50_s is None
    assert third.end_to_end_p99_s is not None


def test_usage_is_the_last_that_each_process_told(totals: Totals) -> None:
    totals.used("coordinator", cpu_s=1.0, max_rss_bytes=100)
    used = totals.resources()
    assert used.client_cpu_s == 1.5 + 0.5 + 0.25 + 1.0
    assert used.client_max_rss_bytes == 6 + 5 + 7 + 100


def test_classes_are_kept_apart_and_joined(totals: Totals) -> None:
    assert sum(totals.end_to_end("vip").values()) == 3
    assert sum(totals.end_to_end().values()) == 7


def test_what_comes_before_the_start_is_in_no_second() -> None:
    found = Totals()
    found.add("c", tick(-1, counts={"consumed": 3}))
    assert found.counts["consumed"] == 3
    assert found.series() == ()


def test_phases_have_figures_of_their_own_and_add_up() -> None:
    found = Totals()
    waits = {"blocked#0": [0, 10], "blocked#1": [0, 40]}
    confirms = {"confirm#0": [ms(10), 9], "confirm#1": [ms(90), 30]}
    found.add("p-0", tick(0, counts={"confirmed": 39}, histograms={**confirms, **waits}))
    found.add("c-0", tick(1, histograms={"end_to_end.vip#0": [ms(20), 5], "end_to_end.rest#0": [ms(40), 5]}))
    slow, fast = found.phases((steady(10, 1, "slow"), steady(20, 2, "fast")))
    assert (slow.name, slow.t_from_s, slow.t_to_s, slow.published, slow.confirmed) == ("slow", 0, 1, 10, 9)
    assert (fast.name, fast.t_from_s, fast.t_to_s, fast.published, fast.confirmed) == ("fast", 1, 3, 40, 30)
    assert (slow.published_per_s, fast.published_per_s, fast.rate_mean_per_s) == (10, 20, 20)
    assert slow.confirm_p99_s == pytest.approx(0.010, rel=0.01)
    assert slow.end_to_end_p99_s == pytest.approx(0.040, rel=0.01)
    assert fast.end_to_end_p99_s is None
    assert found.latencies().confirm.count == 39
    assert found.series()[0].confirm_p50_s == pytest.approx(0.090, rel=0.01)


def test_totals_of_runs_that_shared_nothing_add_up_to_those_of_one(totals: Totals) -> None:
    ticks = [
        tick(0, counts={"published": 3}, histograms={"confirm#1": [5, 2], "end_to_end.a": [9, 1]}, cpu_s=1.0),
        tick(2, counts={"consumed": 4}, gaps=[(5, 9)], max_rss_bytes=7),
    ]
    parts = [Totals(), Totals()]
    whole = Totals()
    for index, each in enumerate(ticks):
        parts[index].add("w", each)
        whole.add(f"{index}/w", each)
    merged = Totals()
    for index, part in enumerate(parts):
        merged.add_plain(json.loads(json.dumps(part.to_plain())), prefix=f"{index}/")
    assert merged.to_plain() == json.loads(json.dumps(whole.to_plain()))
    assert merged.series() == whole.series()
    assert merged.resources() == whole.resources()


def test_totals_are_moved_to_another_clock_and_start() -> None:
    part, moved = Totals(), Totals()
    part.add("w", tick(1, counts={"published": 3}, gaps=[(5, 9)]))
    moved.add_plain(part.to_plain(), prefix="1/", later_ns=100, later_s=2)
    assert moved.to_plain()["gaps"] == {"1/w": [[105, 109]]}
    assert [each.published_per_s for each in moved.series()] == [0, 0, 0, 3]


def test_silence_of_all_is_where_each_was_silent() -> None:
    found = Totals()
    found.add("a", tick(0, gaps=[(1 * SECOND_NS, 3 * SECOND_NS), (6 * SECOND_NS, 7 * SECOND_NS)]))
    found.add("b", tick(0, gaps=[(2 * SECOND_NS, 5 * SECOND_NS)]))
    assert found.gap_max_s(["a", "b"], start_ns=0, end_ns=10 * SECOND_NS) == 1.0
    assert found.gap_max_s(["a"], start_ns=0, end_ns=10 * SECOND_NS) == 2.0
    assert found.gap_max_s(["a"], start_ns=int(2.5 * SECOND_NS), end_ns=10 * SECOND_NS) == 1.0


def test_silence_that_lasts_to_the_end_counts() -> None:
    busy, standby = Gaps(), Gaps()
    for each in (busy, standby):
        each.begin(1 * SECOND_NS)
    for at_s in (1.2, 3.0):
        busy.event(int(at_s * SECOND_NS))
    found = Totals()
    found.add("busy", tick(9, **busy.tell()))
    found.add("standby", tick(9, **standby.tell()))
    window = {"start_ns": 1 * SECOND_NS, "end_ns": 10 * SECOND_NS}
    assert found.gap_max_s(["busy"], **window) == 7.0
    assert found.gap_max_s(["busy", "standby"], **window) == 7.0
    assert found.gap_max_s(["busy", "standby"], start_ns=1 * SECOND_NS, end_ns=4 * SECOND_NS) == 1.8


def test_dead_worker_is_silent_from_its_death_on() -> None:
    found = Totals()
    found.add("dead", tick(0, gaps=[], silent_ns=2 * SECOND_NS))
    found.died("dead", 3 * SECOND_NS)
    found.add("heir", tick(9, gaps=[(1 * SECOND_NS, 8 * SECOND_NS)], silent_ns=int(9.9 * SECOND_NS)))
    window = {"start_ns": 1 * SECOND_NS, "end_ns": 10 * SECOND_NS}
    assert found.gap_max_s(["dead", "heir"], **window) == 5.0
    merged = Totals()
    merged.add_plain(json.loads(json.dumps(found.to_plain())), prefix="1-", later_ns=SECOND_NS)
    window = {"start_ns": 2 * SECOND_NS, "end_ns": 11 * SECOND_NS}
    assert merged.gap_max_s(["1-dead", "1-heir"], **window) == 5.0


def test_intersection_of_intervals() -> None:
    assert intersect([(0, 5), (7, 9)], [(4, 8)]) == [(4, 5), (7, 8)]
    assert intersect([(0, 5)], [(5, 6)]) == []


def test_bucket_counts_survive_the_pipe() -> None:
    counts = {1: 2, 30: 4}
    assert unpairs(pairs(dict(counts))) == counts


def test_metrics_are_in_base_units_with_the_runs_labels(totals: Totals) -> None:
    registry = CollectorRegistry()
    registry.register(LoadCollector(totals, profile="work", run_id="r1"))
    text = generate_latest(registry).decode()
    assert f'{names.PUBLISHED}{{profile="work",run_id="r1"}} 15.0' in text
    assert f'{names.CONFIRM_LATENCY}_bucket{{le="+Inf",profile="work",run_id="r1"}} 13.0' in text
    assert f'{names.CONFIRM_LATENCY}_count{{profile="work",run_id="r1"}} 13.0' in text
    assert f'{names.CLIENT_CPU}{{profile="work",run_id="r1"}} 2.25' in text


EVENT: dict[str, Any] = {
    "type": "progress",
    "t_s": 7,
    "phase": "drain",
    "waits_for": "3 of q [x]",
    **dict.fromkeys(
        ("published", "confirmed", "nacked", "consumed", "redelivered", "settled", "in_flight"), 9
    ),
    **dict.fromkeys(("published_per_s", "confirmed_per_s", "consumed_per_s"), 1.0),
    "confirm_p99_s": 0.012,
    "end_to_end_p99_s": None,
}


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_on_terminals_and_elsewhere(terminal: bool) -> None:
    console = Console(record=True, force_terminal=terminal, width=160, file=io.StringIO())
    with progress.view(console, title="load work", quiet=False) as view:
        view.show({"type": "note", "t_s": 1.0, "text": "worker-0 lost [rmq1]"})
        view.show(EVENT)
    shown = console.export_text()
    if not terminal:
        assert "worker-0 lost [rmq1]" in shown
        assert "waits for 3 of q [x]" in shown


def test_quiet_shows_nothing() -> None:
    console = Console(record=True)
    with progress.view(console, title="t", quiet=True) as view:
        view.show(EVENT)
    assert console.export_text() == ""


def test_summary_begins_with_the_verdict() -> None:
    result = LoadResult(
        run_id="work-1",
        profile="work",
        started_at="",
        ended_at="",
        verdict=Verdict.FAILED,
        reasons=("1 confirmed messages are lost",),
        ledger=Ledger(published=3, lost=1, dead_lettered={"rejected": 2}),
        faults=(
            FaultRecord(name="kill", target="rmq1", injected_at="t"),
            FaultRecord(name="stop", target="rmq2", injected_at="t", healing_at="u"),
            FaultRecord(name="pause", target="rmq3", injected_at="t", healing_at="u", healed_at="v"),
        ),
        oracles={"delays": {"passed": True, "step_1": {"count": 1, "error_p50_s": 0.01}}},
    )
    text = summary.text(result)
    assert text.splitlines()[:2] == ["FAILED  work-1", "  1 confirmed messages are lost"]
    for part in ("lost 1", "2 rejected", "not judged", "delays: holds"):
        assert part in text
    assert [line for line in text.splitlines() if line.startswith("fault")] == [
        "fault      kill rmq1  at t, not healed when the run ended",
        "fault      stop rmq2  at t, being healed when the run ended",
        "fault      pause rmq3  at t, healed at v",
    ]
