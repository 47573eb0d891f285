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

    def __init__(
        self,
        *modules: str,
        dashboard: dict[str, Any] | None = None,
        found: dict[str, Any] | None = None,
        long_term: bool = False,
    ) -> None:
        self._engine = MiniRacer()
        stage = (HERE / "page.js").read_text(encoding="utf-8")
        answers = json.loads((HERE / "answers.json").read_text(encoding="utf-8"))
        answers["/api/settings"]["long_term"] = long_term
        if dashboard:
            answers["/api/dashboards/sample"] = {"dashboard": dashboard}
        answers |= found or {}
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
    assert text.count("Not drawn") == 1
    assert text.count("The query failed") == 1
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


NOTHING = {"status": "success", "data": {"resultType": "vector", "result": []}}


def test_figure_of_nothing_says_its_own_word_for_that_and_one_without_a_word_why() -> None:
    """The boards' own: of the end of the range, where there is no run."""
    dashboard = json.loads((GENERATED / "warren-load.json").read_text(encoding="utf-8"))
    wanted = {"Failed publishes": "no run", "Queues over their objective": "nothing promised"}
    panels = [panel for panel in dashboard["panels"] if panel["title"] in wanted]
    panels.append({**panels[0], "id": 99, "title": "Other", "fieldConfig": {"defaults": {}, "overrides": []}})
    browser = Browser("page", dashboard={**dashboard, "panels": panels}, found={"/query": NOTHING})
    browser.run("await module_page.dashboardPage(byId('app'), 'sample', module_theme.THEMES.dark);")
    script = "await settle(); return byId('app').querySelectorAll('.panel-note').map((n) => n.textContent);"
    first, other, second = browser.run(script)  # as they lie on the board
    assert [first.strip(), second.strip()] == list(wanted.values())
    assert other.startswith("No data")
    assert "answered this query with no series" in other


def test_queues_of_a_table_lead_to_their_own_figures() -> None:
    dashboard = json.loads((GENERATED / "warren-queues.json").read_text(encoding="utf-8"))
    dashboard["panels"] = [panel for panel in dashboard["panels"] if panel["title"] in ("Queues", "Now")]
    browser = Browser("page", dashboard=dashboard)
    browser.run("await module_page.dashboardPage(byId('app'), 'sample', module_theme.THEMES.light);")
    script = "await settle(); return byId('app').querySelectorAll('a').map((a) => a.getAttribute('href'));"
    leading = [each for each in browser.run(script) if "var-queue=" in each]
    assert leading
    assert set(leading) == {"/d/warren-queues?from=now-15m&to=now&var-cluster=a.b&var-vhost=&var-queue=a.b"}


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


ASKED = """return [location.search, [...new Set(asked.filter((one) => one.includes('/api/v1/'))
  .map((one) => one.split('/api/v1/')[0]))],
  byId('app').querySelectorAll('.variable').map((one) => one.textContent)];"""


def test_one_source_is_no_choice_and_stands_in_no_address(board: Browser) -> None:
    address, asked, variables = board.run(ASKED)
    assert "var-datasource" not in address
    assert asked == ["/prometheus"]
    assert not [text for text in variables if "long-term" in text]


def test_boards_are_drawn_from_the_long_term_store_where_it_is_chosen() -> None:
    """Variables, panels and marks alike; and a link, a reload and another board keep the choice."""
    dashboard = json.loads((GENERATED / "warren-queues.json").read_text(encoding="utf-8"))
    browser = Browser("page", dashboard=dashboard, long_term=True)
    browser.run("await module_page.dashboardPage(byId('app'), 'sample', module_theme.THEMES.light);")
    address, asked, variables = browser.run(f"await settle(); {ASKED}")
    assert asked == ["/prometheus"]
    assert "prometheus long-term" in variables[0]
    browser.run("""asked.length = 0;
      const select = byId('app').querySelectorAll('.variable')[0].querySelector('select');
      select.dispatch('change', { target: { value: 'long-term' } });
      await settle(); await settle();""")
    address, asked, _ = browser.run(ASKED)
    assert asked == ["/long-term"]
    assert "var-datasource=long-term" in address
    kinds = (
        "return ['values', 'query_range', 'query?'].map((kind) => asked.some((one) => one.includes(kind)));"
    )
    assert browser.run(kinds) == [True, True, True]
    links = "return byId('app').querySelectorAll('.board-links')[0].children.map((a) => a.attributes.href);"
    assert all("var-datasource=long-term" in link for link in browser.run(links))


