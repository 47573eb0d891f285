"""The house look: what a panel, a section and a board are, and how each kind of panel is drawn.

A board is data; `dashboards.build` turns it into Grafana's JSON. Every panel says what is good and what to do
when it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from grafanalib import core

from dashboards import links, looks
from dashboards.drawn import Heatmap, Table
from dashboards.looks import Thresholds, limited, thresholds
from dashboards.present import still_there

#: Every query asks the data source that the reader chose.
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
#: Counters refreshed every five seconds are rightly absent for so long after a restart: lines are joined.
_JOIN_GAPS_MS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One PromQL expression and the name of its series; ``instant`` asks for the present value only.

    One that may rightly find nothing while load runs says why (``may_be_empty``), for the test that asks a
    live Prometheus; a panel all of whose queries may says so in the JSON.
    """

    expr: str
    legend: str = ""
    instant: bool = False
    may_be_empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel before it has a place. ``draw`` is grafanalib's class, ``look`` what it is made with.

    ``none`` says what it means that there is nothing to draw.
    """

    title: str
    description: str
    queries: tuple[Query, ...]
    width: int
    height: int
    draw: Any
    look: Mapping[str, Any]
    none: str = ""

    @property
    def emptiness(self) -> str:
        """Why there may be nothing to draw, or an empty text where there should always be something."""
        reasons = [query.may_be_empty for query in self.queries]
        return self.none or (reasons[0] if all(reasons) else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Panels under one heading, from left to right, wrapped at Grafana's 24 columns."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A choice at the top of the board, from the values of a label on a metric.

    With ``several`` any number of values may be chosen, and All is, unless ``default`` names one.
    """

    name: str
    label: str
    query: str
    several: bool = True
    default: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A dashboard. ``uid`` is its file's name and its address, and never changes."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    sections: tuple[Section, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(panel for section in self.sections for panel in section.panels)


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    height: int = 8,
    least: float | None = 0,
    stacked: bool = False,
    steps: bool = False,
    dashed: str = "",
    limits: Thresholds = (),
    colors: Mapping[str, str] = MappingProxyType({}),
    to_queue: bool = False,
) -> Panel:
    """Lines over time. ``dashed`` is a pattern of legends drawn as a dashed limit without fill; ``limits``
    are drawn as dashed lines of their colour. ``colors`` are of legends that are good or bad by themselves.
    ``to_queue`` leads from a line to its queue's own figures."""
    defaults: dict[str, Any] = {"custom": {"spanNulls": _JOIN_GAPS_MS}}
    if to_queue:
        defaults["links"] = [links.queue_of_series()]
    look = {
        "unit": unit,
        "valueMin": least,
        "axisSoftMin": 0 if least is None else None,  # a little less of plenty must not look like a fall
        "axisSoftMax": 1 if unit == "percentunit" else None,  # a share of 1 % must not look like a full one
        "drawStyle": "line",
        "lineInterpolation": "stepAfter" if steps else "linear",
        "fillOpacity": 30 if stacked else 0,  # fills on each other hide the lines
        "showPoints": "never",
        "tooltipMode": "multi",
        "tooltipSort": "desc",
        "legendDisplayMode": "list",
        "legendPlacement": "bottom",
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyleMode": "dashed" if limits else "off",
        "thresholds": thresholds(limits)["steps"],
        "overrides": [
            *(looks.coloured(legend, color) for legend, color in colors.items()),
            *([looks.dashed(dashed)] if dashed else []),
        ],
        "extraJson": {"fieldConfig": {"defaults": defaults}},
    }
    return Panel(
        title=title, description=description, queries=queries, width=width, height=height,
        draw=core.TimeSeries, look=look,
    )  # fmt: skip


def number(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    limits: Thresholds = (),
    width: int = 4,
    height: int = 4,
    graph: bool = True,
    none: str = "",
    decimals: int | None = None,
    apart: Mapping[str, Thresholds] = MappingProxyType({}),
) -> Panel:
    """Present values, large. ``limits`` colour them from their value on, ``apart`` those of one legend in
    their place; ``none`` is shown for no value.

    With ``graph`` the way there is drawn below. What has no value at the end of the time range is not there:
    see `dashboards.present`.
    """
    look = {
        "format": unit,
        "reduceCalc": "lastNotNull",
        "graphMode": "area" if graph else "none",
        "colorMode": "value",
        "thresholds": thresholds(limits)["steps"],
        "color": {"mode": "thresholds"},
        "decimals": decimals,
        "noValue": none or None,  # grafanalib's own is a word
        "overrides": [limited(legend, of_it) for legend, of_it in apart.items()],
    }
    return Panel(
        title=title, description=description, width=width, height=height, draw=core.Stat, look=look,
        none=none,
        queries=tuple(
            replace(one, expr=still_there(one.expr)) if graph else replace(one, instant=True)
            for one in queries
        ),
    )  # fmt: skip


