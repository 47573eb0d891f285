"""Days of before, held against what is expected of them now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chaos.record import Check, GameDay, Held, Verdict
from chaos.statistics import anew
from chaos.verdict import told


def interval(low: float | None, high: float | None, source: str = "ra") -> dict[str, Any]:
    ends = {"low": low, "high": high}
    said = {**{k: v for k, v in ends.items() if v is not None}, "source": source}
    return {"expectations": {"confirm_gap_s": said}}


@pytest.fixture
def failed(make_day: Callable[..., GameDay]) -> Callable[..., GameDay]:
    """A day that failed for a confirm gap of 5 s where 3 s were allowed, and for ``others``."""

    def make(*others: str) -> GameDay:
        day = make_day(verdict=Verdict.FAILED, confirm=5.0)
        return replace(day, reasons=(told(day.expectations[0]), *others))

    return make


def test_prediction_that_is_corrected_takes_its_own_failure_back(failed: Callable[..., GameDay]) -> None:
    day = anew.hold(failed(), interval(0.1, 6.0, "measured since"))
    assert (day.verdict, day.expectations[0].held) == (Verdict.PASSED, Held.WITHIN)
    assert day.expectations[0].source == "measured since"
    assert day.reasons == (
        "1 fault proven and healed, 1000 confirmed, none lost, 1 of 1 figures within their intervals",
    )


def test_other_reason_keeps_the_day_failed_and_stays(failed: Callable[..., GameDay]) -> None:
    day = anew.hold(failed("load: 3 messages were lost"), interval(0.1, 6.0))
    assert (day.verdict, day.reasons) == (Verdict.FAILED, ("load: 3 messages were lost",))


def test_doubt_stays_a_doubt(make_day: Callable[..., GameDay]) -> None:
    before = replace(make_day(verdict=Verdict.INCONCLUSIVE), reasons=("it was interrupted",))
    assert anew.hold(before, interval(0, 6)).verdict is Verdict.INCONCLUSIVE
    slow = anew.hold(before, interval(0, 0.2))
    assert slow.verdict is Verdict.FAILED
    assert slow.reasons[-1] == "it was interrupted"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.4, Verdict.FAILED), (0.6, None, Verdict.INCONCLUSIVE), (None, 0.5, Verdict.PASSED)],
)
def test_day_that_passed_is_held_to_what_is_expected_now(
    make_day: Callable[..., GameDay], low: float | None, high: float | None, verdict: Verdict
) -> None:
    assert anew.hold(make_day(confirm=0.5), interval(low, high)).verdict is verdict


def test_hang_stays_a_hang(make_day: Callable[..., GameDay]) -> None:
    day = replace(make_day(verdict=Verdict.HANG), reasons=("the drain did not end",))
    found = anew.hold(day, interval(0, 9))
    assert (found.verdict, found.reasons) == (Verdict.HANG, day.reasons)


def test_same_intervals_leave_a_day_as_it_is(make_day: Callable[..., GameDay]) -> None:
    day = replace(make_day(), reasons=("as it was",))
    assert anew.hold(day, interval(0.1, 3.0)) == day


def test_figure_that_was_not_asked_for_is_not_asked_now(make_day: Callable[..., GameDay]) -> None:
    now = interval(0.1, 6.0)
    now["expectations"]["redundancy_s"] = {"high": 60, "source": "boot"}
    found = anew.hold(make_day(), now)
    assert [each.name for each in found.expectations] == ["confirm_gap_s"]
    assert found.verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("tolerates", "verdict"), [([], Verdict.FAILED), (["crash-reports"], Verdict.PASSED)]
)
def test_check_that_failed_is_held_to_what_is_tolerated_now(
    make_day: Callable[..., GameDay], tolerates: list[str], verdict: Verdict
) -> None:
    crashed = Check(name="crash-reports", passed=False, why="29 crash reports: ra_log_wal:init/1")
    day = make_day(verdict=Verdict.FAILED, checks=(crashed,), reasons=(f"crash-reports: {crashed.why}",))
    found = anew.hold(day, {**interval(0.1, 6.0), "tolerates": tolerates})
    assert found.verdict is verdict
    assert anew.hold(found, interval(0.1, 6.0)).verdict is Verdict.FAILED
