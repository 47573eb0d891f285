"""The report's charts are the dashboards' panels over the result's seconds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from py_mini_racer import MiniRacer

from dashboards.view.assets import STATIC
from dashboards.view.bundle import bundle
from report.page import _STATIC


@pytest.fixture(scope="module")
def engine() -> MiniRacer:
    made = MiniRacer()
    made.eval(bundle((_STATIC, STATIC), "charts", "frames"))
    return made


def panels(engine: MiniRacer, columns: dict[str, Any]) -> list[dict[str, Any]]:
    data = {"series": {"t_s": [0, 1], "columns": columns}, "started_s": 100}
    made: list[dict[str, Any]] = json.loads(
        str(engine.eval(f"JSON.stringify(module_charts.panelsOf({json.dumps(data)}))"))
    )
    return made


def test_seconds_become_one_chart_for_each_unit(engine: MiniRacer) -> None:
    made = panels(
        engine,
        {"consumed_per_s": [1, 2], "confirm_p99_s": [0.1, None], "published_per_s": [3, 4], "depth": [1, 1]},
    )
    assert [panel["fieldConfig"]["defaults"]["unit"] for panel in made] == ["mps", "s", "short"]
    rates = made[0]["answers"][0]["series"]
    assert [one["name"] for one in rates] == ["published", "consumed"]
    assert rates[0]["times"] == [100, 101]


def test_zero_latency_is_a_gap_on_the_logarithmic_chart(engine: MiniRacer) -> None:
    latency = panels(engine, {"end_to_end_p999_s": [0, 0.2]})[0]
    assert latency["answers"][0]["series"][0]["values"] == [None, 0.2]
    assert latency["answers"][0]["series"][0]["name"] == "end to end p99.9"
    assert "logarithmic" in latency["title"]


def test_run_without_seconds_has_no_charts(engine: MiniRacer) -> None:
    text = engine.eval(
        "JSON.stringify(module_charts.panelsOf({series: {t_s: [], columns: {}}, started_s: 0}))"
    )
    assert json.loads(str(text)) == []


def test_recorded_panel_keeps_its_json_and_gets_its_data(engine: MiniRacer) -> None:
    recording = {"panels": [{
        "dashboard": "Load",
        "panel": {"type": "timeseries", "title": "Depth", "targets": [{"refId": "A"}, {"refId": "B"}]},
        "results": {
            "A": {"query": "q", "start_s": 10, "step_s": 5, "series": [{"name": "x", "values": [1, None]}]},
        },
    }]}  # fmt: skip
    text = engine.eval(f"JSON.stringify(module_charts.recordedBoards({json.dumps(recording)}))")
    board = json.loads(str(text))[0]
    panel = board["panels"][0]
    assert board["title"] == "Load"
    assert panel["title"] == "Depth"
    assert [answer["series"][0]["times"] for answer in panel["answers"]] == [[10, 15]]