def states(
    title: str,
    description: str,
    query: Query | tuple[Query, ...],
    names: Mapping[str, tuple[str, str]],
    *,
    width: int = 12,
    height: int = 8,
) -> Panel:
    """Bars of state over time; ``names`` maps values to the words and colours that stand for them."""
    mapping = {
        value: {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(names.items())
    }
    look = {
        "mappings": [{"type": "value", "options": mapping}],
        "thresholds": thresholds(())["steps"],
        "showValue": "never",
        "mergeValues": True,
        "extraJson": {"fieldConfig": {"defaults": {"unit": "none"}}},
    }
    return Panel(
        title=title, description=description, width=width, height=height,
        queries=query if isinstance(query, tuple) else (query,),
        draw=core.StateTimeline, look=look,
    )  # fmt: skip


def heat(
    title: str, description: str, query: Query, *, unit: str = "s", width: int = 12, height: int = 8
) -> Panel:
    """How often each size of a histogram came, over time; the query keeps the label ``le``."""
    look = {
        "bucket_unit": unit,
        "extraJson": {"fieldConfig": {"defaults": {"unit": unit, "custom": {"hideFrom": _NOWHERE}}}},
    }
    return Panel(
        title=title, description=description, queries=(query,), width=width, height=height,
        draw=Heatmap, look=look,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of figures: its heading, the query that gives it, its unit and the colours of its values.

    Shares are shown in per cent with one decimal place.
    """

    heading: str
    expr: str
    unit: str
    limits: Thresholds = ()
    may_be_empty: str = ""


def table(
    title: str,
    description: str,
    labels: Mapping[str, str],
    columns: Sequence[Column],
    *,
    width: int = 24,
    height: int = 10,
    highest: str = "",
    lowest: str = "",
) -> Panel:
    """One row for each set of ``labels`` (label → heading), one column for each query.

    The rows begin with that of the ``highest`` or ``lowest`` value under the heading named: there may be a
    thousand. Where the rows are queues, the queue's name leads to its own figures.
    """
    queries = tuple(
        Query(expr=column.expr, instant=True, may_be_empty=column.may_be_empty) for column in columns
    )
    refs = [reference(place) for place in range(len(columns))]
    values = [f"Value #{ref}" for ref in refs] if len(refs) > 1 else ["Value"]  # as Grafana calls them
    names = {**labels, **dict(zip(values, (column.heading for column in columns), strict=True))}
    order = {name: place for place, name in enumerate(names)}
    transformations = [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names},
        },
    ]
    look = {
        "transformations": transformations,
        "extraJson": {
            "options": {"sortBy": [{"displayName": highest or lowest, "desc": bool(highest)}]}
            if highest or lowest
            else {},
            "fieldConfig": {
                "defaults": {
                    "unit": "none",
                    "color": {"mode": "thresholds"},
                    "custom": {"align": "auto"},
                    "thresholds": thresholds(()),
                },
                "overrides": [*links.queue_of_rows(labels), *(_column(column) for column in columns)],
            },
        },
    }
    return Panel(
        title=title, description=description, queries=queries, width=width, height=height,
        draw=Table, look=look,
    )  # fmt: skip


def when_empty(section: Section, none: str) -> Section:
    """The section with what it means that a panel of it has nothing to draw, but for those that say it."""
    return replace(section, panels=tuple(replace(one, none=one.none or none) for one in section.panels))


def reference(place: int) -> str:
    """The letter by which Grafana calls the query at ``place``."""
    return chr(ord("A") + place)


_NOWHERE = {"legend": False, "tooltip": False, "viz": False}


def _column(column: Column) -> dict[str, Any]:
    properties: list[dict[str, Any]] = [{"id": "unit", "value": column.unit}]
    if column.unit == "percentunit":
        properties.append({"id": "decimals", "value": 1})
    if column.limits:
        properties += [
            {"id": "thresholds", "value": thresholds(column.limits)},
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
        ]
    return {"matcher": {"id": "byName", "options": column.heading}, "properties": properties}
