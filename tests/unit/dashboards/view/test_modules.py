"""The renderer without a page: variables, queries, series, tables, overrides, layout."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dashboards.view.assets import STATIC
from dashboards.view.bundle import bundle

MULTI = {"name": "queue", "multi": True, "includeAll": True, "allValue": "", "options": ["a.b", "c"]}


def interpolate(modules: Any, variables: list[dict[str, Any]], text: str) -> str:
    call = (
        f"module_interpolate.interpolator({json.dumps(variables)}, {{__interval: '15s'}})({json.dumps(text)})"
    )
    return str(modules.evaluate(call))


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        (["a.b"], 'up{queue=~"$queue"}', 'up{queue=~"a\\\\.b"}'),
        (["a.b", "c"], 'up{queue=~"$queue"}', 'up{queue=~"(a\\\\.b|c)"}'),
        ("$__all", 'up{queue=~"${queue}"}', 'up{queue=~"(a\\\\.b|c)"}'),
        (["a.b", "c"], "${queue:csv}", "a.b,c"),
        (["a.b", "c"], "${queue:pipe}", "a.b|c"),
        (["a.b"], "${queue:regex}", "a\\.b"),
        (["c"], "[[queue]] $__interval $unknown", "c 15s $unknown"),
    ],
)
def test_variable_goes_into_a_query_as_in_grafana(modules: Any, value: Any, text: str, expected: str) -> None:
    assert interpolate(modules, [{**MULTI, "value": value}], text) == expected


def test_all_value_goes_in_unescaped(modules: Any) -> None:
    assert interpolate(modules, [{**MULTI, "allValue": ".+", "value": "$__all"}], '"$queue"') == '".+"'


def test_single_value_keeps_its_dots_and_escapes_quotes(modules: Any) -> None:
    single = {"name": "vhost", "multi": False, "includeAll": False, "options": [], "value": '/or"ders.x'}
    assert interpolate(modules, [single], '"$vhost"') == '"/or\\"ders.x"'


def test_rate_interval_is_at_least_four_scrapes(modules: Any) -> None:
    built = modules.call("interpolate", "queryBuiltins", {"from": 0, "to": 3600, "stepS": 5, "scrapeS": 15})
    assert built["__rate_interval"] == "1m"
    assert built["__range_s"] == "3600"
    wide = modules.call("interpolate", "queryBuiltins", {"from": 0, "to": 3600, "stepS": 300, "scrapeS": 15})
    assert wide["__rate_interval"] == "315s"


def test_query_never_asks_for_more_points_than_prometheus_gives(modules: Any) -> None:
    scope = {"from": 0, "to": 30 * 86400, "points": 1000, "scrapeS": 15, "variables": []}
    plan = modules.call("query", "targetPlan", {"interval": "1s"}, {"maxDataPoints": 10**6}, scope)
    assert 30 * 86400 / plan["stepS"] <= 11000


@pytest.mark.parametrize(
    ("text", "path", "match"),
    [
        ("label_values(up, job)", "label/job/values", "up"),
        ('label_values(up{a="x,y"}, job)', "label/job/values", 'up{a="x,y"}'),
        ("label_values(job)", "label/job/values", None),
        ("label_names(up)", "labels", "up"),
        ('up{job="x"}', "series", 'up{job="x"}'),
    ],
)
def test_variable_query_becomes_an_api_request(modules: Any, text: str, path: str, match: str | None) -> None:
    request = modules.call("variables", "variableRequest", text, {"from": 1, "to": 2})
    assert request["path"] == path
    assert request["params"].get("match[]") == match


def test_variable_regex_takes_its_group_and_sorts(modules: Any) -> None:
    definition = {"regex": "/^q-(.*)$/", "sort": 1}
    assert modules.call("variables", "refineOptions", ["q-b", "x", "q-a"], definition) == ["a", "b"]


def test_value_asked_for_is_used_only_where_it_is_an_option(modules: Any) -> None:
    variable = {"options": ["a", "b"], "multi": True, "includeAll": True, "free": False}
    assert modules.call("variables", "chooseValue", variable, ["b", "gone"], None) == ["b"]
    assert modules.call("variables", "chooseValue", variable, ["gone"], ["a"]) == ["a"]
    assert modules.call("variables", "chooseValue", variable, None, None) == "$__all"


MATRIX = {
    "resultType": "matrix",
    "grid": {"start": 0, "end": 40, "step": 10},
    "result": [{"metric": {"__name__": "up", "job": "a"}, "values": [[0, "1"], [10, "NaN"], [40, "3"]]}],
}


def test_missing_samples_are_gaps(modules: Any) -> None:
    series = modules.call("frames", "toSeries", {"refId": "A", "legendFormat": "{{job}}"}, MATRIX)
    assert series[0]["name"] == "a"
    assert series[0]["times"] == [0, 10, 20, 30, 40]
    assert series[0]["values"] == [1, None, None, None, 3]


def test_series_of_different_steps_share_one_axis(modules: Any) -> None:
    joined = modules.call(
        "frames", "align", [{"times": [0, 10], "values": [1, 2]}, {"times": [0, 5], "values": [3, 4]}]
    )
    assert joined["times"] == [0, 5, 10]


def test_automatic_legend_is_the_label_that_differs(modules: Any) -> None:
    result = [
        {"metric": {"__name__": "up", "job": "x", "queue": name}, "values": [[0, "1"]]} for name in "ab"
    ]
    series = modules.call("frames", "toSeries", {"refId": "A"}, {"resultType": "matrix", "result": result})
    assert [one["name"] for one in series] == ["a", "b"]


def test_merge_joins_rows_that_agree_in_their_labels(modules: Any) -> None:
    def vector(value: str) -> dict[str, Any]:
        return {"resultType": "vector", "result": [{"metric": {"queue": "q"}, "value": [5, value]}]}

    tables = [
        modules.call("frames", "toTable", {"refId": ref}, vector(value), True)
        for ref, value in (("A", "1"), ("B", "2"))
    ]
    steps = [
        {"id": "merge"},
        {
            "id": "organize",
            "options": {"excludeByName": {"Time": True}, "renameByName": {"Value #A": "Ready"}},
        },
        {"id": "groupBy"},
    ]
    made = modules.call("transforms", "transform", tables, steps)
    assert [field["name"] for field in made["tables"][0]["fields"]] == ["queue", "Ready", "Value #B"]
    assert made["tables"][0]["rows"] == [["q", 1, 2]]
    assert made["unknown"] == ["groupBy"]


def test_sorting_puts_missing_values_last_either_way(modules: Any) -> None:
    table = {"fields": [{"name": "n"}], "rows": [[None], [2], [10]]}
    assert modules.call("transforms", "sortTable", table, "n", True)["rows"] == [[10], [2], [None]]
    assert modules.call("transforms", "sortTable", table, "n", False)["rows"] == [[2], [10], [None]]


def test_later_override_wins_and_leaves_the_defaults_alone(modules: Any) -> None:
    config = {
        "defaults": {"unit": "short", "custom": {"lineWidth": 1}},
        "overrides": [
            {
                "matcher": {"id": "byRegexp", "options": "/^obj/"},
                "properties": [{"id": "unit", "value": "s"}],
            },
            {
                "matcher": {"id": "byName", "options": "objective"},
                "properties": [
                    {"id": "custom.lineStyle", "value": {"fill": "dash"}},
                    {"id": "unit", "value": "ms"},
                ],
            },
        ],
    }
    applied = modules.call("fields", "fieldConfigOf", config, {"name": "objective"})
    assert applied == {"unit": "ms", "custom": {"lineWidth": 1, "lineStyle": {"fill": "dash"}}}
    assert modules.call("fields", "fieldConfigOf", config, {"name": "x"})["unit"] == "short"


def test_override_does_not_leak_into_the_panel_for_the_next_series(modules: Any) -> None:
    config = {
        "defaults": {"custom": {}},
        "overrides": [
            {
                "matcher": {"id": "byName", "options": "a"},
                "properties": [{"id": "custom.lineWidth", "value": 9}],
            }
        ],
    }
    script = f"""((config) => {{ module_fields.fieldConfigOf(config, {{name: "a"}});
      return module_fields.fieldConfigOf(config, {{name: "b"}}); }})({json.dumps(config)})"""
    assert modules.evaluate(script) == {"custom": {}}


@pytest.mark.parametrize("steps", [None, "", []])
def test_empty_thresholds_of_grafanalib_are_none(modules: Any, steps: Any) -> None:
    assert modules.call("fields", "thresholdSteps", {"mode": "absolute", "steps": steps}) == []


def test_mapping_gives_text_and_colour(modules: Any) -> None:
    config = {"mappings": [{"type": "value", "options": {"0": {"text": "down", "color": "#ff0000"}}}]}
    shown = modules.evaluate(f"module_fields.displayValue(0, {json.dumps(config)}, module_theme.THEMES.dark)")
    assert (shown["text"], shown["color"]) == ("down", "#ff0000")


@pytest.mark.parametrize(
    ("reducer", "expected"),
    [
        ("lastNotNull", 3),
        ("max", 5),
        ("min", 1),
        ("mean", 3),
        ("sum", 9),
        ("count", 4),
        ("delta", 7),
        ("range", 4),
    ],
)
def test_reducers_skip_what_is_missing(modules: Any, reducer: str, expected: float) -> None:
    assert modules.call("reduce", "reduce", [1, 5, None, 3], reducer) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", 1000000),
        ("now-15m", 999100),
        ("now-1h+5m", 996700),
        ("1795329104862", 1795329104.862),
        ("soon", None),
    ],
)
def test_times_are_read_as_grafana_writes_them(modules: Any, text: str, expected: float | None) -> None:
    assert modules.call("time", "parseTime", text, 1000000) == expected


def test_colours_stay_with_their_names_when_a_series_appears(modules: Any) -> None:
    script = """(() => { const color = module_theme.paletteByName(); const dark = module_theme.THEMES.dark;
      const before = ["b", "c"].map((name) => color(name, dark));
      const after = ["a", "b", "c"].map((name) => color(name, dark)); return [before, after.slice(1)]; })()"""
    before, after = modules.evaluate(script)
    assert before == after


def test_queue_has_one_colour_in_all_panels_and_no_other_series_takes_it(modules: Any) -> None:
    script = """(() => { const dark = module_theme.THEMES.dark; const shared = module_theme.paletteByName();
      const one = module_theme.panelColors(["q1", "q2"].map((name) => ({name, named: true})), shared, dark);
      const own = [{name: "limit"}, {name: "goal"}];
      const two = module_theme.panelColors([...own, {name: "q2", named: true}], shared, dark);
      return [one.get("q2"), ...["q2", "limit", "goal"].map((name) => two.get(name))]; })()"""
    first, second, *others = modules.evaluate(script)
    assert first == second
    assert second not in others


def panel(number: int, x: int, y: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "type": "stat", "title": "$q", "gridPos": {"x": x, "y": y, "w": 12, "h": 4}, **more}


def test_collapsed_row_brings_its_panels_and_leaves_no_hole(modules: Any) -> None:
    row = {
        "id": 9,
        "type": "row",
        "title": "r",
        "collapsed": True,
        "panels": [panel(2, 0, 50)],
        "gridPos": {"y": 4},
    }
    sections = modules.call("dashboard", "sectionsOf", {"panels": [panel(1, 0, 0), row]})
    assert [len(section["panels"]) for section in sections] == [1, 1]
    assert sections[1]["panels"][0]["gridPos"]["y"] == 0


def test_repeated_panel_moves_those_below_it(modules: Any) -> None:
    sections = modules.call(
        "dashboard", "sectionsOf", {"panels": [panel(1, 0, 0, repeat="q", maxPerRow=2), panel(2, 0, 4)]}
    )
    variables = [{"name": "q", "value": ["a", "b", "c"], "options": ["a", "b", "c"], "multi": True}]
    shown = modules.call("dashboard", "expandRepeats", sections, variables)[0]["panels"]
    assert [one["gridPos"]["y"] for one in shown] == [0, 0, 4, 8]
    assert modules.call("dashboard", "titleOf", shown[1], variables) == "b"


@pytest.mark.parametrize("name", ["pay$$", "a$&b", "$1", "plain"])
def test_queue_is_called_by_its_name_whatever_is_in_it(modules: Any, name: str) -> None:
    for template in ("${__field.name}", "${__series.name}", "${__field.displayName}"):
        assert modules.call("fields", "displayNameOf", {"name": name}, {"displayName": template}) == name


def test_range_of_nothing_is_not_nought(modules: Any) -> None:
    assert modules.call("reduce", "reduce", [None, None], "range") is None
    assert modules.call("reduce", "reduce", [3, None, 5], "range") == 2


def test_stacked_series_add_up_from_below(modules: Any) -> None:
    entry = {"config": {"custom": {"stacking": {"mode": "normal"}}}}
    made = modules.call("stack", "stack", [entry, entry], [[1, None], [2, 3]])
    assert made["columns"] == [[1, 0], [3, 3]]
    assert made["bands"] == [{"series": [2, 1]}]


@pytest.mark.parametrize("mode", ["normal", "percent"])
def test_stack_of_which_nothing_is_known_is_a_gap_and_not_nought(modules: Any, mode: str) -> None:
    """As in Grafana; a missed scrape must not read as if all queues were empty."""
    entry = {"config": {"custom": {"stacking": {"mode": mode}}}}
    made = modules.call("stack", "stack", [entry, entry], [[2, None, 0], [2, None, None]])
    whole = 4 if mode == "normal" else 1
    assert made["columns"] == [[whole / 2, None, 0], [whole, None, 0]]


def test_annotation_runs_end_at_a_gap(modules: Any) -> None:
    result = [{"metric": {"node": "rmq2"}, "values": [[0, "1"], [10, "1"], [20, "0"], [50, "1"]]}]
    definition = {"name": "Faults", "titleFormat": "kill {{node}}", "iconColor": "red"}
    marks = modules.call("annotations", "marksOf", result, definition, 10)
    assert [(mark["from"], mark["to"], mark["text"]) for mark in marks] == [
        (0, 10, "kill rmq2"),
        (50, 50, "kill rmq2"),
    ]


def test_query_of_an_annotation_is_read_in_both_forms_that_grafana_knows(modules: Any) -> None:
    entries = [
        {"name": "new", "target": {"expr": "a", "interval": "5s"}},
        {"name": "old", "expr": "b", "step": "10s"},
        {"name": "Annotations & Alerts", "builtIn": 1},
    ]
    made = modules.call("annotations", "definitionsOf", {"annotations": {"list": entries}})
    assert [(one["expr"], one["step"]) for one in made] == [("a", "5s"), ("b", "10s")]


def test_marks_of_one_text_that_overlap_become_one(modules: Any) -> None:
    marks = [
        {"from": at, "to": to, "text": text}
        for at, to, text in ((0, 9, "a"), (5, 20, "a"), (6, 7, "b"), (30, 40, "a"))
    ]
    made = modules.call("annotations", "joined", marks)
    assert [(one["text"], one["from"], one["to"]) for one in made] == [
        ("b", 6, 7),
        ("a", 0, 20),
        ("a", 30, 40),
    ]


def test_bands_of_one_colour_are_filled_once_where_they_overlap(modules: Any) -> None:
    spans = [(0, 10, "red"), (2, 4, "red"), (3, 20, "blue"), (8, 30, "red"), (40, 41, "red")]
    placed = [{"mark": {"color": color}, "left": left, "right": right} for left, right, color in spans]
    made = modules.call("paint", "united", placed)
    assert [(one["color"], one["left"], one["right"]) for one in made] == [
        ("red", 0, 30),
        ("blue", 3, 20),
        ("red", 40, 41),
    ]


def test_tooltip_names_a_few_marks_and_counts_the_rest(modules: Any) -> None:
    marks = [{"text": f"alert {at}"} for at in (1, 1, 2, 3, 4, 5, 6)]
    assert modules.call("timeseries", "marksText", marks)[-1] == "and 2 more marks"
    assert modules.call("timeseries", "marksText", marks[:2]) == ["alert 1"]


def test_old_last_value_is_known_to_be_old(modules: Any) -> None:
    times = [at * 10 for at in range(20)]
    values = [1] * 5 + [None] * 15
    assert modules.call("values", "ageOf", {"times": times, "values": values}, "lastNotNull") == 150
    assert modules.call("values", "ageOf", {"times": times, "values": values}, "max") is None
    assert modules.call("values", "ageOf", {"times": times, "values": [1] * 20}, "lastNotNull") is None
    assert modules.call("values", "ageOf", {"times": [190], "values": [1]}, "lastNotNull") is None


def test_heatmap_buckets_are_counts_of_their_own(modules: Any) -> None:
    series = [
        {"name": le, "labels": {"le": le}, "times": [0], "values": [count]}
        for le, count in (("+Inf", 9), ("0.1", 2), ("1", 5))
    ]
    assert [bucket["values"] for bucket in modules.call("heatmap", "bucketsOf", series)] == [[2], [3], [4]]


def test_linear_axis_shows_zero_when_it_is_near_and_keeps_hard_bounds(modules: Any) -> None:
    assert modules.call("axes", "linearRange", 10, 100, {})[0] == 0
    assert modules.call("axes", "linearRange", 1000, 1010, {})[0] > 900
    assert modules.call("axes", "linearRange", 10, 100, {"min": 5, "max": 50}) == [5, 50]
    assert modules.call("axes", "linearRange", None, None, {}) == [0, 1.1]


@pytest.mark.parametrize("name", sorted(path.stem for path in STATIC.glob("*.js")))
def test_module_is_short_and_keeps_to_the_dialect_that_can_be_joined(name: str) -> None:
    assert len((STATIC / f"{name}.js").read_text(encoding="utf-8").splitlines()) <= 300
    assert f"const module_{name} = " in bundle((STATIC,), name)


def test_no_module_writes_markup_or_evaluates_text() -> None:
    banned = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://(?!www\.w3\.org)"
    )
    for path in STATIC.glob("*.js"):
        assert not banned.search(path.read_text(encoding="utf-8")), path.name


def test_figure_of_one_moment_has_its_value_and_no_past(modules: Any) -> None:
    """What asks for the end of the time range alone: no value of before can be taken for it."""
    asked = {"refId": "A", "legendFormat": "sent"}
    (found,) = modules.call(
        "frames", "toSeries", asked, {"resultType": "vector", "result": [{"metric": {}, "value": [100, "7"]}]}
    )
    assert (found["name"], found["values"], found["times"]) == ("sent", [7], [100])
    assert modules.call("reduce", "reduce", found["values"], "lastNotNull") == 7
    assert modules.call("values", "ageOf", found, "lastNotNull") is None
    assert modules.call("frames", "toSeries", asked, {"resultType": "vector", "result": []}) == []


def test_figure_over_a_range_is_asked_at_the_same_end_as_its_line(modules: Any) -> None:
    """`@ end()` and ``$__interval`` of a panel are those of the grid that its answer is drawn on."""
    scope = {"from": 0, "to": 3601, "points": 700, "scrapeS": 5, "variables": []}
    plan = modules.call("query", "targetPlan", {"expr": "m"}, {}, scope)
    assert plan["builtins"]["__interval"] == f"{plan['stepS']}s"
