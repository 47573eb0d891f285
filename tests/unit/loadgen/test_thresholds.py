"""Thresholds: what they may say, what is refused by name, what they decide."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from loadgen import thresholds
from warren.errors import BadInputError
from warren.results import (
    Availability,
    Latencies,
    Ledger,
    LoadResult,
    Percentiles,
    Rates,
    ThresholdOutcome,
    Verdict,
    read_result,
    write_result,
)

RESULT = LoadResult(
    run_id="r",
    profile="work",
    started_at="",
    ended_at="",
    verdict=Verdict.PASSED,
    ledger=Ledger(published=10, confirmed=9, lost=1, dead_lettered={"rejected": 3}),
    rates=Rates(confirmed_per_s=99.5),
    latency_s=Latencies(end_to_end=Percentiles(p99=0.25, max=2.0, count=7)),
    availability=Availability(confirm_gap_max_s=9.5),
    oracles={"delays": {"passed": True, "step_1": {"error_p99_s": 0.4}}},
)


@pytest.mark.parametrize(
    ("expression", "value", "passed"),
    [
        ("lost == 0", 1.0, False),
        ("lost <= 1", 1.0, True),
        ("p99_end_to_end_s < 0.2", 0.25, False),
        ("p99_end_to_end_s < 300 ms", 0.25, True),
        ("max_end_to_end_s<=2s", 2.0, True),
        ("count_end_to_end > 6", 7.0, True),
        ("confirm_gap_max_s <= 10", 9.5, True),
        ("confirmed_per_s >= 100", 99.5, False),
        ("client_max_rss_bytes < 1 MiB", 0.0, True),
        ("dead_lettered.rejected == 3", 3.0, True),
        ("dead_lettered.expired != 0", 0.0, False),
        ("oracles.delays.step_1.error_p99_s < 0.5", 0.4, True),
        ("oracles.delays.passed == 1", 1.0, True),
        ("oracles.delays.step_9.error_p99_s < 0.5", None, None),
        ("reordered == 0", None, None),
        ("p99_to_broker_s < 0.1", None, None),
        ("max_confirm_s < 1h", None, None),
        ("count_to_broker == 0", 0.0, True),
    ],
)
def test_threshold_is_held_against_the_result(
    expression: str, value: float | None, passed: bool | None
) -> None:
    (found,) = thresholds.check([expression], RESULT)
    assert (found.value, found.passed) == (value, passed)


@pytest.mark.parametrize(
    ("expression", "word"),
    [
        ("lsot == 0", "did you mean 'lost'"),
        ("p98_confirm_s < 1", "p99_confirm_s"),
        ("lost = 0", "is not NAME"),
        ("lost == none", "is not NAME"),
        ("lost == 0 weeks", "unit 'weeks'"),
        ("oracles. < 1", "known:"),
        ("lost_examples == 0", "known:"),
        ("", "is not NAME"),
    ],
)
def test_other_expressions_are_refused_by_name(expression: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        thresholds.read(expression)


def test_expression_that_came_past_the_reader_is_bad_input() -> None:
    with pytest.raises(BadInputError, match="lsot"):
        thresholds.check(["lsot == 0"], RESULT)


def test_every_figure_that_is_offered_can_be_found() -> None:
    told = {each.name: Percentiles(count=1) for each in dataclasses.fields(Latencies)}
    plain = dataclasses.replace(RESULT, latency_s=Latencies(**told)).to_dict()
    absent = {name for name in thresholds.known() if thresholds.figure(plain, name) is None}
    assert all(name.startswith("reordered") for name in absent)  # not judged in this result


def test_outcomes_are_in_the_result_and_come_back(tmp_path: Any) -> None:
    outcome = ThresholdOutcome(expression="lost == 0", value=1.0, passed=False)
    write_result(dataclasses.replace(RESULT, thresholds=(outcome,)), tmp_path / "r.json")
    assert read_result(tmp_path / "r.json").thresholds == (outcome,)
