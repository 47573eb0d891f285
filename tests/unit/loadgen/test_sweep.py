"""The search for the highest rate, on systems that are made up: each of them has a known limit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from loadgen import scenario, sweep, sweeping, verdict
from loadgen.collect import Totals
from loadgen.sweep import Plan, Sweep, Sweeper, Trial
from loadgen.verdict import Timing
from warren.errors import BadInputError, BadInputsError, StoppedError
from warren.results import Latencies, Ledger, LoadResult, Percentiles, PhaseFigures, Rates, Verdict

SLOW = "p99_end_to_end_s < 0.2"


class System:
    """Passes up to ``limit`` messages per second; what it was asked for is in ``asked``."""

    def __init__(self, limit: float, *, reason: str = SLOW, ceiling: float = float("inf")) -> None:
        self.limit = limit
        self.reason = reason
        self.ceiling = ceiling
        self.asked: list[float] = []
        self.bad_luck: set[int] = set()
        self.loses_above = self.stops_above = float("inf")

    def __call__(self, rate: float) -> LoadResult:
        self.asked.append(rate)
        passed = rate <= self.limit and len(self.asked) not in self.bad_luck
        return LoadResult(
            run_id=f"r{len(self.asked)}",
            profile="work",
            started_at="",
            ended_at="",
            verdict=Verdict.PASSED if passed else Verdict.FAILED,
            reasons=() if passed else (self.reason,),
            ledger=Ledger(published=int(rate * 15), lost=3 if rate > self.loses_above else 0),
            phases=(PhaseFigures(name="steady", t_from_s=0, t_to_s=15, published=int(rate * 15)),),
            rates=Rates(published_per_s=min(rate, self.ceiling), consumed_per_s=rate),
            latency_s=Latencies(end_to_end=Percentiles(p50=0.01, p99=rate / 1e5, count=10)),
            interrupted=rate > self.stops_above,
        )


def swept(system: Callable[[float], LoadResult], **plan: float) -> Sweep:
    values = {"start_per_s": 500.0, "shares": (), **plan}
    return Sweeper(Plan(**values), system, lambda _what, _trial: None).run("work")  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [1.5, 37, 499, 500, 501, 1000, 12_700, 64_000])
def test_limit_is_found_within_the_precision(limit: float) -> None:
    found = swept(System(limit), precision=0.02)
    assert found.highest_per_s is not None
    assert found.highest_per_s <= limit
    assert found.highest_per_s >= limit / 1.02 - 0.001
    assert found.limited_by == SLOW
    assert found.exit_code == 0


def test_search_needs_few_runs() -> None:
    system = System(12_700)
    swept(system)
    assert len(system.asked) <= 12


def test_found_rate_passes_once_more_before_it_is_believed() -> None:
    system = System(1000)
    found = swept(system)
    assert system.asked[-1] == found.highest_per_s
    assert system.asked.count(system.asked[-1]) == 2


def test_rate_that_passed_by_luck_is_given_up_for_a_lower_one() -> None:
    steady = System(1000)
    lucky = System(1000)
    swept(steady)
    lucky.bad_luck = {len(steady.asked)}
    found = swept(lucky)
    assert found.highest_per_s == pytest.approx(steady.asked[-1] / 1.05, rel=1e-3)


def test_points_are_shares_of_the_highest_rate() -> None:
    system = System(1000)
    found = swept(system, shares=sweep.SHARES)  # type: ignore[arg-type]
    highest = found.highest_per_s or 0
    assert [each.share for each in found.points] == [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0, 1.05]
    assert [each.rate_per_s for each in found.points] == pytest.approx(
        [highest * share for share in sweep.SHARES], rel=1e-3
    )
    assert found.points[-2].passed
    assert not any(each.share for each in found.search)


def test_rate_that_was_not_held_but_paid_off_at_the_end_does_not_count() -> None:
    found = swept(System(1e9, ceiling=3000), precision=0.01)
    assert found.highest_per_s is not None
    assert 2950 <= found.highest_per_s <= 3000 * 1.06
    assert "instead of 15.0 s" in found.limited_by


def test_wait_for_the_last_confirms_is_no_missed_rate() -> None:
    trial = sweep.trial_of(System(1000, ceiling=495)(500), rate=500, share=None)
    assert (trial.planned_s, round(trial.took_s, 2)) == (15, 15.15)
    assert trial.passed


def test_slow_rate_that_was_held_is_not_missed_by_rounding() -> None:
    """1.25 messages a second for a minute: a rate told to a tenth says that they took 62.5 s."""
    ledger = Ledger(published=75, confirmed=75)
    began, ended_ns = datetime(2026, 1, 1, tzinfo=UTC), 60_020_000_000
    timing = Timing(
        started=began, ended=began, t0_ns=0, published_ns=ended_ns, drained_ns=ended_ns, drained=True
    )
    phases = (PhaseFigures(name="steady", t_from_s=0, t_to_s=60),)
    rates = verdict._rates(ledger, Totals(), timing)
    result = dataclasses.replace(System(125)(1.25), phases=phases, ledger=ledger, rates=rates)
    trial = sweep.trial_of(result, rate=1.25, share=0.01)
    assert trial.took_s == pytest.approx(60.02, abs=0.05)
    assert trial.passed


def test_profile_with_phases_is_held_to_their_time_and_not_to_their_highest_rate() -> None:
    phases = (
        PhaseFigures(name="up", t_from_s=0, t_to_s=10),
        PhaseFigures(name="top", t_from_s=10, t_to_s=20),
    )
    result = dataclasses.replace(
        System(1000)(800), phases=phases, ledger=Ledger(published=6000), rates=Rates(published_per_s=300.0)
    )
    trial = sweep.trial_of(result, rate=800, share=None)
    assert (trial.planned_s, trial.took_s, trial.passed) == (20, 20, True)


def test_system_that_passes_nothing_is_inconclusive_and_says_why() -> None:
    found = swept(System(0.5))
    assert found.highest_per_s is None
    assert found.points == ()
    assert found.exit_code == 4
    assert f"no rate was found that passes ({SLOW})" in sweep.text(found)


def test_system_without_a_limit_is_not_searched_for_ever() -> None:
    system = System(1e12)
    found = swept(system)
    assert found.highest_per_s == sweep.HIGHEST_PER_S
    assert found.limited_by == ""
    few = System(1e12)
    assert swept(few, trials=3).highest_per_s == 2000
    assert len(few.asked) == 4


def test_lost_messages_end_the_sweep_and_fail_it() -> None:
    system = System(1e9)
    system.loses_above = 1500
    found = swept(system, shares=sweep.SHARES)  # type: ignore[arg-type]
    assert system.asked == [500, 1000, 2000]
    assert found.exit_code == 1
    assert found.stopped == "3 messages were lost"
    assert found.search[-1].lost == 3


def test_interrupt_ends_the_sweep_with_what_there_is() -> None:
    system = System(1000)
    system.stops_above = 700
    found = swept(system)
    assert found.exit_code == 130
    assert found.stopped == "interrupted"
    assert [each.rate_per_s for each in found.search] == [500, 1000]


def test_interrupt_while_a_run_is_begun_keeps_what_was_found_before() -> None:
    system = System(1000)

    def attempt(rate: float) -> LoadResult:
        if rate > 1000:
            raise StoppedError("load", "interrupted before the run began")
        return system(rate)

    found = swept(attempt)
    assert (found.stopped, found.exit_code, len(found.search)) == ("interrupted", 130, 2)


def test_lower_rate_that_does_not_pass_makes_the_answer_doubtful() -> None:
    quiet, disturbed = System(1000), System(1000)
    swept(quiet)
    disturbed.bad_luck = {len(quiet.asked) + 2}
    found = swept(disturbed, shares=(0.25, 0.5, 1.0, 1.05))  # type: ignore[arg-type]
    assert found.exit_code == 4
    assert found.unsteady.startswith("50% of it did not pass")
    assert found.unsteady in sweep.text(found)
    assert swept(quiet, shares=(0.25, 0.5)).unsteady == ""  # type: ignore[arg-type]


def test_table_has_a_line_for_each_point_and_the_answer_first() -> None:
    found = swept(System(1000), shares=(0.5, 1.05))  # type: ignore[arg-type]
    first, _, head, half, above = sweep.text(found).splitlines()
    assert first.startswith("work: the highest rate that passes is 1000/s")
    assert SLOW in first
    assert "end to end p50" in head
    assert half.split()[0] == "50%"
    assert above.endswith(SLOW)


def test_sweep_is_json_as_it_stands() -> None:
    found = swept(System(1000), shares=(1.0,))  # type: ignore[arg-type]
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["schema"] == 1
    assert plain["highest_per_s"] == found.highest_per_s
    assert {"rate_per_s", "share", "end_to_end_p999_s", "verdict"} <= set(plain["points"][0])


def test_trial_takes_its_figures_from_the_result() -> None:
    trial: Trial = sweep.trial_of(System(1000)(400), rate=400, share=0.5)
    assert (trial.published_per_s, trial.end_to_end_p50_s, trial.end_to_end_p99_s) == (400, 0.01, 0.004)
    assert trial.passed
    assert trial.why == ""


def test_settings_are_checked_before_the_first_run() -> None:
    found = sweeping.asked("work", settings=["window=50"], thresholds=[SLOW], duration_s=None)
    loaded = scenario.load("work", {**found.overrides, "rate": "123"})
    assert (loaded.window, loaded.duration_s, loaded.rate_per_s) == (50, 15.0, 123.0)
    assert SLOW in loaded.thresholds
    with pytest.raises(BadInputsError, match="p98"):
        sweeping.asked("work", settings=[], thresholds=["p98_confirm_s < 1"], duration_s=None)
    with pytest.raises(BadInputError, match="is not KEY=VALUE"):
        sweeping.asked("work", settings=["window"], thresholds=[], duration_s=None)


def test_duration_of_a_profile_with_phases_is_refused() -> None:
    phases = "phases=[{steady: 5, for: 1s}]"
    assert sweeping.asked("work", settings=[phases], thresholds=[], duration_s=None).start_per_s == 5
    with pytest.raises(BadInputError, match="has phases"):
        sweeping.asked("work", settings=[phases], thresholds=[], duration_s=5.0)
