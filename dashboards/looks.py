"""What single series of a panel look like, by their names, and limits as steps of colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

GREEN, ORANGE, RED, BLUE, GREY = "green", "orange", "red", "blue", "text"

Thresholds = Sequence[tuple[float, str]]


def thresholds(limits: Thresholds) -> dict[str, Any]:
    """Steps from a neutral or green base up; grafanalib's default of no steps breaks Grafana's tables."""
    base = GREEN if limits else BLUE
    steps: list[dict[str, Any]] = [{"color": base, "value": None}]
    if limits and limits[0][0] == float("-inf"):
        steps, limits = [{"color": limits[0][1], "value": None}], limits[1:]
    steps += [{"color": color, "value": value} for value, color in limits]
    return {"mode": "absolute", "steps": steps}


def limited(legend: str, limits: Thresholds) -> dict[str, Any]:
    """The figure called ``legend`` has limits of its own."""
    return _named(legend, [{"id": "thresholds", "value": thresholds(limits)}])


def coloured(legend: str, color: str) -> dict[str, Any]:
    """The line called ``legend`` is always of this colour, which says whether it is good."""
    return _named(legend, [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}])


def dashed(pattern: str) -> dict[str, Any]:
    """Series whose names match are limits: dashed, without fill."""
    properties = [
        {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}},
        {"id": "custom.fillOpacity", "value": 0},
        {"id": "custom.stacking", "value": {"mode": "none", "group": "A"}},
    ]
    return {"matcher": {"id": "byRegexp", "options": f"/{pattern}/"}, "properties": properties}


def _named(legend: str, properties: list[dict[str, Any]]) -> dict[str, Any]:
    return {"matcher": {"id": "byName", "options": legend}, "properties": properties}
