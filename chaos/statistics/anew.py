"""Holds recorded game days against intervals that were said after they were played.

What was measured stands; what was expected of it is a prediction, and one that proved wrong is corrected in
the experiment. Days of before are then judged by the same intervals as those that follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from chaos.record import Expectation, GameDay, Held, Verdict
from chaos.statistics import days
from chaos.verdict import decide, praise, told


def hold(day: GameDay, intervals: Mapping[str, Mapping[str, Any]]) -> GameDay:
    """``day`` judged by ``intervals``: the expectations of an experiment's file (``low``, ``high``,
    ``source``), by the names of their figures.

    A figure that the day was not asked for stays unasked. Only reasons that were figures beside their
    intervals are drawn anew; every other one stays, and so does a hang. Where a day failed for a figure and
    has other reasons as well, the record does not say which of these failed it and which were doubts, so it
    stays failed.
    """
    expectations = tuple(_expectations(day, intervals))
    if expectations == day.expectations or day.verdict is Verdict.HANG:
        return replace(day, expectations=expectations)
    own = {told(each) for each in day.expectations if each.held is not Held.WITHIN}
    others = [each for each in day.reasons if each not in own] if day.verdict is not Verdict.PASSED else []
    slower = [told(each) for each in expectations if each.held is Held.SLOWER]
    doubts = [told(each) for each in expectations if each.held in (Held.FASTER, Held.UNKNOWN)]
    failed_else = bool(others) and day.verdict is Verdict.FAILED
    verdict, reasons = decide(
        [],
        [*(others if failed_else else []), *slower],
        [*([] if failed_else else others), *doubts],
    )
    confirmed = days.confirmed(day)
    return replace(
        day,
        expectations=expectations,
        verdict=verdict,
        reasons=reasons or (praise(len(day.faults), confirmed, len(expectations)),),
    )


def _expectations(day: GameDay, intervals: Mapping[str, Mapping[str, Any]]) -> Iterator[Expectation]:
    for name, interval in intervals.items():
        if (asked := days.expected(day, name)) is not None:
            ends = {"low": interval.get("low"), "high": interval.get("high")}
            yield replace(asked, **ends, source=str(interval.get("source", "")))
