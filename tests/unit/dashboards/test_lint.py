"""The rules of Grafana's dashboard-linter that apply to Prometheus boards, and some it does not have.

Three of its rules are replaced by stricter ones of our own (`test_promql`). Every selector names its job, by
the variable ``job``, by what follows it for the broker's further jobs, or as it is called; ``job=~"$job"``
alone in all of them would mix the series of several jobs. Instances are chosen by the label ``node``. Its two
rules for LogQL have nothing to apply to.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboards import links
from dashboards.house import Board
from dashboards.mend import Json
from dashboards.present import is_still_there, still_there
from dashboards.queries import MOST_LINES

from .conftest import panels_of

Panels = list[tuple[str, Json]]


def variables(dashboard: Json) -> dict[str, Json]:
    return {each["name"]: each for each in dashboard["templating"]["list"]}


def test_template_datasource_rule(dashboards_json: list[Json]) -> None:
    for dashboard in dashboards_json:
        datasource = variables(dashboard)["datasource"]
        assert (datasource["type"], datasource["query"]) == ("datasource", "prometheus")
        assert dashboard["templating"]["list"][0] is datasource


def test_template_job_rule(dashboards_json: list[Json]) -> None:
    """A job of another name can be chosen. Not All at first: `up` and the like are there of every job."""
    for dashboard in dashboards_json:
        job = variables(dashboard)["job"]
        assert (job["type"], job["label"], job["multi"], job["allValue"]) == ("query", "Job", True, ".+")
        assert job["query"]["query"] == "label_values(rabbitmq_build_info, job)"
        assert job["current"]["value"] == ["rabbitmq"]
        assert [each["name"] for each in dashboard["templating"]["list"]][:3] == [
            "datasource",
            "job",
            "cluster",
        ]


def test_no_figure_of_two_clusters_is_added_up(dashboards_json: list[Json]) -> None:
    for dashboard in dashboards_json:
        cluster = variables(dashboard)["cluster"]
        assert (cluster["multi"], cluster["includeAll"]) == (False, False)


def test_template_label_promql_rule(dashboards_json: list[Json]) -> None:
    for dashboard in dashboards_json:
        for variable in variables(dashboard).values():
            if variable["type"] == "query":
                assert variable["query"]["query"].startswith("label_values(")
                assert variable["datasource"]["uid"] == "${datasource}"


def test_template_on_time_change_reload_rule(dashboards_json: list[Json]) -> None:
    for dashboard in dashboards_json:
        for variable in variables(dashboard).values():
            if variable["type"] == "query":
                assert variable["refresh"] == 2


def test_template_multi_choices_take_anything(dashboards_json: list[Json]) -> None:
    for dashboard in dashboards_json:
        for variable in variables(dashboard).values():
            if variable["multi"]:
                assert (variable["includeAll"], variable["allValue"]) == (True, ".+")
                assert variable["current"]["value"] == ["rabbitmq" if variable["name"] == "job" else "$__all"]


def test_panel_datasource_rule(panels: Panels) -> None:
    for where, panel in panels:
        for holder in (panel, *panel["targets"]):
            assert holder["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, where


def test_panel_title_description_rule(panels: Panels) -> None:
    for where, panel in panels:
        assert panel["title"], where
        assert panel["description"].endswith("."), where


def test_panel_description_says_what_is_good_or_what_to_do(panels: Panels) -> None:
    for where, panel in panels:
        assert "Good:" in panel["description"] or "Sort" in panel["description"], where


def test_panel_units_rule(panels: Panels) -> None:
    known = {"none", "short", "ops", "mps", "s", "bytes", "decbytes", "Bps", "percentunit"}
    for where, panel in panels:
        assert panel["fieldConfig"]["defaults"]["unit"] in known, where


def stale(panels: Panels) -> list[str]:
    """Panels of one large figure that would show a figure of before where there is none any more."""
    return [
        where
        for where, panel in panels
        if panel["type"] in ("stat", "gauge", "bargauge")
        for target in panel["targets"]
        if not target["instant"] and not is_still_there(target["expr"])
    ]


def test_no_figure_is_of_a_time_that_is_over(panels: Panels) -> None:
    assert stale(panels) == []
    assert {panel["type"] for _, panel in panels} & {"stat", "gauge", "bargauge"}


@pytest.mark.parametrize("kind", ["stat", "gauge", "bargauge"])
@pytest.mark.parametrize(
    "expr", ["sum(a)", "sum(a) and last_over_time((sum(a))[5m:5s])", still_there("a") + " or b"]
)
def test_figure_that_would_be_of_a_time_that_is_over_is_caught(kind: str, expr: str) -> None:
    assert stale([("here", {"type": kind, "targets": [{"instant": False, "expr": expr}]})]) == ["here"]


def test_no_figure_is_0_where_nothing_is_known(panels: Panels) -> None:
    """``count(x > y) or vector(0)`` is 0 without x, too. Only of alerts that fire is there rightly none."""
    for where, panel in panels:
        for target in panel["targets"]:
            assert "or vector(0)" not in target["expr"] or "ALERTS" in target["expr"], where


def test_share_is_drawn_beside_the_whole(panels: Panels) -> None:
    """Else a share of one percent, alone in its panel, reaches up to the top of it."""
    shares = [
        panel["fieldConfig"]["defaults"]
        for _, panel in panels
        if panel["type"] == "timeseries" and panel["fieldConfig"]["defaults"]["unit"] == "percentunit"
    ]
    assert len(shares) > 5
    assert all(each["custom"]["axisSoftMax"] == 1 for each in shares)


def test_figures_that_are_coloured_apart_are_there(panels: Panels) -> None:
    found = 0
    for where, panel in panels:
        if panel["type"] == "stat":
            legends = [target["legendFormat"] for target in panel["targets"]]
            for each in panel["fieldConfig"]["overrides"]:
                assert each["matcher"]["options"] in legends, where
                found += 1
    assert found > 2


def test_panel_no_targets_rule(panels: Panels) -> None:
    for where, panel in panels:
        assert panel["targets"], where
        refs = [target["refId"] for target in panel["targets"]]
        assert refs == sorted(set(refs)), where


def test_uneditable_dashboard_rule(dashboards_json: list[Json]) -> None:
    for dashboard in dashboards_json:
        assert dashboard["editable"] is False


def test_legends_can_be_read_by_a_person(panels: Panels) -> None:
    for where, panel in panels:
        if panel["type"] != "table":
            for target in panel["targets"]:
                assert target["legendFormat"] not in ("", "__auto"), where


def test_titles_are_unique_within_a_board(dashboards_json: list[Json]) -> None:
    for dashboard in dashboards_json:
        titles = [panel["title"] for panel in panels_of(dashboard)]
        assert len(titles) == len(set(titles))


def test_every_queue_leads_to_its_own_figures(panels: Panels) -> None:
    """A line by its labels, a row by its columns; with the time range, the cluster and that queue alone."""
    for where, panel in panels:
        legends = " ".join(target["legendFormat"] for target in panel["targets"])
        if panel["type"] == "timeseries" and "{{queue}}" in legends:
            (link,) = panel["fieldConfig"]["defaults"]["links"]
            assert link["url"] == (
                "/d/warren-queues?${__url_time_range}&var-cluster=${cluster}"
                "&var-vhost=${__field.labels.vhost:percentencode}"
                "&var-queue=${__field.labels.queue:percentencode}"
            ), where
        overrides = {each["matcher"]["options"]: each for each in panel["fieldConfig"]["overrides"]}
        if panel["type"] == "table" and "vhost" in str(panel["targets"]):
            (links,) = [each for each in overrides["Queue"]["properties"] if each["id"] == "links"]
            assert '${__data.fields["Queue"]:percentencode}' in links["value"][0]["url"], where
            assert '${__data.fields["Virtual host"]:percentencode}' in links["value"][0]["url"], where


def test_lines_of_queues_are_the_highest_and_no_more(panels: Panels) -> None:
    """A thousand queues must be no thousand lines."""
    limited = 0
    for where, panel in panels:
        for target in panel["targets"]:
            if not target["instant"] and "{{queue}}" in target["legendFormat"]:
                assert f"topk({MOST_LINES}, " in target["expr"], where
                limited += 1
    assert limited > 20


def test_the_board_of_queues_has_the_choices_that_links_set(dashboards_json: list[Json]) -> None:
    board = next(each for each in dashboards_json if each["uid"] == links.QUEUES)
    assert {"cluster", "vhost", "queue"} <= variables(board).keys()


def test_a_query_that_may_be_empty_says_why(all_boards: tuple[Board, ...]) -> None:
    for board in all_boards:
        for panel in board.panels:
            reasons = [query.may_be_empty for query in panel.queries]
            off = all(reason.startswith("off by default") for reason in reasons)
            assert "" in reasons or off, f"{panel.title}: a panel must always have something to show"
            assert all(reason == "" or len(reason) > 20 for reason in reasons)


def test_runbooks_named_in_descriptions_are_there(panels: Panels, checkout_root: Path) -> None:
    for where, panel in panels:
        for word in panel["description"].replace(";", " ").split():
            if word.startswith("docs/runbooks/"):
                assert (checkout_root / word.rstrip(".,:")).is_file(), f"{where}: {word}"