def test_an_address_names_the_source_and_an_unknown_one_is_passed_over() -> None:
    for named, base in (("long-term", "/long-term"), ("elsewhere", "/prometheus")):
        browser = Browser("page", long_term=True)
        browser.run(f"location.search = '?var-datasource={named}';")
        browser.run("await module_page.dashboardPage(byId('app'), 'sample', module_theme.THEMES.dark);")
        assert browser.run(f"await settle(); {ASKED}")[1] == [base]


def test_drag_on_one_chart_zooms_all_and_escape_goes_back(board: Browser) -> None:
    script = """charts[0].drag(); await settle(); const zoomed = location.search;
      press('Escape'); await settle();
      return [zoomed, byId('app').querySelectorAll('.times')[0].textContent, charts.length];"""
    zoomed, back, charts = board.run(script)
    assert "from=1010000&to=1110000" in zoomed
    assert back.startswith("Last 15 minutes")
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


def test_tooltip_names_the_part_of_a_stack_that_the_pointer_is_at() -> None:
    """Both are 9; the second is drawn upon the first, up to 18, and the pointer is at 20."""
    answers = json.loads((HERE / "answers.json").read_text(encoding="utf-8"))
    dashboard = answers["/api/dashboards/sample"]["dashboard"]
    dashboard["panels"][0]["options"] = {"tooltip": {"mode": "single"}}
    dashboard["panels"][0]["fieldConfig"]["defaults"]["custom"] = {"stacking": {"mode": "normal"}}
    browser = Browser("page", dashboard=dashboard)
    script = """await module_page.dashboardPage(byId('app'), 'sample', module_theme.THEMES.dark);
      await settle(); charts[0].hover(); return tooltips();"""
    assert browser.run(script)[0].split()[-3:] == ["c", "9", "s"]


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
        ("/targets", ["1 of 2 targets are up, 1 down", "refused", "0 of 1 up", "4.50 s", "5s"]),
        (
            "/rules",
            ["1 alerts and 1 recordings", "firing", "It is down.", "many-to-many", "for 1m", "1 fail.",
             "page", "1, 2, 3 and 1 more", "up == 0", "Runbook"],
        ),
        (
            "/alerts",
            ["2 firing, 1 pending", "page", "silenced until", "by ann: disk is being changed",
             "sent to night", "not sent before it fires", 'node="rmq1"', "Runbook"],
        ),
        ("/runbooks", ["node-down", "other"]),
        ("/runbooks/node-down", ["NodeDown", "# not a heading", "Look. Again.", "Mend."]),
    ],
)  # fmt: skip
def test_list_pages_show_what_prometheus_says(path: str, words: list[str]) -> None:
    text = listed(path).run("return byId('app').textContent;")
    for word in words:
        assert word in text
    assert "long over" not in text


def listed(path: str, query: str = "") -> Browser:
    browser = Browser("page", "pages")
    browser.run(f"""location.pathname = {path!r};
      location.search = {query!r};
      await module_pages.listPage(byId('app'), {path!r}, module_theme.THEMES.dark);""")
    return browser


