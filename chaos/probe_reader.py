"""Probes and their tolerances as an experiment's file writes them; keys are chaostoolkit's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chaos.experiment import Probe, Tolerance, When
from warren.durations import parse_duration_s
from warren.reader import Section, is_number

#: Whom a probe may ask, with the keys that it must and may give.
PROVIDERS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ledger": (("figure",), ()),
    "promql": (("query",), ()),
    "broker": (("ask",), ("queue", "vhost")),
    "log": (("pattern",), ()),
}
#: What the broker can be asked; the second half needs a queue.
ASKS = ("alarms", "nodes_running", "queues_without_leader", "members_missing", "connections")
ASKS_OF_A_QUEUE = ("leader", "ready", "unacked", "consumers")
#: What a run tells each second; with a dot it is a path into the result, known at the end only.
LIVE = (
    "published", "confirmed", "consumed", "settled", "in_flight", "nacked", "redelivered", "suspected",
    "published_per_s", "confirmed_per_s", "consumed_per_s", "confirm_p99_s", "end_to_end_p99_s",
)  # fmt: skip
_WHEN: tuple[When, ...] = ("start", "during", "end")


def read(section: Section, *, when: tuple[When, ...] = ("start", "end"), fixed: bool = False) -> Probe:
    """One probe; ``fixed``: where it stands says when it is asked, so that it must not say so itself."""
    if "type" in section.data:
        section.choice("type", ("probe",))
    name = section.text("name")
    provider = section.section("provider")
    kind, what = _provider(provider)
    provider.finish()
    if not fixed and "when" in section.data:
        given = section.texts("when")
        for each in given:
            if each not in _WHEN:
                section.fault("when", f"'{each}' is no time to ask", f"some of: {', '.join(_WHEN)}")
        when = tuple(each for each in _WHEN if each in given)
    if kind == "ledger" and "." in what.get("figure", "") and when != ("end",):
        section.fault("when", f"{what['figure']} is known when the run is over", "when: [end]")
    if kind == "ledger" and "." not in what.get("figure", "") and "start" in when:
        section.fault("when", "before the run there is no ledger", "when: [during], [end] or both")
    return Probe(name=name, provider=kind, what=what, tolerance=_tolerance(section), when=when)


def _provider(section: Section) -> tuple[str, dict[str, str]]:
    kind = section.choice("type", tuple(PROVIDERS))
    must, may = PROVIDERS.get(kind, ((), ()))
    what = {key: section.text(key) for key in must}
    what |= {key: section.text(key) for key in may if key in section.data}
    if kind == "broker":
        section.choice("ask", (*ASKS, *ASKS_OF_A_QUEUE))
        if what["ask"] in ASKS_OF_A_QUEUE and not what.get("queue"):
            section.fault("queue", f"must be given, for '{what['ask']}' is asked of one", "add 'queue:'")
    if kind == "ledger" and "." not in what["figure"]:
        section.choice("figure", LIVE)
    if kind == "log":
        try:
            re.compile(what["pattern"])
        except re.error as error:
            section.fault("pattern", f"is no regular expression: {error}")
    return kind, what


def _tolerance(section: Section) -> Tolerance:
    section.known.add("tolerance")
    value = section.data.get("tolerance")
    if value is None:
        section.fault(
            "tolerance", "must be given", "a value, a list of values, or {type: range, range: [0, 1]}"
        )
        return Tolerance(values=(0,))
    if isinstance(value, dict):
        return _range(section.section("tolerance"))
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(each, str | int | float | bool) for each in values):
        section.fault("tolerance", f"{value!r} is no tolerance", "a value or a list of values")
    return Tolerance(values=tuple(values))


def _range(section: Section) -> Tolerance:
    """``{type: range, range: [low, high]}``; either may be null: open to that side."""
    section.choice("type", ("range",))
    section.known.add("range")
    given = section.data.get("range")
    section.finish()
    fits = isinstance(given, list) and len(given) == 2 and all(e is None or is_number(e) for e in given)  # noqa: PLR2004
    if not fits or given == [None, None]:
        section.fault("range", "must be a list of two numbers", "range: [0, 1]; null is open to that side")
        return Tolerance(low=0.0)
    low, high = (None if each is None else float(each) for each in given)  # type: ignore[union-attr]
    if low is not None and high is not None and low > high:
        section.fault("range", f"{low:g} is more than {high:g}")
    return Tolerance(low=low, high=high)


def seconds(
    section: Section, key: str, default: float | None = None, *, required: bool = False
) -> float | None:
    """A duration (``20s``, ``2m``, a number of seconds); None where it is neither given nor required."""
    section.known.add(key)
    value: Any = section.data.get(key)
    if value is None:
        if required:
            section.fault(key, "must be given", f"add '{key}: 20s'")
            return 0.0
        return default
    if is_number(value) and value >= 0:
        return float(value)
    try:
        return parse_duration_s(str(value))
    except ValueError as error:
        section.fault(key, str(error))
        return 0.0
