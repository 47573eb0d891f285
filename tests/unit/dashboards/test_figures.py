"""Expressions that are more than a sum, over made-up series: what they say, and what they must not."""

from __future__ import annotations

from pathlib import Path

from dashboards.figures import budget_left
from dashboards.gaps import confirm_gap
from dashboards.marks import FAULTS, every
from dashboards.mend import Json, annotation
from dashboards.present import still_there
from dashboards.queries import LOAD, TERM, answers, elections, most, total_rate
from dashboards.resolve import resolve
from loadgen import names as load

from .promtool import check, needs_promtool

VALUES = {"job": "rabbitmq", "cluster": "w", "profile": ".+", "run": ".+"}
RUN = 'cluster="w",job="load",profile="work",run_id="r"'
CONFIRMED = f"{load.CONFIRMED}{{{RUN}}}"


def made(expr: str) -> str:
    return resolve(expr, VALUES)


def marks() -> dict[str, Json]:
    return {mark["name"]: mark for mark in every()}


def test_the_same_is_marked_on_every_board(dashboards_json: list[Json]) -> None:
    for dashboard in dashboards_json:
        assert dashboard["annotations"]["list"][-6:] == [annotation(each) for each in every()]
    assert list(marks()) == [
        "Fault", "Node unreachable", "Critical alert firing", "Alert firing", "Node started", "Load run",
    ]  # fmt: skip


@needs_promtool
def test_a_node_that_answers_one_job_of_several_answers(tmp_path: Path) -> None:
    series = {
        'up{cluster="w",job="rabbitmq",node="a"}': "1x200",
        'up{cluster="w",job="rabbitmq",node="b"}': "0x200",
        'up{cluster="w",job="rabbitmq-memory",node="b"}': "1x200",
        'up{cluster="w",job="exporter"}': "0x200",
        'up{cluster="other",job="rabbitmq",node="a"}': "0x200",
    }
    check(tmp_path, made(answers()), series, [('{cluster="w",node="a"}', 1), ('{cluster="w",node="b"}', 0)])
    unreachable = made(marks()["Node unreachable"]["expr"])
    check(tmp_path, unreachable, series, [('{cluster="w",node="a"}', 0), ('{cluster="w",node="b"}', 1)])


@needs_promtool
def test_a_fault_is_marked_while_it_is_in_force_and_no_longer(tmp_path: Path) -> None:
    series = {
        'warren_fault_active{cluster="w",job="exporter",fault="kill",target="a"}': "0x20 1x40 0x200",
    }
    check(tmp_path, made(FAULTS), series, [('{fault="kill",target="a"}', 1)], at="2m30s")
    check(tmp_path, made(FAULTS), series, [], at="10m")
    check(tmp_path, made(f"{FAULTS} + 1"), series, [('{fault="kill",target="a"}', 2)], at="2m30s")
    check(tmp_path, made(FAULTS), {"other": "1x200"}, [])


@needs_promtool
def test_a_start_is_marked_with_its_version(tmp_path: Path) -> None:
    build = 'rabbitmq_build_info{cluster="w",job="rabbitmq",node="a",rabbitmq_version="4.3.6"}'
    series = {
        build: "1x200",
        'rabbitmq_erlang_uptime_seconds{cluster="w",job="rabbitmq",node="a"}': "0+5x200",
    }
    started = made(marks()["Node started"]["expr"])
    check(tmp_path, started, series, [(build, 1)], at="20s")
    check(tmp_path, started, series, [], at="35s")


@needs_promtool
def test_alerts_are_marked_once_each_by_how_grave_they_are(tmp_path: Path) -> None:
    grave = 'ALERTS{alertname="A",alertstate="firing",cluster="w",severity="critical"}'
    other = 'ALERTS{alertname="B",alertstate="firing",cluster="w",severity="warning"}'
    pending = 'ALERTS{alertname="C",alertstate="pending",cluster="w",severity="critical"}'
    series = {grave: "1x200", other: "1x200", pending: "1x200"}
    check(tmp_path, made(marks()["Critical alert firing"]["expr"]), series, [(grave, 1)])
    check(tmp_path, made(marks()["Alert firing"]["expr"]), series, [(other, 1)])


