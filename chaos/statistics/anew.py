"""Holds recorded game days against what was said after they were played.

What was measured stands; what was expected of it is a prediction, and one that proved wrong is corrected in
the experiment, as is what it tolerates. Days of before are then judged as those that follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from chaos.record import Expectation, GameDay, Held, Verdict
from chaos.statistics import days
from chaos.verdict import decide, praise, told, told_of


def hold(day: GameDay, experiment: Mapping[str, Any]) -> GameDay:
    """``day`` judged by the ``expectations`` and ``tolerates`` of ``experiment``, in the terms of its file.

    A figure that the day was not asked for stays unasked. Only reasons that were figures beside their
    intervals, or checks that failed, are drawn anew; every other one stays, and so does a hang. Where a day
    failed for a figure or a check and has other reasons as well, the record does not say which of these
    failed it and which were doubts, so it stays failed.
    """
    expectations = tuple(_expectations(day, experiment.get("expectations", {})))
    if day.verdict is Verdict.HANG:
        return replace(day, expectations=expectations)
    failed = [each for each in day.checks if each.passed is False]
    own = {told(each) for each in day.expectations if each.held is not Held.WITHIN} | set(
        map(told_of, failed)
    )
    others = [each for each in day.reasons if each not in own] if day.verdict is not Verdict.PASSED else []
    wrong = [
        *(told_of(each) for each in failed if each.name not in experiment.get("tolerates", ())),
        *(told(each) for each in expectations if each.held is Held.SLOWER),
    ]
    doubts = [told(each) for each in expectations if each.held in (Held.FASTER, Held.UNKNOWN)]
    others_failed = day.verdict is Verdict.FAILED
    verdict, reasons = decide(
        [],
        [*(others if others_failed else ()), *wrong],
        [*(() if others_failed else others), *doubts],
    )
    if (verdict, reasons) == (Verdict.PASSED, ()) and day.verdict is Verdict.PASSED:
        return replace(day, expectations=expectations)
    praised = praise(len(day.faults), days.confirmed(day), len(expectations))
    return replace(day, expectations=expectations, verdict=verdict, reasons=reasons or (praised,))


def _expectations(day: GameDay, intervals: Mapping[str, Mapping[str, Any]]) -> Iterator[Expectation]:
    for name, interval in intervals.items():
        if (asked := days.expected(day, name)) is not None:
            yield Expectation(
                name=name,
                value=asked.value,
                low=interval.get("low"),
                high=interval.get("high"),
                source=str(interval.get("source", "")),
            )