@pytest.mark.parametrize(
    ("path", "query", "there", "gone"),
    [
        ("/targets", "?q=slow", "https://slow:1", "https://h:1"),
        ("/targets", "?show=bad", "https://h:1", "https://slow:1"),
        ("/targets", "?q=nothing", "No target is like that.", "https://h:1"),
        ("/rules", "?show=bad", "many-to-many", "up == 0"),
        ("/rules", "?q=page", "up == 0", "many-to-many"),
        ("/alerts", "?show=loud", "rmq2", 'node="rmq1"   <'),
        ("/alerts", "?q=slow", "It is slow.", "It is down."),
        ("/runbooks", "?q=oth", "other", "node-down"),
    ],
)
def test_search_and_choice_narrow_a_page_and_stand_in_its_address(
    path: str, query: str, there: str, gone: str
) -> None:
    key, _, value = query[1:].partition("=")
    field = "input" if key == "q" else "select"
    browser = listed(path)
    script = f"""const field = byId('app').querySelectorAll('{field}')[0];
      field.value = {value!r}; field.dispatch('{"input" if key == "q" else "change"}'); await settle();
      return [byId('app').textContent, location.search];"""
    text, address = browser.run(script)
    assert there in text
    assert gone not in text
    assert address == query


def test_page_shows_what_was_sought_last_whichever_answer_comes_last() -> None:
    script = f"""{HOLD} hold('/targets'); const field = byId('app').querySelectorAll('input')[0];
      const seek = async (words) => {{ field.value = words; field.dispatch('input'); await settle(); }};
      await seek('slow'); await seek('nothing'); letGo(); await settle(); return byId('app').textContent;"""
    assert "No target is like that." in listed("/targets").run(script)


def test_thousands_of_alerts_at_once_do_not_stop_the_page() -> None:
    """Ten thousand queues behind one dead node, at the worst hour: it was minutes for each refresh."""
    script = """const whole = fetch;
      const numbers = Array.from({ length: 10000 }, (_, at) => at);
      const of = (at) => ({ alertname: 'Lag', severity: 'page', vhost: '/v', queue: `q${at}` });
      const firing = { annotations: {}, state: 'firing', value: '1', activeAt: '2026-01-01T00:00:00Z' };
      const sent = { receivers: [{ name: 'night' }], status: { silencedBy: [], inhibitedBy: [] } };
      const alerts = numbers.map((at) => ({ ...firing, labels: of(at) }));
      const known = numbers.map((at) => ({ ...sent, labels: { ...of(at), cluster: 'lab' } }));
      const answers = { '/v1/alerts': { status: 'success', data: { alerts } }, '/v2/alerts': known };
      fetch = (address) => { const body = answers[/[/]v.[/]alerts/.exec(address)?.[0]];
        const said = { ok: true, text: async () => JSON.stringify(body), json: async () => body };
        return body ? Promise.resolve(said) : whole(address); };
      const began = Date.now();
      await module_pages.listPage(byId('app'), '/alerts', module_theme.THEMES.dark);
      const page = byId('app');
      return [Date.now() - began, page.querySelectorAll('tr').length, page.textContent.slice(0, 3000)];"""
    took_ms, rows, text = Browser("page", "pages").run(script)
    assert took_ms < 3000
    assert rows < 600
    assert text.count("10000 firing") == 2, "of the page, and of the rule"
    assert "sent to night" in text


def test_alerts_page_goes_on_without_alertmanager_and_says_why() -> None:
    browser = Browser("page", "pages")
    script = """const whole = fetch;
      const gone = { ok: false, status: 502, json: async () => ({ error: 'cannot be reached' }) };
      fetch = (address) => (address.includes('/alertmanager/') ? Promise.resolve(gone) : whole(address));
      await module_pages.listPage(byId('app'), '/alerts', module_theme.THEMES.dark);
      return byId('app').textContent;"""
    text = browser.run(script)
    assert "Whether alerts are silenced is not known: cannot be reached" in text
    assert "2 firing, 1 pending" in text


def test_runbook_links_to_its_neighbours_and_to_nothing_else() -> None:
    browser = listed("/runbooks/node-down")
    script = "return byId('app').querySelectorAll('a').map((one) => one.attributes.href);"
    assert [href for href in browser.run(script) if "other" in href] == ["/runbooks/other"]


