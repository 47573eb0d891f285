"""Medians, p95, bounds and verdicts over days whose figures are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chaos.record import AlertSeen, GameDay, Verdict
from chaos.statistics.summary import Summary, loss, summarise
from warren import stats

MakeDay = Callable[..., GameDay]


def summed(*found: GameDay) -> Summary:
    return summarise(list(enumerate(found)))


def test_figures_of_twenty_days(make_day: MakeDay) -> None:
    found = summed(*(make_day(f"r{number}", confirm=float(number)) for number in range(20, 0, -1)))
    spread = found.figure("confirm_gap_s")
    assert spread is not None
    assert (spread.count, spread.median, spread.p95, spread.maximum) == (20, 10.5, 19.0, 20.0)
    assert (spread.low, spread.high, spread.source) == (0.1, 3.0, "ra")
    assert (spread.slower, spread.faster) == (17, 0)


def test_p95_of_few_days_is_the_greatest(make_day: MakeDay) -> None:
    spread = summed(*(make_day(f"r{number}", confirm=float(number)) for number in range(1, 11))).figure(
        "confirm_gap_s"
    )
    assert spread is not None
    assert (spread.p95, spread.maximum, spread.median) == (10.0, 10.0, 5.5)


def test_too_fast_is_counted_too(make_day: MakeDay) -> None:
    spread = summed(make_day("a", confirm=0.05), make_day("b", confirm=0.1)).figure("confirm_gap_s")
    assert spread is not None
    assert (spread.slower, spread.faster) == (0, 1)


def test_day_whose_fault_did_not_bite_is_no_figure_and_no_evidence_against_loss(make_day: MakeDay) -> None:
    found = summed(
        make_day("a", confirm=2.0),
        make_day("b", confirm=0.0, proven=False, verdict=Verdict.INCONCLUSIVE),
    )
    spread = found.figure("confirm_gap_s")
    assert spread is not None
    assert (spread.count, spread.median) == (1, 2.0)
    assert found.struck == 1
    assert found.loss.days == stats.bound(0, 1)
    assert found.loss.confirmed == 1000


def test_a_loss_counts_even_where_nothing_bit(make_day: MakeDay) -> None:
    found = summed(make_day("a"), make_day("b", proven=False, lost=3))
    assert (found.loss.lost, found.loss.confirmed) == (3, 2000)
    assert found.loss.days == stats.bound(1, 2)


def test_zero_of_ten_is_bounded_by_three_tenths_of_days_and_by_message(make_day: MakeDay) -> None:
    found = loss([make_day(f"r{number}") for number in range(10)])
    assert found.days is not None
    assert found.messages is not None
    assert found.days.high == pytest.approx(0.3)
    assert found.messages.high == pytest.approx(3 / 10_000)


def test_loss_is_bounded_by_wilson(make_day: MakeDay) -> None:
    """One of 29, as Newcombe has it."""
    found = loss([make_day("lost", lost=2), *(make_day(f"r{number}") for number in range(28))])
    assert found.days is not None
    assert (round(found.days.low, 4), round(found.days.high, 4)) == (0.0061, 0.1718)
    assert found.messages == stats.bound(2, 29_000)


def test_day_without_a_ledger_bounds_nothing(make_day: MakeDay) -> None:
    found = loss([replace(make_day(), load={}), make_day(confirmed=0)])
    assert (found.days, found.messages, found.confirmed) == (None, None, 0)


@pytest.mark.parametrize(
    ("given", "gravest"),
    [
        ((Verdict.PASSED,), Verdict.PASSED),
        ((Verdict.PASSED, Verdict.INCONCLUSIVE), Verdict.INCONCLUSIVE),
        ((Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.PASSED), Verdict.FAILED),
        ((Verdict.FAILED, Verdict.HANG, Verdict.PASSED), Verdict.HANG),
    ],
)
def test_verdict_of_the_whole_is_the_gravest(
    make_day: MakeDay, given: tuple[Verdict, ...], gravest: Verdict
) -> None:
    found = summed(*(make_day(f"r{number}", verdict=each) for number, each in enumerate(given)))
    assert found.verdict is gravest
    assert sum(found.verdicts.values()) == len(given)


def test_nothing_has_no_verdict() -> None:
    found = summed()
    assert (found.verdict, found.figures, found.loss.days) == (None, (), None)


def test_what_did_not_pass_is_named_with_its_seed_gravest_first(make_day: MakeDay) -> None:
    found = summed(
        make_day("fine", seed=1),
        make_day("failed", seed=2, verdict=Verdict.FAILED, reasons=("lost 1",)),
        make_day("hung", seed=3, verdict=Verdict.HANG),
        make_day("odd", seed=4, verdict=Verdict.INCONCLUSIVE),
    )
    assert [(each.run_id, each.seed) for each in found.not_passed] == [("hung", 3), ("failed", 2), ("odd", 4)]


def test_runs_stand_in_the_order_of_their_repeats(make_day: MakeDay) -> None:
    found = summarise([(2, make_day("c")), (0, make_day("a")), (1, make_day("b"))])
    assert [each.run_id for each in found.runs] == ["a", "b", "c"]


def test_alerts_are_counted(make_day: MakeDay) -> None:
    at = "2026-01-02T03:04:35.000Z"
    found = summed(
        make_day("a", alerts=(AlertSeen(name="WarrenNodeDown", fired_at=at, cleared_at=at),)),
        make_day("b", alerts=(AlertSeen(name="WarrenNodeDown", fired_at=at),)),
        make_day("c", alerts=(AlertSeen(name="WarrenNodeDown"),)),
    )
    (alert,) = found.alerts
    assert (alert.of, alert.expected, alert.fired, alert.cleared) == (3, 3, 2, 1)


def test_alert_that_nobody_expected_is_counted_too(make_day: MakeDay) -> None:
    at = "2026-01-02T03:04:35.000Z"
    down, ready = (AlertSeen(name=name, fired_at=at) for name in ("WarrenNodeDown", "WarrenReady"))
    found = summed(make_day("a", alerts=(down,), fired=(down, ready)), make_day("b", alerts=(down,)))
    assert [(each.name, each.of, each.expected, each.fired) for each in found.alerts] == [
        ("WarrenNodeDown", 2, 2, 2),
        ("WarrenReady", 2, 0, 1),
    ]


def test_interval_that_is_open_once_is_open(make_day: MakeDay) -> None:
    found = summed(make_day("a", interval=(0.1, 3.0)), make_day("b", interval=(0.5, None)))
    spread = found.figure("confirm_gap_s")
    assert spread is not None
    assert (spread.low, spread.high) == (0.1, None)
    found = summed(make_day("a", interval=(0.1, 3.0)), make_day("b", interval=(None, 4.0)))
    spread = found.figure("confirm_gap_s")
    assert spread is not None
    assert (spread.low, spread.high) == (None, 4.0)
