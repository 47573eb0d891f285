"""Whole pages run against stand-ins for browser, chart and server, to the last line of our code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from py_mini_racer import MiniRacer

from dashboards.view.assets import STATIC
from dashboards.view.bundle import bundle
from report.page import _STATIC, data_json

HERE = Path(__file__).parent
GENERATED = HERE.parents[3] / "dashboards" / "generated"


class Browser:
    """One page: the stand-ins, the modules, and what became of them."""

    def __init__(self, *modules: str, dashboard: dict[str, Any] | None = None) -> None:
        self._engine = MiniRacer()
        stage = (HERE / "page.js").read_text(encoding="utf-8")
        answers = json.loads((HERE / "answers.json").read_text(encoding="utf-8"))
        if dashboard:
            answers["/api/dashboards/sample"] = {"dashboard": dashboard}
        self._engine.eval(f"{stage}\nserve({json.dumps(answers)});\n{bundle((_STATIC, STATIC), *modules)}")

    def run(self, script: str) -> Any:
        """The value of an async function's body."""
        wrapped = f"(async () => {{ {script} }})()"
        promise: Any = self._engine.eval(f"{wrapped}.then((value) => JSON.stringify(value ?? null))")
        return json.loads(str(promise.get(timeout=20)))


@pytest.fixture
def board() -> Browser:
    browser = Browser("page", "pages")
    browser.run(
        "await module_page.dashboardPage(byId('app'), 'sample', module_theme.THEMES.dark); await settle();"
    )
    return browser


def test_every_panel_type_is_drawn_and_the_others_say_why_not(board: Browser) -> None:
    text = board.run("return byId('app').textContent;")
    assert "parse error: unclosed" in text
    assert 'does not draw panels of type "piechart"' in text
    assert "This is not Grafana" in text
    assert text.count("Not drawn") == 2
    assert "No data" not in text
    assert "Hello" in text
    assert board.run("return charts.length;") == 4


@pytest.mark.parametrize("path", sorted(GENERATED.glob("*.json")), ids=lambda path: path.stem)
def test_each_of_our_dashboards_is_drawn_whole(path: Path) -> None:
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        panel["collapsed"] = False
    browser = Browser("page", dashboard=dashboard)
    browser.run("await module_page.dashboardPage(byId('app'), 'sample', module_theme.THEMES.light);")
    text = browser.run("await settle(); await settle(); return byId('app').textContent;")
    assert "Not drawn" not in text
    assert "No data" not in text
    assert "not carried out" not in str(browser.run("return titles();"))
    assert dashboard["title"] in text
    filled = browser.run(
        "return byId('app').querySelectorAll('.panel-body').map((body) => body.children.length > 0);"
    )
    assert len(filled) == sum(panel["type"] != "row" for panel in dashboard["panels"])
    assert all(filled)


def test_queues_of_a_table_lead_to_their_own_figures() -> None:
    dashboard = json.loads((GENERATED / "warren-queues.json").read_text(encoding="utf-8"))
    dashboard["panels"] = [panel for panel in dashboard["panels"] if panel["title"] in ("Queues", "Now")]
    browser = Browser("page", dashboard=dashboard)
    browser.run("await module_page.dashboardPage(byId('app'), 'sample', module_theme.THEMES.light);")
    script = "await settle(); return byId('app').querySelectorAll('a').map((a) => a.getAttribute('href'));"
    leading = [each for each in browser.run(script) if "var-queue=" in each]
    assert leading
    assert set(leading) == {"/d/warren-queues?var-cluster=a.b&var-vhost=&var-queue=a.b"}


def test_closed_row_opens_and_asks_for_its_panels(board: Browser) -> None:
    before = board.run("return asked.length;")
    script = """byId('app').querySelectorAll('.row-head')[0].querySelector('button').dispatch('click');
      await settle();
      return [asked.length, byId('app').textContent];"""
    after, text = board.run(script)
    assert after > before
    assert "Row of All" in text