def test_rule_is_evaluated_on_request() -> None:
    script = """byId('app').querySelectorAll('.small')[0].dispatch('click'); await settle();
      return document.body.textContent;"""
    text = listed("/rules").run(script)
    assert 'queue="a.b"' in text
    assert "7" in text


@pytest.mark.parametrize("key", ["r", "t", "?", "/"])
def test_every_key_of_a_page_does_its_work(key: str) -> None:
    text = listed("/targets").run(f"press({key!r}); await settle(); return byId('app').textContent;")
    assert "1 of 2 targets are up" in text


def test_panel_takes_the_whole_page_and_gives_it_back(board: Browser) -> None:
    script = """const panel = () => byId('app').querySelectorAll('section')[1];
      document.activeElement = panel();
      press('v'); await settle();
      const seen = [[location.search.includes('viewPanel=1'), panel().classList.contains('solo')]];
      press('v'); await settle();
      seen.push([location.search.includes('viewPanel'), panel().classList.contains('solo')]);
      return seen;"""
    assert board.run(script) == [[True, True], [False, False]]


def test_way_back_leads_out_of_each_zoom_in_turn(board: Browser) -> None:
    script = """const seen = []; const mark = () => seen.push(location.search.replace(/&.*/, ''));
      charts[0].drag(); await settle(); mark(); press('z'); await settle(); mark();
      press('Escape'); await settle(); mark(); press('Escape'); await settle(); mark();
      press('Escape'); await settle(); mark(); return seen;"""
    zoomed, out, back, first, still = board.run(script)
    assert zoomed != out
    assert back == zoomed
    assert first == still == ""  # the address that the page was opened with


def test_inspector_shows_the_query_as_written_and_as_sent_and_what_came(board: Browser) -> None:
    script = """document.activeElement = byId('app').querySelectorAll('section')[0];
      press('i'); await settle(); return document.body.textContent;"""
    text = board.run(script)
    assert 'timeseries_metric{queue=~"(a\\\\.b|c)"}' in text
    assert 'timeseries_metric{queue=~"$queue"}' in text
    assert "2 series, a point every" in text
    assert "took" in text


def test_inspector_says_why_a_query_failed(board: Browser) -> None:
    script = """const all = byId('app').querySelectorAll('section');
      document.activeElement = all.find((one) => one.attributes['aria-label'] === 'Broken');
      press('i'); await settle(); return document.body.textContent;"""
    assert "parse error: unclosed" in board.run(script)


def test_choice_outlives_a_prometheus_that_is_away_and_the_page_mends_itself() -> None:
    browser = Browser("page", "pages")
    script = """location.search = '?var-queue=c'; const whole = fetch; let away = true;
      const gone = { ok: false, status: 503, text: async () => '{"status":"error","error":"is starting"}' };
      const isGone = (address) => away && address.includes('/prometheus/');
      fetch = (address) => (isGone(address) ? Promise.resolve(gone) : whole(address));
      await module_page.dashboardPage(byId('app'), 'sample', module_theme.THEMES.dark); await settle();
      const broken = [byId('app').textContent, location.search];
      away = false; press('r'); await settle(); await settle();
      const mended = byId('app').textContent; asked.length = 0; press('r'); await settle();
      away = true; press('r'); await settle(); away = false; press('r'); await settle();
      return [...broken, mended, asked.filter((one) => one.includes('query_range'))];"""
    broken, address, mended, queries = browser.run(script)
    assert broken.count("queue, fault: is starting") == 1
    assert "no values" in broken
    assert address == "?var-queue=c"
    assert "is starting" not in mended
    assert queries
    assert all("a\\\\.b" not in one for one in queries)


#: Later by more than the variables are asked again after; a choice of the queue `c`; an answer that is held.
LATER = "const clock = Date.now; Date.now = () => clock() + 31000;"
CHOOSE = """const inputs = byId('app').querySelectorAll('input');
      const boxes = inputs.filter((one) => one.attributes.type === 'checkbox');
      boxes[2].dispatch('change', { target: { checked: true } }); await settle();"""
