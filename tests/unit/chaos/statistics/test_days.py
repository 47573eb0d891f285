"""A game day's record as JSON and back, and its figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from chaos import record_file
from chaos.record import AlertSeen, Check, Event, GameDay, Verdict
from chaos.statistics import days
from warren.errors import BadInputError

MakeDay = Callable[..., GameDay]


def test_day_comes_back_from_json_as_it_was(make_day: MakeDay) -> None:
    day = make_day(
        checks=(Check(name="loss", passed=None, why="no ledger", figures={"n": 1}),),
        alerts=(AlertSeen(name="WarrenNodeDown", fired_at="2026-01-02T03:04:35.000Z"),),
        events=(Event(t_s=1.5, kind="fault", what="kill"),),
        verdict=Verdict.HANG,
        reasons=("the load did not end",),
    )
    plain = record_file.to_dict(day)
    assert plain["expectations"][0]["held"] == "within"
    assert record_file.from_dict(json.loads(json.dumps({**plain, "later": 1})), where="x") == day


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 2}, "is 2, this version reads 1"),
        ({"verdict": "fine"}, "'fine' is not a valid"),
        ({"seed": None, "run_id": ...}, "run_id"),
    ],
)
def test_what_is_no_record_is_refused(make_day: MakeDay, change: dict[str, object], said: str) -> None:
    plain = {**record_file.to_dict(make_day()), **change}
    plain = {key: value for key, value in plain.items() if value is not ...}
    with pytest.raises(BadInputError, match="somewhere") as refused:
        record_file.from_dict(plain, where="somewhere")
    assert said in refused.value.what


def test_figure_of_an_expectation_goes_before_that_of_the_load(make_day: MakeDay) -> None:
    """The load's gap is of the whole run; the expectation's of the fault's window."""
    assert days.figure(make_day(confirm=0.5), "confirm_gap_s") == 0.5
    assert days.figure(make_day(confirm=None), "confirm_gap_s") is None
    assert days.figure(make_day(), "delivery_gap_s") == 1.5
    assert days.figure(make_day(), "drain_s") == 2.0
    assert days.figure(make_day(), "redundancy_s") is None


def test_day_without_a_fault_or_without_its_proof_did_not_strike(make_day: MakeDay) -> None:
    assert days.struck(make_day())
    assert not days.struck(make_day(proven=False))
    assert not days.struck(replace(make_day(), faults=()))
