"""Expressions over a run's result that decide its exit code: ``p99_end_to_end_s < 0.2``, ``lost == 0``.

A name is a figure of the ledger, the rates, the availability or the resources; a percentile of a latency
(``p50_confirm_s`` … ``max_end_to_end_s``); ``dead_lettered.<reason>``; or a dotted path into the oracles
(``oracles.delays.step_1.error_p99_s``). The limit may carry a unit: ms, s, m, h, %, KiB, MiB, GiB.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from warren.errors import BadInputError
from warren.nearest import meant
from warren.results import (
    Availability,
    Latencies,
    Ledger,
    LoadResult,
    Percentiles,
    Rates,
    Resources,
    ThresholdOutcome,
)

_FORM = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*(==|!=|<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)\s*([A-Za-z%]*)\s*")
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
UNITS = {
    "": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "%": 0.01,
    "KiB": 1024.0, "MiB": 1024.0**2, "GiB": 1024.0**3,
}  # fmt: skip
#: Where plain names are looked for, in the result's form.
_SECTIONS: Mapping[str, type] = {
    "ledger": Ledger,
    "rates": Rates,
    "availability": Availability,
    "resources": Resources,
}
#: Paths whose last steps are known only when the run is over.
_OPEN = ("oracles.", "dead_lettered.")
_NO_NUMBERS = ("dead_lettered", "lost_examples")


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """One expression, read. ``limit`` is in the figure's own unit: seconds, bytes, a share of 1."""

    expression: str
    name: str
    relation: str
    limit: float


def read(expression: str) -> Threshold:
    """Parse one expression; raises ValueError, saying what is wrong and what there is instead."""
    match = _FORM.fullmatch(expression)
    if match is None:
        raise ValueError(f"{expression!r} is not NAME, one of {' '.join(_OPERATORS)}, and a number")
    name, relation, number, unit = match.groups()
    if unit not in UNITS:
        raise ValueError(f"{expression!r}: the unit '{unit}' is not one of {', '.join(filter(None, UNITS))}")
    if name not in known() and not any(name.startswith(each) and name != each for each in _OPEN):
        said = (meant(name, known(), ""), f"known: {', '.join(known())}, oracles.…")
        raise ValueError(f"'{name}' is no figure of a result; {' '.join(filter(None, said))}")
    return Threshold(
        expression=" ".join(expression.split()),
        name=name,
        relation=relation,
        limit=float(number) * UNITS[unit],
    )


def known() -> tuple[str, ...]:
    """Every name that does not depend on the profile."""
    plain = [each.name for cls in _SECTIONS.values() for each in fields(cls) if each.name not in _NO_NUMBERS]
    return (*plain, *_latency_names())


def _latency_names() -> dict[str, tuple[str, str]]:
    """``p99_end_to_end_s`` → (latency, percentile)."""
    return {
        (f"{figure.name}_{latency.name}" + ("" if figure.name == "count" else "_s")): (
            latency.name,
            figure.name,
        )
        for latency in fields(Latencies)
        for figure in fields(Percentiles)
    }


def figure(result: Mapping[str, Any], name: str) -> float | None:
    """The figure called ``name`` of a result in its JSON form; None where it has none."""
    latencies = _latency_names()
    if name in latencies:
        latency, percentile = latencies[name]
        found = result["latency_s"][latency]
        if percentile != "count" and not found.get("count"):
            return None  # a percentile of nothing is no 0, which would hold every limit
        return _number(found.get(percentile))
    if name.startswith("oracles."):
        return _number(_walk(result["oracles"], name.split(".")[1:]))
    if name.startswith("dead_lettered."):
        return float(result["ledger"]["dead_lettered"].get(name.partition(".")[2], 0))
    for section in _SECTIONS:
        if name in result[section]:
            return _number(result[section][name])
    return None


def _walk(at: Any, path: list[str]) -> Any:
    for step in path:
        if not isinstance(at, Mapping) or step not in at:
            return None
        at = at[step]
    return at


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def check(expressions: Iterable[str], result: LoadResult) -> tuple[ThresholdOutcome, ...]:
    """Each expression against ``result``; ``passed`` is None where the result has no such figure.

    Raises BadInputError for an expression that cannot be read.
    """
    plain = result.to_dict()
    return tuple(_outcome(_read(each), plain) for each in expressions)


def _read(expression: str) -> Threshold:
    try:
        return read(expression)
    except ValueError as error:
        raise BadInputError("thresholds", str(error)) from error


def _outcome(threshold: Threshold, result: Mapping[str, Any]) -> ThresholdOutcome:
    value = figure(result, threshold.name)
    passed = None if value is None else _OPERATORS[threshold.relation](value, threshold.limit)
    return ThresholdOutcome(expression=threshold.expression, value=value, passed=passed)