HOLD = """const whole = fetch; let letGo = null;
      const hold = (part) => { fetch = (address) => (!letGo && decodeURIComponent(address).includes(part)
        ? new Promise((done) => { letGo = () => done(whole(address)); }) : whole(address)); };"""


def test_choice_is_kept_on_a_page_that_has_been_open_for_long(board: Browser) -> None:
    script = f"{LATER} press('r'); await settle(); {CHOOSE} return location.search;"
    assert board.run(script).endswith("var-queue=c")


def test_choice_outlives_a_zoom_to_a_time_when_there_was_nothing_to_choose(board: Browser) -> None:
    script = f"""{CHOOSE} await settle(); const whole = fetch; let before = true; let looked = 0;
      const nothing = {{ ok: true, status: 200, text: async () => '{{"status":"success","data":[]}}' }};
      const early = (address) => before && address.includes('/values?');
      fetch = (address) => (early(address) ? (looked += 1, Promise.resolve(nothing)) : whole(address));
      asked.length = 0; charts[0].drag(); await settle(); await settle();
      const [then, queries] = [location.search, asked.filter((one) => one.includes('timeseries_metric'))];
      before = false; press('Escape'); await settle(); await settle();
      return [looked, then, queries, location.search, byId('app').textContent];"""
    looked, then, queries, after, text = board.run(script)
    assert looked
    assert then == "?from=1010000&to=1110000&var-queue=c"
    assert queries
    assert all('{queue=~"c"}' in one for one in queries)
    assert after.endswith("var-queue=c")
    assert "no values" not in text


def test_choice_is_kept_that_is_made_while_the_variables_are_asked_again(board: Browser) -> None:
    script = f"""{LATER} {HOLD} hold('/values'); press('r'); await settle(); {CHOOSE}
      letGo(); await settle(); asked.length = 0; press('r'); await settle();
      return [location.search, asked.filter((one) => one.includes('timeseries_metric'))];"""
    address, queries = board.run(script)
    assert address.endswith("var-queue=c")
    assert queries
    assert all("a\\\\.b" not in one for one in queries)


@pytest.mark.parametrize(
    ("find", "act"),
    [
        ("legend()", "press('r');"),
        ("legend()", "legend().dispatch('click');"),
        ("byId('app').querySelectorAll('.marks')[0].children[0]", "was.dispatch('click');"),
        ("byId('app').querySelectorAll('th')[1].children[0]", "was.dispatch('click');"),
        ("byId('app').querySelectorAll('.row-head')[0].children[0]", "was.dispatch('click');"),
        ("byId('app').querySelectorAll('.multi-list')[0].querySelectorAll('input')[2]",
         "was.dispatch('change', { target: { checked: true } });"),
    ],
)  # fmt: skip
def test_keyboard_keeps_its_place_where_something_is_drawn_anew(board: Browser, find: str, act: str) -> None:
    script = f"""const find = () => {find}; const was = find(); was.focus(); {act} await settle();
      return [was === find(), document.activeElement === find()];"""
    assert board.run(script) == [False, True]


def test_list_that_escape_closes_gives_the_focus_to_what_opened_it(board: Browser) -> None:
    script = """const list = byId('app').querySelectorAll('.multi')[0];
      document.querySelector = (selector) => (selector.includes('dialog') ? null : list);
      list.setAttribute('open', ''); list.querySelectorAll('input')[1].focus(); press('Escape');
      return [list.getAttribute('open'), document.activeElement === list.querySelector('summary')];"""
    assert board.run(script) == [None, True]


def test_time_that_is_being_typed_outlives_a_new_queue(board: Browser) -> None:
    script = f"""{LATER} const whole = fetch; const times = () => byId('app').querySelectorAll('.times')[0];
      const said = {{ status: 'success', data: ['a.b', 'c', 'new'] }};
      const answer = {{ ok: true, text: async () => JSON.stringify(said) }};
      fetch = (address) => (address.includes('/values') ? Promise.resolve(answer) : whole(address));
      const was = times(); press('r'); await settle();
      return [was === times(), byId('app').querySelectorAll('.multi-list')[0].textContent];"""
    same, options = board.run(script)
    assert same
    assert "new" in options