@needs_promtool
def test_a_run_is_marked_while_it_is_scraped(tmp_path: Path) -> None:
    series = {f"{load.PUBLISHED}{{{RUN}}}": "0+10x20 stale"}
    run = made(marks()["Load run"]["expr"])
    check(tmp_path, run, series, [('{profile="work",run_id="r"}', 1)], at="1m")
    check(tmp_path, run, series, [], at="3m")


@needs_promtool
def test_a_figure_ends_with_what_it_is_of(tmp_path: Path) -> None:
    """A query for one moment stands here for the last point of a range, where both are the same."""
    sent = made(still_there(total_rate(load.PUBLISHED, LOAD)))
    lasting = {f"{load.PUBLISHED}{{{RUN}}}": "0+50x200"}
    ended = {f"{load.PUBLISHED}{{{RUN}}}": "0+50x60 stale"}
    check(tmp_path, sent, lasting, [("{}", 10)], at="10m")
    check(tmp_path, sent, ended, [("{}", 10)], at="5m")
    check(tmp_path, sent, ended, [], at="10m")


@needs_promtool
def test_of_several_figures_those_that_are_still_there_stay(tmp_path: Path) -> None:
    series = {'m{node="a"}': "1x200", 'm{node="b"}': "2x60 stale"}
    check(tmp_path, made(still_there("m")), series, [('m{node="a"}', 1)], at="10m")


@needs_promtool
def test_gap_in_confirms_grows_from_the_last_confirm_and_falls_with_the_next(tmp_path: Path) -> None:
    labels = '{profile="work",run_id="r"}'
    series = {CONFIRMED: "0+10x60 600x20 610+10x60"}  # still for 100 s, from 5 min on
    gap = made(confirm_gap())
    check(tmp_path, gap, series, [(labels, 0)], at="4m")
    check(tmp_path, gap, series, [(labels, 60)], at="6m")
    check(tmp_path, gap, series, [(labels, 0)], at="8m")


@needs_promtool
def test_gap_beyond_five_minutes_stays_there_and_a_young_run_has_none(tmp_path: Path) -> None:
    series = {CONFIRMED: "0+10x20 200x180"}
    check(tmp_path, made(confirm_gap()), series, [('{profile="work",run_id="r"}', 300)], at="14m")
    check(tmp_path, made(confirm_gap()), {CONFIRMED: "0x20"}, [], at="5s")
    check(tmp_path, made(confirm_gap()), {CONFIRMED: "0+10x20 stale"}, [], at="4m")


@needs_promtool
def test_elections_are_counted_from_the_beginning_of_the_range(tmp_path: Path) -> None:
    labels = 'cluster="w",vhost="/",queue="q"'
    series = {f"{TERM}{{{labels}}}": "3x60 4x30 6x200"}
    check(tmp_path, made(elections()), series, [(f"{{{labels}}}", 3)], at="10m")


@needs_promtool
def test_most_keeps_those_that_came_highest_even_where_they_are_low_now(tmp_path: Path) -> None:
    queues = {f'm{{vhost="/",queue="q{number:02}"}}': f"{number}x200" for number in range(25)}
    series = {**queues, 'm{vhost="/",queue="peak"}': "0x50 1000x5 0x200"}
    check(tmp_path, made(f"count({most('m')})"), series, [("{}", 20)])
    check(tmp_path, made(f"({most('m')}) == 0"), series, [('m{vhost="/",queue="peak"}', 0)])


@needs_promtool
def test_budget_is_spent_by_what_was_not_kept(tmp_path: Path) -> None:
    promised = {'warren_objective_share{cluster="w",objective="lag"}': "0.9x200"}
    kept = {"kept": "0.95x200"}
    rounded = f"round({made(budget_left('kept', 'lag'))}, 0.001)"
    check(tmp_path, rounded, {**kept, **promised}, [("{}", 0.5)])
    check(tmp_path, rounded, kept, [("{}", -4)])  # 0.99 where the topology promises nothing
    check(tmp_path, rounded, {"kept": "1x200"}, [("{}", 1)])