def test_queries_carry_the_variables_and_the_rate_window(board: Browser) -> None:
    asked = board.run("return asked.filter((one) => one.includes('query_range'));")
    assert any('queue=~"(a\\\\.b|c)"' in one.replace("+", " ") for one in asked)


def test_drag_on_one_chart_zooms_all_and_escape_goes_back(board: Browser) -> None:
    script = """charts[0].drag(); await settle(); const zoomed = location.search;
      press('Escape'); await settle(); return [zoomed, location.search, charts.length];"""
    zoomed, back, charts = board.run(script)
    assert "from=1010000&to=1110000" in zoomed
    assert "from=now-15m" in back
    assert charts == 4


@pytest.mark.parametrize("key", ["r", "z", "[", "]", "t", "j", "k", "?"])
def test_every_key_of_the_help_does_its_work(board: Browser, key: str) -> None:
    text = board.run(f"press({key!r}); await settle(); return byId('app').textContent;")
    assert "could not be drawn" not in text


def test_pointer_over_a_chart_opens_one_tooltip(board: Browser) -> None:
    shown = board.run("[...charts].reverse().forEach((chart) => chart.hover()); return tooltips();")
    assert len(shown) == 1
    assert "a.b" in shown[0]
    assert "9 s" in shown[0]


def test_legend_shows_a_series_alone_and_brings_the_others_back(board: Browser) -> None:
    script = """const seen = [columns()];
      for (const _ of [1, 2]) { legend().dispatch('click'); seen.push(columns()); } return seen;"""
    first, alone, again = board.run(script)
    assert sorted(first) == [
        2,
        2,
        2,
        3,
    ]  # times and two series; the other three charts paint their rows themselves
    assert sorted(alone) == [2, 2, 2, 2]
    assert sorted(again) == sorted(first)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", ["Two", "x: bad"]),
        ("/targets", ["0 of 1 targets are up, 1 down", "refused"]),
        ("/rules", ["firing", "It is down.", "many-to-many", "for 1m"]),
        ("/alerts", ["1 firing, 0 pending", "page"]),
    ],
)
def test_list_pages_show_what_prometheus_says(path: str, words: list[str]) -> None:
    browser = Browser("page", "pages")
    script = f"""globalThis.setInterval = () => 0;
      await module_pages.listPage(byId('app'), {path!r}, module_theme.THEMES.dark);
      return byId('app').textContent;"""
    text = browser.run(script)
    for word in words:
        assert word in text


def test_report_draws_its_charts_and_zooms_them() -> None:
    series = [{"t_s": float(at), "published_per_s": 5.0, "confirm_p99_s": 0.1} for at in range(20)]
    result = {
        "started_at": "2026-11-22T06:01:02Z", "ended_at": "2026-11-22T06:01:22Z", "series": series,
        "faults": [{"name": "kill", "target": "n", "injected_at": "2026-11-22T06:01:05Z", "healed_at": None}],
    }  # fmt: skip
    recording = {"schema": 1, "panels": [{
        "dashboard": "Load", "panel": {"type": "timeseries", "title": "Depth", "targets": [{"refId": "A"}]},
        "results": {
            "A": {"query": "q", "start_s": 10, "step_s": 5, "series": [{"name": "x", "values": [1]}]},
        },
    }]}  # fmt: skip
    browser = Browser("page")
    data = json.dumps(data_json(result, recording))
    browser.run(f"byId('data').textContent = {data};")
    source = bundle((_STATIC, STATIC), "report")  # its modules beside those that are loaded, by another name
    browser.run(f"(0, eval)({json.dumps(source.replace('module_', 'report_'))}); await settle();")
    assert browser.run("return charts.length;") == 3
    text = browser.run("charts[0].drag(); await settle(); return byId('charts').textContent;")
    assert "Show the whole run" in text
    assert "Times are UTC" in browser.run("return byId('charts-note').textContent;")
    assert "Load, over the run" in browser.run("return byId('boards').textContent;")