#: A page that refreshes each five seconds, at a thousandth of that, and what it was that went wrong at first.
REFRESHING = """const real = setTimeout;
  setTimeout = (act, ms) => real(act, ms / 1000);
  location.search = '?refresh=5s';
  await module_page.dashboardPage(byId('app'), 'sample', module_theme.THEMES.dark);
  const count = () => asked.filter((one) => one.includes('query_range')).length;
  const later = (ms) => new Promise((done) => { real(done, ms); });
"""


def test_refreshing_goes_on_after_one_that_fails_and_says_that_it_did() -> None:
    script = f"""{REFRESHING}
      const told = Date.prototype.toLocaleTimeString;
      Date.prototype.toLocaleTimeString = () => {{ throw new Error('no such clock'); }};
      await later(100);
      const during = byId('app').textContent;
      Date.prototype.toLocaleTimeString = told;
      const before = count();
      await later(200);
      return [during, count() - before, byId('app').textContent];"""
    during, more, after = Browser("page", "pages").run(script)
    assert "This page could not be brought up to date: no such clock" in during
    assert more > 0
    assert "could not be brought up to date" not in after


def test_refreshing_goes_on_after_a_question_that_is_never_answered() -> None:
    script = f"""{REFRESHING}
      const answering = fetch;
      fetch = () => new Promise(() => {{}});
      await later(50);
      fetch = answering;
      const before = count();
      await later(400);
      return count() - before;"""
    assert Browser("page", "pages").run(script) > 0


#: How often a question that the browser breaks off is asked: static/ask.js.
TRIES = 5
#: A page of a list that is drawn anew every 15 seconds, at a thousandth of that.
LISTING = """const real = setTimeout;
  setTimeout = (act, ms) => real(act, ms / 1000);
  location.pathname = '/targets';
  await module_pages.listPage(byId('app'), '/targets', module_theme.THEMES.dark);
  let count = 0;
  const answering = fetch;
  const later = (ms) => new Promise((done) => { real(done, ms); });
"""


def test_a_page_is_asked_for_less_and_less_while_it_fails_and_as_before_afterwards() -> None:
    script = f"""{LISTING}
      fetch = () => {{ count += 1; return Promise.reject(new Error('gone')); }};
      await later(1000);
      const failed = count;
      count = 0;
      fetch = (address) => {{ count += 1; return answering(address); }};
      await later(1000);
      return [failed, count, byId('app').textContent];"""
    failed, after, text = Browser("page", "pages").run(script)
    # Sixty-six intervals passed. After 15, 30, 60 and so on up to 240 each, seven draws fall into them.
    assert 2 <= failed / TRIES <= 8
    assert after > 12
    assert "gone" not in text


def test_a_page_that_takes_longer_than_its_interval_is_not_asked_for_twice_at_once() -> None:
    script = f"""{LISTING}
      let under = 0; let most = 0;
      fetch = async (address) => {{ count += 1; under += 1; most = Math.max(most, under); await later(40);
        under -= 1; return answering(address); }};
      await later(600);
      return [count, most];"""
    asked, most = Browser("page", "pages").run(script)
    assert asked > 1
    assert most == 1


def test_a_page_goes_on_after_a_question_that_is_never_answered() -> None:
    script = f"""{LISTING}
      fetch = () => new Promise(() => {{}});
      await later(30);
      fetch = (address) => {{ count += 1; return answering(address); }};
      await later(600);
      return count;"""
    assert Browser("page", "pages").run(script) > 0


def test_what_took_long_is_given_as_much_room(modules: Any) -> None:
    pauses = [modules.call("pages", "pauseS", *each) for each in ((0, 0), (40, 0), (0, 1), (0, 2), (0, 60))]
    assert pauses == [15, 40, 30, 60, 240]


