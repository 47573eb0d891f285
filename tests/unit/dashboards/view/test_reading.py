"""What a tired reader could misread: marks over data, ticks, colours, cut names, the order of legends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .test_pages import Browser

#: A canvas that remembers what was filled, and a chart of 500 by 200 pixels with it, 40 from the top.
CANVAS = """const rects = []; const words = [];
  const own = { measureText: (text) => ({ width: text.length * 6 }),
    fillRect: (...box) => rects.push(box), fillText: (text, x, y) => words.push([text, x, y]) };
  const ctx = new Proxy(own, { get: (known, name) => known[name] ?? (() => {}), set: () => true });
  const bbox = { left: 10, top: 40, width: 500, height: 200 };
  const u = { ctx, height: HEIGHT, bbox, valToPos: (at) => 10 + at };
"""
MARKS = [
    {"from": 100, "to": 150, "text": "kill on rmq1", "color": "purple"},
    {"from": 90, "to": 300, "text": "load work", "color": "blue"},
    {"from": 400, "to": 450, "text": "pause on rmq2", "color": "purple"},
]


def painted(browser: Browser, *, wash: bool, height: int = 300) -> dict[str, Any]:
    given = f"u, {json.dumps(MARKS)}, module_theme.THEMES.dark, {{ wash: {json.dumps(wash)} }}"
    script = f"""{CANVAS.replace("HEIGHT", str(height))} module_paint.paintMarks({given});
      return {{ rects, words }};"""
    return dict(browser.run(script))


@pytest.fixture(scope="module")
def page() -> Browser:
    return Browser("page", "pages")


def test_marks_stand_above_the_data_and_only_the_gravest_are_washed_over_it(page: Browser) -> None:
    rects = painted(page, wash=True)["rects"]
    over = [box for box in rects if box[3] == 200]
    above = [box for box in rects if box[1] + box[3] <= 40]
    assert [box[0] for box in over] == [110, 410], "the faults, and not the load run"
    assert len(over) + len(above) == len(rects)
    assert len(above) == 3


def test_nothing_is_washed_over_areas_whose_colours_mean_something(page: Browser) -> None:
    assert all(box[1] + box[3] <= 40 for box in painted(page, wash=False)["rects"])


def test_name_of_a_fault_goes_before_that_of_a_load_run_and_none_over_another(page: Browser) -> None:
    words = painted(page, wash=True)["words"]
    assert [text for text, _, _ in words] == ["kill on rmq1", "pause on rmq2"]
    assert all(y <= 40 for _, _, y in words)
    assert painted(page, wash=True, height=100)["words"] == [], "too low a chart"


def test_chart_leaves_room_for_its_marks(modules: Any) -> None:
    none, all_three = (modules.call("paint", "roomAbove", marks, 300) for marks in ([], MARKS))
    assert all_three - none == 2 * 4 + 14
    many = [{**MARKS[0], "color": f"#00000{at}"} for at in range(9)]
    assert modules.call("paint", "roomAbove", many, 60) <= 8 + 13, "uPlot fails where nothing is left"
    assert modules.call("paint", "lanesOf", MARKS) == ["purple", "blue"]


@pytest.mark.parametrize(
    ("splits", "unit", "texts"),
    [
        ([0, 30, 60, 90], "s", ["0 s", "30 s", "60 s", "90 s"]),
        ([0, 60, 120], "s", ["0 mins", "1 min", "2 mins"]),
        ([0, 5400, 10800], "s", ["0 mins", "90 mins", "180 mins"]),
        ([0, 0.5, 1], "s", ["0 s", "500 ms", "1 s"]),
        ([0, 250, 500], "short", ["0", "250", "500"]),
    ],
)
def test_ticks_of_one_axis_have_one_unit(
    modules: Any, splits: list[float], unit: str, texts: list[str]
) -> None:
    assert modules.call("axes", "axisTexts", splits, unit) == texts


def test_no_two_ticks_read_alike(modules: Any) -> None:
    splits = [(75 + step / 16) * 2**30 for step in range(4)]
    texts = modules.call("axes", "axisTexts", splits, "bytes")
    assert len(set(texts)) == 4


@pytest.mark.parametrize(
    ("columns", "whole"), [([[1, 2, None]], True), ([[1, 2], [0.5, 1]], False), ([], False), ([[]], True)]
)
def test_what_is_counted_has_no_tick_at_a_half(modules: Any, columns: list[Any], whole: bool) -> None:
    assert modules.call("axes", "counted", columns) is whole


def test_limit_has_the_colour_of_what_it_limits(modules: Any) -> None:
    lines = [
        {"name": "/v orders", "color": "red", "dashed": False},
        {"name": "/v orders objective", "color": "green", "dashed": True},
        {"name": "/v other objective", "color": "blue", "dashed": True},
    ]
    made = modules.call("timeseries", "ofTheirOwn", lines)
    assert [one["color"] for one in made] == ["red", "red", "blue"]


def test_each_kind_of_name_begins_at_the_first_colour_whatever_came_first(modules: Any) -> None:
    script = """(() => { const shared = module_theme.paletteByName(); const dark = module_theme.THEMES.dark;
      const of = (kind, names) => {
        const series = names.map((name) => ({ name, named: true, kind }));
        const colors = module_theme.panelColors(series, shared, dark);
        return [...names].sort().map((name) => colors.get(name)); };
      return [of('{{queue}}', ['q3', 'q1', 'q2']), of('{{node}}', ['rmq2', 'rmq1', 'rmq3']),
        of('{{leader}}', ['rmq2'])]; })()"""
    queues, nodes, led = modules.evaluate(script)
    assert queues == nodes, "by name, not by the order of the answer"
    assert len(set(nodes)) == 3
    assert led == [nodes[1]], "a node keeps its colour under another label"


def test_long_legend_begins_with_the_highest_and_a_short_one_keeps_its_order(page: Browser) -> None:
    script = """const theme = module_theme.THEMES.dark; const config = { custom: {} };
      const legend = (count) => { const host = new Node('div'); const numbers = [...Array(count).keys()];
        const entries = numbers.map((at) => ({ name: `q${at}`, values: [at % 7, null], config }));
        module_legend.renderLegend(host, { entries, options: {}, theme, place: () => null, onToggle() {} });
        return host.querySelectorAll('.legend-text').map((one) => one.textContent); };
      return [legend(9)[0], legend(3)];"""
    assert page.run(script) == ["q6", ["q0", "q1", "q2"]]


def test_name_that_does_not_fit_is_cut_at_its_end_and_shows_it(page: Browser) -> None:
    script = "return ['WarrenQueueUnderReplicated', 'rmq1'].map((name) => module_axes.shortened(name, 100));"
    assert page.run(script) == ["WarrenQueueUnde…", "rmq1"]


BREAKING = """const whole = fetch; const real = setTimeout; const asked = []; let left = LEFT;
  setTimeout = (act, ms) => real(act, ms / 1000);
  fetch = (address, options) => { asked.push(address); left -= 1;
    const error = Object.assign(new Error('Failed to fetch'), { name: NAME });
    return left < 0 ? whole(address, options) : Promise.reject(error); };
  const went = module_ask.ask('/api/settings');
  const said = await went.then((answer) => answer.status, (error) => error.message);
  setTimeout = real; fetch = whole; return [said, asked.length];"""


@pytest.mark.parametrize(
    ("left", "name", "said", "times"),
    [
        (0, "TypeError", 200, 1),
        (3, "TypeError", 200, 4),
        (9, "TypeError", "Failed to fetch", 5),
        (1, "AbortError", "Failed to fetch", 1),
    ],
)
def test_request_that_the_browser_broke_off_is_made_again(
    page: Browser, left: int, name: str, said: object, times: int
) -> None:
    script = BREAKING.replace("LEFT", str(left)).replace("NAME", json.dumps(name))
    assert page.run(script) == [said, times]


def alert(name: str, severity: str, window: str) -> dict[str, Any]:
    labels = {"alertname": name, "severity": severity, "window": window}
    since = "2026-01-01T00:00:00Z"
    return {"labels": labels, "annotations": {}, "state": "firing", "value": "1", "activeAt": since}


def test_alert_of_two_severities_is_counted_under_each(page: Browser) -> None:
    alerts = [alert("Burn", "critical", "1h"), alert("Burn", "warning", "3d")]
    known = {"/alertmanager/api/v2/alerts": [], "/alertmanager/api/v2/silences": []}
    found = {"/alerts": {"status": "success", "data": {"alerts": alerts}}, **known}
    browser = Browser("page", "pages", found=found)
    script = """globalThis.setInterval = () => 0;
      await module_pages.listPage(byId('app'), '/alerts', module_theme.THEMES.dark);
      const heads = byId('app').querySelectorAll('.group').map((one) => one.textContent);
      return heads.map((text) => text.replace(/\\s+/g, ' ').trim());"""
    assert browser.run(script) == ["Burn critical 1 firing", "Burn warning 1 firing"]


def test_table_of_a_thousand_queues_draws_some_and_says_which(page: Browser) -> None:
    script = """const host = new Node('div'); const theme = () => module_theme.THEMES.dark;
      const fields = [{ name: 'Queue', type: 'string' }, { name: 'Lag', type: 'number' }];
      const tables = [{ fields, rows: [...Array(1000).keys()].map((at) => [`q${at}`, at]) }];
      const options = { sortBy: [{ displayName: 'Lag', desc: true }] };
      const panel = { title: 'T', options, fieldConfig: { defaults: {}, overrides: [] } };
      module_table.drawTable(host, { panel, tables, ctx: { theme, utc: () => false }, place: () => null });
      return [host.querySelectorAll('td')[0].textContent, host.querySelectorAll('tr').length,
        host.querySelectorAll('p')[0].textContent];"""
    first, rows, said = page.run(script)
    assert first == "q999"
    assert rows == 201
    assert said.startswith("800 more rows are not shown, those after the first 200 by Lag")


def test_page_that_could_not_be_brought_up_to_date_does_not_say_that_it_was() -> None:
    browser = Browser("page", "pages")
    script = """const whole = fetch;
      const gone = { status: 'error', error: 'cannot be reached' };
      const said = { ok: false, status: 502, text: async () => JSON.stringify(gone), json: async () => gone };
      fetch = (address) => (address.includes('/prometheus/') ? Promise.resolve(said) : whole(address));
      await module_page.dashboardPage(byId('app'), 'sample', module_theme.THEMES.dark); await settle();
      return byId('app').querySelectorAll('.updated')[0].textContent;"""
    assert browser.run(script).startswith("tried ")


def test_ticks_between_two_seconds_do_not_say_the_same_second_twice(modules: Any) -> None:
    """A run of seconds is drawn with a tick each half of one."""
    texts = modules.call("time", "tickTexts", [60, 60.5, 61, 61.5, 62], 0.5, True)
    assert texts == ["00:01:00", "", "00:01:01", "", "00:01:02"]
    assert modules.call("time", "tickTexts", [60, 61], 1, True) == ["00:01:00", "00:01:01"]
