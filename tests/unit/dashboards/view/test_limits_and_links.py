"""What a page leaves out and says so, and where its links may lead."""

from __future__ import annotations

import json
from typing import Any

import pytest


def series(count: int, ref: str = "A") -> list[dict[str, Any]]:
    return [{"name": f"q{at}", "refId": ref, "times": [0, 10], "values": [at, None]} for at in range(count)]


def test_highest_series_are_kept_in_their_order_and_the_rest_is_said(modules: Any) -> None:
    made = modules.call("limits", "bounded", series(340), 100, "timeseries")
    assert [one["name"] for one in made["series"]] == [f"q{at}" for at in range(240, 340)]
    assert made["said"] == "100 of 340 series, the highest"


def test_nothing_is_said_where_nothing_is_left_out(modules: Any) -> None:
    made = modules.call("limits", "bounded", series(100), 100, "timeseries")
    assert (len(made["series"]), made["said"]) == (100, None)


def test_limits_drawn_beside_values_do_not_push_those_out(modules: Any) -> None:
    high = [{**one, "values": [10**6, 10**6]} for one in series(150, "B")]
    made = modules.call("limits", "bounded", series(150) + high, 100, "timeseries")
    assert [one["refId"] for one in made["series"]].count("A") == 50


def test_states_that_changed_are_kept_before_those_that_did_not(modules: Any) -> None:
    quiet = [{"name": str(at), "refId": "A", "values": [9, 9, 9]} for at in range(5)]
    restless = {"name": "x", "refId": "A", "values": [1, 0, 1]}
    made = modules.call("limits", "bounded", [*quiet, restless], 2, "state-timeline")
    assert [one["name"] for one in made["series"]] == ["0", "x"]
    assert "changed most" in made["said"]


@pytest.mark.parametrize(
    ("kind", "width", "height", "most"),
    [
        ("stat", 640, 100, 10),
        ("stat", 100, 240, 10),
        ("state-timeline", 600, 206, 10),
        ("table", 600, 176, 100),
    ],
)
def test_so_many_are_drawn_as_can_be_told_apart(
    modules: Any, kind: str, width: int, height: int, most: int
) -> None:
    panel = {"type": kind, "options": {}}
    assert modules.call("limits", "mostSeries", panel, {"width": width, "height": height}) == most


def test_heat_map_keeps_all_its_rows(modules: Any) -> None:
    call = "module_limits.mostSeries({type: 'heatmap', options: {}}, {width: 1, height: 1}) === Infinity"
    assert modules.evaluate(call)


@pytest.mark.parametrize(
    ("most_ms", "gap_is_bridged"), [(20000, True), (29000, False), (False, False), (None, False)]
)
def test_short_gaps_are_joined_and_long_ones_are_not(
    modules: Any, most_ms: Any, gap_is_bridged: bool
) -> None:
    """Three samples 30 s apart at most, on a grid of 10 s: `spanNulls` is in milliseconds."""
    entry = {"times": [0, 10, 20, 30], "values": [1, None, 3 if most_ms == 20000 else None, 4]}
    entry["config"] = {"custom": {"spanNulls": most_ms}}
    script = f"module_timeseries.bridged({json.dumps(entry)}).map((one) => one === undefined)"
    assert modules.evaluate(script) == [False, gap_is_bridged, False, False]


def test_joined_gaps_reach_the_chart_as_no_gap_and_others_as_one(modules: Any) -> None:
    script = """(() => { const one = { times: [0, 1, 2], values: [1, undefined, null] };
      const { columns } = module_frames.align([one]);
      return columns[0].map((one) => one === undefined ? "joined" : one); })()"""
    assert modules.evaluate(script) == [1, "joined", None]


@pytest.mark.parametrize(
    ("values", "alone"),
    [
        ("[1, null, 2, null, 3]", True),
        ("[1, undefined, 2, undefined, 3]", False),
        ("[null, 1, 2, null]", False),
        ("[1, null, null, undefined]", True),
    ],
)
def test_points_stand_in_only_where_no_line_joins_them(modules: Any, values: str, alone: bool) -> None:
    assert modules.evaluate(f"module_timeseries.lonely({{data: [[], {values}]}}, 1)") is alone


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/d/warren-queues?var-queue=a", "/d/warren-queues?var-queue=a"),
        ("d/warren-queues", "/d/warren-queues"),
        ("docs/runbooks/node-down.md", "/runbooks/node-down"),
        ("https://git.example/w/blob/main/docs/runbooks/node-down.md", "/runbooks/node-down"),
        ("/alerts", "/alerts"),
        ("/runbooks/x", "/runbooks/x"),
        ("//evil.example/d/x", None),
        ("/\\evil.example", None),
        ("https://evil.example/d/x", None),
        ("javascript:alert(1)", None),
        ("/api/settings", None),
        ("", None),
    ],
)
def test_only_what_this_server_has_can_be_followed(modules: Any, address: str, path: str | None) -> None:
    assert modules.call("links", "pathOf", address) == path