def test_panels_that_cannot_be_drawn_anew_say_so_and_leave_the_others_alone(board: Browser) -> None:
    script = """const draw = uPlot.prototype.draw;
      const flip = byId('app').querySelectorAll('button').find((one) => one.textContent === '◐');
      const text = () => byId('app').textContent.split('no canvas').length - 1;
      uPlot.prototype.draw = () => { throw new Error('no canvas'); };
      flip.dispatch('click');
      const said = text();
      uPlot.prototype.draw = draw;
      flip.dispatch('click');
      return [said, text(), charts.length];"""
    drawn = board.run("return charts.length;")
    said, after, _ = board.run(script)
    assert (said, after) == (drawn, 0)


def test_panel_whose_picture_cannot_end_is_drawn_at_the_next_refresh(board: Browser) -> None:
    script = """const destroy = uPlot.prototype.destroy;
      uPlot.prototype.destroy = () => { throw new Error('not now'); };
      for (const act of listeners.keydown) act({ key: 't', target: new Node('p'), preventDefault() {} });
      uPlot.prototype.destroy = destroy;
      for (const act of listeners.keydown) act({ key: 'r', target: new Node('p'), preventDefault() {} });
      await settle(); await settle();
      return byId('app').textContent;"""
    assert "not now" not in board.run(script)


def test_marks_of_a_range_that_was_left_do_not_come_after_those_of_the_present_one(board: Browser) -> None:
    script = f"""{HOLD} hold('fault_active'); press('['); await settle(); press('['); await settle();
      letGo(); await settle(); charts[0].cursor.idx = 0; charts[0].hover(); return tooltips();"""
    assert "fault" in board.run(script)[0]


def test_marks_can_be_switched_off_and_are_not_asked_for_then(board: Browser) -> None:
    script = """const asks = () => asked.filter((one) => one.includes('fault_active')).length;
      const before = asks(); press('r'); await settle(); const on = asks();
      byId('app').querySelectorAll('.marks')[0].children[0].dispatch('click'); await settle();
      press('r'); await settle(); return [before < on, on === asks()];"""
    assert board.run(script) == [True, True]


def test_links_of_values_and_panels_stay_on_this_server_and_take_time_and_variables_along() -> None:
    answers = json.loads((HERE / "answers.json").read_text(encoding="utf-8"))
    dashboard = answers["/api/dashboards/sample"]["dashboard"]
    link = {"title": "Queue", "url": "/d/queue?var-queue=${__field.labels.queue}&${__url_time_range}"}
    row = {"title": "Row", "url": "/d/queue?var-queue=${__data.fields.queue}&${queue:queryparam}"}
    for panel in dashboard["panels"]:
        if "fieldConfig" in panel:
            panel["fieldConfig"]["defaults"]["links"] = [row if panel["type"] == "table" else link]
    dashboard["panels"][0]["links"] = [
        {"title": "Runbook", "url": "https://git/x/docs/runbooks/node-down.md"},
        {"title": "Elsewhere", "url": "https://elsewhere/"},
        {"title": "Load", "url": "/d/load", "keepTime": True, "includeVars": True},
    ]
    browser = Browser("page", dashboard=dashboard)
    browser.run(
        "await module_page.dashboardPage(byId('app'), 'sample', module_theme.THEMES.dark); await settle();"
    )
    script = """const main = byId('app').querySelectorAll('main')[0];
      return main.querySelectorAll('a').map((a) => a.attributes.href);"""
    links = set(browser.run(script))
    assert links == {
        "/d/queue?var-queue=a.b&from=now-15m&to=now",
        "/d/queue?var-queue=c&from=now-15m&to=now",
        "/d/queue?var-queue=a.b&var-queue=%24__all",
        "/runbooks/node-down",
        "/d/load?from=now-15m&to=now&var-queue=%24__all",
    }  # fmt: skip
    assert "https://elsewhere/" in browser.run("return byId('app').textContent;")


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
