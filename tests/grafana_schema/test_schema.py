"""The committed dashboards fit Grafana's own types, and the check that says so sees what does not."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from .check import GENERATED, faults

pytestmark = pytest.mark.skipif(
    not (shutil.which("npm") and shutil.which("node")),
    reason="NOT CHECKED against Grafana's types: npm is not installed (apt-get install npm)",
)
Json = dict[str, Any]


def boards() -> dict[str, Json]:
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(GENERATED.glob("*.json"))
    }


def a_panel(board: Json, kind: str) -> Json:
    found: Json = next(panel for panel in board["panels"] if panel["type"] == kind)
    return found


def lines(change: Callable[[Json], Any]) -> Callable[[Json], Any]:
    return lambda board: change(a_panel(board, "timeseries"))


#: What is done to a board, and a word of what is then said.
WRONG: dict[str, tuple[Callable[[Json], Any], str]] = {
    "schema": (lambda board: board.update(schemaVersion=41), "'41'"),
    "unknown key": (lambda board: board.update(sharedCrosshair=True), "sharedCrosshair"),
    "tooltip": (lambda board: board.update(graphTooltip=7), "DashboardCursorSync"),
    "variable": (lambda board: board["templating"]["list"][0].update(hide=9), "VariableHide"),
    "variable key": (lambda board: board["templating"]["list"][0].update(definition=""), "definition"),
    "mark": (lambda board: board["annotations"]["list"][0].update(expr="up"), "expr"),
    "row": (lambda board: a_panel(board, "row").pop("collapsed"), "collapsed"),
    "panel key": (lines(lambda panel: panel.update(span=4)), "span"),
    "panel type": (lines(lambda panel: panel.update(type="graph")), "graph"),
    "option": (lines(lambda panel: panel["options"].update(reduceOptions={})), "reduceOptions"),
    "option's value": (lines(lambda panel: panel["options"]["tooltip"].update(mode="all")), "all"),
    "colour mode": (lines(lambda panel: panel["fieldConfig"]["defaults"].update(color={"mode": "x"})), "x"),
    "custom key": (lines(lambda panel: panel["fieldConfig"]["defaults"]["custom"].update(fill=1)), "fill"),
    "threshold": (
        lines(
            lambda panel: panel["fieldConfig"]["defaults"].update(
                thresholds={"mode": "absolute", "steps": [{"color": "red", "value": "80"}]}
            )
        ),
        "string",
    ),
    "query": (lines(lambda panel: panel["targets"][0].pop("refId")), "refId"),
    "override": (
        lines(
            lambda panel: panel["fieldConfig"].update(
                overrides=[
                    {
                        "matcher": {"id": "byName", "options": "x"},
                        "properties": [{"id": "custom.lineStyle", "value": {"fill": "wavy"}}],
                    }
                ]
            )
        ),
        "wavy",
    ),
    "unit of an override": (
        lines(
            lambda panel: panel["fieldConfig"].update(
                overrides=[{"matcher": {"id": "byName"}, "properties": [{"id": "unit", "value": 5}]}]
            )
        ),
        "override of unit",
    ),
}  # fmt: skip


def test_committed_dashboards_fit() -> None:
    assert faults(boards()) == []


def test_everything_that_does_not_fit_is_told_at_its_place() -> None:
    """One run of the compiler over a wrong copy of a board for each way of being wrong."""
    whole = boards()["warren-cluster"]
    whole["panels"] = [a_panel(whole, "row"), a_panel(whole, "timeseries")]
    wrong = {}
    for name, (change, _word) in WRONG.items():
        wrong[name] = copy.deepcopy(whole)
        change(wrong[name])
    found = faults(wrong)
    for name, (_change, word) in WRONG.items():
        told = [line for line in found if line.startswith(f"{name}: ")]
        assert len(told) == 1, (name, told)
        assert word in told[0], told