VARIABLES = [
    {"name": "datasource", "type": "datasource", "value": "prometheus", "options": []},
    {"name": "queue", "type": "query", "value": ["a b", "c"], "options": ["a b", "c"], "multi": True},
    {"name": "node", "type": "query", "value": "$__all", "options": ["n"], "allValue": ".+"},
]
ABOUT = {
    "field": {"name": "x", "labels": {"queue": "a/b?&"}},
    "value": {"raw": 5},
    "data": {"fields": {"Queue name": "q#1", "0": "first"}},
    "series": {"name": "x"},
}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("/d/q?var-queue=${__field.labels.queue}", "/d/q?var-queue=a%2Fb%3F%26"),
        ('/d/q?x=${__data.fields["Queue name"]}', "/d/q?x=q%231"),
        ("/d/q?x=${__data.fields[0]}&y=${__value.raw}", "/d/q?x=first&y=5"),
        ("/d/q?${queue:queryparam}&${__url_time_range}", "/d/q?var-queue=a%20b&var-queue=c&from=1&to=2"),
        ("/d/q?${__all_variables}", "/d/q?var-queue=a%20b&var-queue=c&var-node=%24__all"),
        ("/d/q?n=$node", "/d/q?n=.%2B"),
        ("/d/q?x=${__field.labels.none}", "/d/q?x="),
    ],
)
def test_link_is_filled_in_and_encoded(modules: Any, url: str, address: str) -> None:
    place = {"variables": VARIABLES, "range": "from=1&to=2"}
    made = modules.call("links", "linksOf", [{"title": "$queue", "url": url}], place, ABOUT)
    assert made == [{"title": "a b + c", "text": address, "href": address}]


def test_value_with_a_template_in_it_is_not_filled_in_again(modules: Any) -> None:
    about = {"field": {"labels": {"queue": "$queue ${node}"}}}
    link = {"title": "t", "url": "/d/q?x=${__field.labels.queue}"}
    made = modules.call("links", "linksOf", [link], {"variables": VARIABLES, "range": ""}, about)
    assert made[0]["href"] == "/d/q?x=%24queue%20%24%7Bnode%7D"


def test_report_has_no_server_and_so_no_links(modules: Any) -> None:
    assert modules.call("links", "linksOf", [{"title": "t", "url": "/d/q"}], None) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (61, "1 min"), (3600, "1 h"), (5460, "1 h 31 min"), (90000, "1 d 1 h")],
)
def test_time_that_passed_is_said_as_people_say_it(modules: Any, seconds: float, text: str) -> None:
    assert modules.call("listing", "lasting", seconds) == text


ALERT = {"state": "firing", "labels": {"alertname": "A", "queue": "q"}}
OTHER = {**ALERT, "labels": {"alertname": "B"}}


def held(status: dict[str, Any]) -> dict[str, Any]:
    labels = {"alertname": "A", "queue": "q", "cluster": "lab"}
    full = {"silencedBy": [], "inhibitedBy": [], **status}
    return {"labels": labels, "status": full, "receivers": [{"name": "night"}]}


def more(alert: dict[str, Any]) -> dict[str, Any]:
    """Another alert of the same rule, which says more: of one consumer of the queue."""
    return {**alert, "labels": {**alert["labels"], "consumer": "c"}}


@pytest.mark.parametrize(
    ("alert", "manager", "kind"),
    [
        (ALERT, {"known": True, "alerts": [held({})], "silences": []}, "sent"),
        (ALERT, {"known": True, "alerts": [held({"silencedBy": ["gone"]})], "silences": []}, "silenced"),
        (ALERT, {"known": True, "alerts": [held({"inhibitedBy": ["x"]})], "silences": []}, "inhibited"),
        (ALERT, {"known": True, "alerts": [], "silences": []}, "missing"),
        (ALERT, {"known": True, "alerts": [more(held({"silencedBy": ["x"]})), held({})], "silences": []},
         "sent"),
        (OTHER, {"known": True, "alerts": [held({})], "silences": []}, "missing"),
        (ALERT, {"known": False, "alerts": [], "silences": []}, "unknown"),
        ({**ALERT, "state": "pending"}, {"known": True, "alerts": [held({})], "silences": []}, "pending"),
    ],
)  # fmt: skip
def test_who_hears_an_alert_follows_from_alertmanager(
    modules: Any, alert: dict[str, Any], manager: dict[str, Any], kind: str
) -> None:
    assert modules.call("alerts", "heard", alert, manager)["kind"] == kind
