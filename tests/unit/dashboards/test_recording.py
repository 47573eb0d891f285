"""What is recorded for the boards, and the scrape configuration that it and they rest on."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import promql_parser
import pytest
import yaml

from dashboards.house import Board
from dashboards.mend import Json
from dashboards.resolve import resolve

from .test_promql import BROKER, VALUES, matchers, queries, recorded, rules, selectors

#: What each endpoint serves; families tell the rest of /metrics/detailed.
_PREFIX = {
    "/metrics": ("erlang_vm_", "rabbitmq_"),
    "/metrics/detailed": ("rabbitmq_detailed_",),
    "/metrics/memory-breakdown": ("rabbitmq_memory_", "rabbitmq_build_info", "rabbitmq_identity_info"),
}


@pytest.fixture(scope="module")
def jobs(checkout_root: Path) -> dict[str, Json]:
    """The committed scrape configuration by job."""
    text = (checkout_root / "deploy/generated/prometheus/prometheus.yml").read_text()
    return {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}


def test_every_job_of_the_broker_keeps_other_metrics(jobs: dict[str, Json]) -> None:
    """So that a selector may say the job's name by a variable and no figure is counted twice."""
    broker = {name: job for name, job in jobs.items() if name.startswith("rabbitmq")}
    names_served = BROKER.read_text().split()
    kept: dict[str, str] = {}
    for name, job in broker.items():
        for metric in names_served:
            if metric.startswith(_PREFIX[job["metrics_path"]]) and _keeps(job, metric):
                shared = "rabbitmq-queues" in (name, kept.get(metric)) and "_queue_" in metric
                assert metric not in kept or shared, f"{metric} is kept by {kept[metric]} and {name}"
                kept.setdefault(metric, name)


def _keeps(job: Json, metric: str) -> bool:
    if job["metrics_path"] == "/metrics" and metric.startswith(("rabbitmq_detailed_", "rabbitmq_memory_")):
        return False
    for rule in job["metric_relabel_configs"]:
        if bool(re.fullmatch(rule["regex"], metric)) != (rule["action"] == "keep"):
            return False
    return True


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed; cluster tests run it"
)
def test_rules_record_what_they_say(checkout_root: Path) -> None:
    folder = checkout_root / "dashboards" / "recording"
    tests = sorted(path.name for path in folder.glob("*_test.yml"))
    done = subprocess.run(
        ["promtool", "test", "rules", *tests], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("SUCCESS") == len(tests)


def test_what_is_scraped_seldom_or_of_thousands_of_series_is_recorded(
    all_boards: tuple[Board, ...],
) -> None:
    """`$__rate_interval` is four scrapes of the quickest job, which is less than two of a seldom one."""
    for where, expr in queries(all_boards):
        for selector in selectors(promql_parser.parse(resolve(expr, VALUES))):
            assert not selector.name.startswith(("rabbitmq_detailed_queue_", "rabbitmq_detailed_raft_")), (
                where
            )
    for where, expr in queries(all_boards):
        assert not re.search(r"rate\((?:rabbitmq_memory_|erlang_vm_allocators)", expr), where


def of_boards(root: Path) -> list[tuple[str, Json]]:
    """What is recorded for panels; the objectives' errors are for alerts, and have their own tests."""
    return [(where, rule) for where, rule in recorded(root) if not rule["record"].startswith("warren:")]


def test_queue_counters_are_summed_over_nodes(checkout_root: Path) -> None:
    for where, rule in of_boards(checkout_root):
        if "rabbitmq_detailed_queue_" in rule["expr"]:
            assert rule["expr"].startswith("sum by (cluster, vhost, queue) ("), where


def test_every_recorded_rule_parses_names_its_job_and_is_called_as_it_groups(
    checkout_root: Path, jobs: dict[str, Json]
) -> None:
    for where, rule in of_boards(checkout_root):
        level, metric, operation = rule["record"].split(":")
        assert metric.startswith("rabbitmq_detailed_"), where
        assert operation in {"rate", "deriv", "max"}, where
        assert re.search(rf"by \({', '.join(level.split('_'))}\)", rule["expr"]), rule["record"]
        for selector in selectors(promql_parser.parse(rule["expr"])):
            assert selector.name in BROKER.read_text().split(), f"{where}: {selector.name}"
            assert _keeps(jobs[matchers(selector)["job"]], selector.name), f"{where}: {selector.name}"


def test_recorded_windows_hold_four_scrapes(checkout_root: Path, jobs: dict[str, Json]) -> None:
    for where, rule in of_boards(checkout_root):
        for job, window in re.findall(r'job="([\w-]+)"[^}]*\}\[(\w+)\]', rule["expr"]):
            interval_s = int(str(jobs[job].get("scrape_interval", "5s")).removesuffix("s"))
            assert {"20s": 20, "1m": 60}[window] >= 4 * interval_s, f"{where}: {rule['record']}"


def test_every_record_is_asked_for_and_every_record_asked_for_is_made(
    all_boards: tuple[Board, ...], checkout_root: Path
) -> None:
    asked = {
        selector.name
        for _, expr in queries(all_boards)
        for selector in selectors(promql_parser.parse(resolve(expr, VALUES)))
        if ":" in selector.name
    }
    alerts = " ".join(rule["expr"] for _, rule in rules(checkout_root))
    made = {rule["record"] for _, rule in of_boards(checkout_root)}
    assert asked <= made
    assert {each for each in made if each not in asked and each not in alerts} == set()


def test_every_record_has_a_test(checkout_root: Path) -> None:
    folder = checkout_root / "dashboards" / "recording"
    for where, rule in of_boards(checkout_root):
        assert rule["record"] in (folder / f"{where}_test.yml").read_text(), rule["record"]


def test_panels_of_single_queues_draw_no_more_lines_than_can_be_told_apart(
    all_boards: tuple[Board, ...],
) -> None:
    for board in all_boards:
        for panel in board.panels:
            for query in panel.queries:
                if not query.instant and "{{queue}}" in query.legend and "objective" not in query.legend:
                    assert "and on (" in query.expr, panel.title
                    assert "topk(20, max_over_time((" in query.expr, panel.title
                    assert "@ end()" in query.expr, panel.title
