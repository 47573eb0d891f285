"""Panels of the dashboards over a run's time, taken from Prometheus and kept with the run's page.

A recording outlives Prometheus' retention and the cluster, so that a page can be read years later. The form
is that of `report.page.write_report`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from report.columns import short_number
from warren.errors import BadInputError

#: Points of one series at most: a page stays small, and a screen has no more to show.
MOST_POINTS = 240
#: Characters of a whole recording at most, which keeps the page of an hour's run below a megabyte.
#: What does not fit is left out and named.
MOST_CHARACTERS = 570_000
#: Series of one query at most, those with the highest peaks: more could not be told apart.
MOST_SERIES = 20
#: Seconds shown before and after the run.
MARGIN_S = 15.0
_DRAWN = frozenset({"timeseries", "state-timeline"})
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")
_LABEL = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")


class RangeQuery(Protocol):
    """What a recording needs of a Prometheus client."""

    def query_range(
        self, expression: str, *, start: float, end: float, step_s: float
    ) -> list[dict[str, Any]]:
        """Series of ``{"metric": labels, "values": [[unix seconds, text], …]}``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The grid of a recording: ``start_s`` and ``end_s`` (unix time) are multiples of ``step_s``."""

    start_s: float
    end_s: float
    step_s: float

    @property
    def points(self) -> int:
        return round((self.end_s - self.start_s) / self.step_s) + 1


def span_of(started_s: float, ended_s: float, scrape_interval_s: float) -> Span:
    """The run with its margins; the step is the scrape interval, or more where the run is long."""
    length = ended_s - started_s + 2 * MARGIN_S
    step = max(scrape_interval_s, math.ceil(length / MOST_POINTS))
    start = math.floor((started_s - MARGIN_S) / step) * step
    return Span(start_s=start, end_s=math.ceil((ended_s + MARGIN_S) / step) * step, step_s=step)


def record(
    dashboards: Sequence[Mapping[str, Any]],
    *,
    client: RangeQuery,
    span: Span,
    values: Mapping[str, str],
    scrape_interval_s: float,
) -> dict[str, Any]:
    """Record every time series panel of ``dashboards`` that has data; ``values`` are the variables' texts.

    A variable without a value matches everything (``.+``). Raises what ``client`` raises.
    """
    rate_s = max(span.step_s + scrape_interval_s, 4 * scrape_interval_s)
    built_in = {
        "__rate_interval": f"{rate_s:g}s",
        "__interval": f"{span.step_s:g}s",
        "__range": f"{span.end_s - span.start_s:g}s",
    }
    kept: list[dict[str, Any]] = []
    left_out: list[str] = []
    room = MOST_CHARACTERS
    for dashboard in dashboards:
        title = str(dashboard.get("title", ""))
        for panel in _panels(dashboard.get("panels") or ()):
            recorded = _recorded(panel, client, span, {**built_in, **values})
            if not recorded:
                continue
            entry = {"dashboard": title, "panel": _lean(panel), "results": recorded}
            size = len(json.dumps(entry, separators=(",", ":")))
            if size > room:
                left_out.append(f"{title}: {panel.get('title', '')}")
                continue
            room -= size
            kept.append(entry)
    return {"schema": 1, "panels": kept, "left_out": left_out}


def _panels(panels: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    flat = [inner for one in panels for inner in (one, *(one.get("panels") or ()))]
    return [one for one in flat if one.get("type") in _DRAWN]


def _recorded(
    panel: Mapping[str, Any], client: RangeQuery, span: Span, values: Mapping[str, str]
) -> dict[str, Any]:
    results = {}
    for target in panel.get("targets") or ():
        query = fill(str(target.get("expr") or ""), values)
        if not query or target.get("hide"):
            continue
        found = client.query_range(query, start=span.start_s, end=span.end_s, step_s=span.step_s)
        series = [
            {
                "name": _name(target, one["metric"], query),
                "labels": one["metric"],
                "values": _on_grid(one, span),
            }
            for one in found
        ]
        if series:
            results[str(target["refId"])] = {
                "query": query, "start_s": span.start_s, "step_s": span.step_s, "series": _highest(series),
                "found": len(series),
            }  # fmt: skip
    return results


def _highest(series: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The series with the highest peaks, in the order in which they came."""
    peaks = [max((v for v in one["values"] if v is not None), default=-math.inf) for one in series]
    kept = sorted(range(len(series)), key=lambda at: -peaks[at])[:MOST_SERIES]
    return [series[at] for at in sorted(kept)]


def fill(text: str, values: Mapping[str, str]) -> str:
    """Grafana's variables replaced; one that has no value becomes ``.+``, what "All" stands for here.

    Raises BadInputError for a built-in variable that a recording has no value for.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(2)
        if name not in values and name.startswith("__"):
            raise BadInputError(text, f"uses ${name}, which a recording has no value for")
        return values.get(name, ".+")

    return _VARIABLE.sub(value, text)


def _name(target: Mapping[str, Any], labels: Mapping[str, str], query: str) -> str:
    legend = target.get("legendFormat") or ""
    if legend and legend != "__auto":
        return _LABEL.sub(lambda match: labels.get(match.group(1), ""), legend)
    return ", ".join(text for key, text in sorted(labels.items()) if key != "__name__") or query


def _on_grid(series: Mapping[str, Any], span: Span) -> list[float | int | None]:
    values: list[float | int | None] = [None] * span.points
    for at, text in series["values"]:
        place = round((float(at) - span.start_s) / span.step_s)
        number = float(text)
        if 0 <= place < span.points and math.isfinite(number):
            values[place] = short_number(number)
    return values


def _lean(panel: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a panel that drawing needs."""
    wanted = ("type", "title", "description", "fieldConfig", "options")
    lean = {key: panel[key] for key in wanted if panel.get(key)}
    targets = [
        {"refId": str(target["refId"]), "legendFormat": target.get("legendFormat") or ""}
        for target in panel.get("targets") or ()
    ]
    return {**lean, "targets": targets}
