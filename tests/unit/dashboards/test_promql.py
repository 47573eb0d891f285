"""Every query and every rule parses, names its job, and asks for metrics that are there.

Not so strict for what Prometheus says of every scrape (``scrape_…``), which is asked of all jobs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from dashboards.house import Board
from dashboards.mend import Json
from dashboards.resolve import resolve
from exporters import names
from loadgen import names as load
from warren.errors import BadInputError

VALUES = {
    **dict.fromkeys(("cluster", "node", "vhost", "queue", "profile", "run"), ".+"),
    "job": "rabbitmq",
}
#: Jobs of the scrape configuration, where a selector leaves the reader no choice of it.
FIXED_JOBS = {"exporter", "probe", "drift", "load", "exporter|probe|drift"}
#: Names that a live 4.3.6 and Prometheus itself serve and that boards or rules use.
BROKER = Path(__file__).parent / "broker_metrics.txt"
OWN = {
    *(metric.name for metric in names.ALL),
    *(f"{metric.name}_bucket" for metric in names.ALL if metric.kind == "histogram"),
    *load.COUNTERS,
    *load.GAUGES,
    load.CLIENT_CPU,
    *(f"{histogram}_bucket" for histogram in load.HISTOGRAMS),
    "warren_objective_lag_seconds",
    "warren_objective_depth",
    "warren_objective_share",
    "warren_objective_end_to_end_seconds",
    "warren_failed_queue_info",
    "warren_links",
    "ALERTS",
    "up",
}
#: What rules make, which has no job.
MADE = ("ALERTS", "warren_objective_", "cluster_")
#: Of Prometheus and Alertmanager themselves, as the lab's versions serve them (3.5.3 and 0.33.1).
PROMETHEUS = {
    "prometheus_rule_evaluation_failures_total",
    "prometheus_rule_group_iterations_missed_total",
    "prometheus_config_last_reload_successful",
    "prometheus_notifications_errors_total",
    "prometheus_notifications_dropped_total",
    "prometheus_notifications_alertmanagers_discovered",
    "prometheus_remote_storage_queue_highest_sent_timestamp_seconds",
    "prometheus_remote_storage_samples_failed_total",
    "alertmanager_config_last_reload_successful",
    "alertmanager_notifications_failed_total",
}
WITHOUT_JOB = (
    *MADE,
    "warren:",
    "warren_failed_queue_",
    "warren_links",
    "warren_queue_",
    "warren_connections",
    "warren_vhost_",
    "warren_exporter_",
    "warren_tls_",
    "warren_canary_",
    "warren_drift_",
    "rabbitmq_detailed_",
)


def selectors(node: Any) -> Iterator[Any]:
    """Every vector selector below a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("vector_selector", "expr", "lhs", "rhs", "param"):
        child = getattr(node, name, None)
        if child is not None and not isinstance(child, str):
            yield from selectors(child)
    for child in getattr(node, "args", None) or ():
        yield from selectors(child)


def matchers(selector: Any) -> dict[str, str]:
    return {matcher.name: matcher.value for matcher in selector.matchers.matchers}


def rule_files(root: Path, folder: str = "rules") -> list[Path]:
    return sorted(path for path in (root / "dashboards" / folder).glob("*.yml") if "_test" not in path.stem)


def rules(root: Path, folder: str = "rules") -> list[tuple[str, Json]]:
    return [
        (path.stem, rule)
        for path in rule_files(root, folder)
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


def recorded(root: Path) -> list[tuple[str, Json]]:
    """(file, rule) of everything that is recorded."""
    return rules(root, "recording")


def queries(boards: tuple[Board, ...]) -> Iterator[tuple[str, str]]:
    for board in boards:
        for panel in board.panels:
            for query in panel.queries:
                yield f"{board.uid}: {panel.title}", query.expr


@pytest.fixture(scope="module")
def known(checkout_root: Path) -> set[str]:
    made = {rule["record"] for _, rule in recorded(checkout_root)}
    return OWN | made | PROMETHEUS | set(BROKER.read_text().split())


def test_every_panel_query_parses(all_boards: tuple[Board, ...]) -> None:
    for where, expr in queries(all_boards):
        assert promql_parser.parse(resolve(expr, VALUES)), where


def test_every_panel_selector_names_its_job_and_its_cluster(all_boards: tuple[Board, ...]) -> None:
    """The broker's jobs by the variable and what follows it, so that a job of another name can be chosen."""
    chosen = {"$job", "($job)-memory", "($job)-allocators", "($job)-streams"}
    unchanged = {name: f"${name}" for name in VALUES}
    for where, expr in queries(all_boards):
        for selector in selectors(promql_parser.parse(resolve(expr, unchanged))):
            named = matchers(selector)
            assert "cluster" in named, f"{where}: {selector.name}"
            if selector.name.startswith(MADE):
                assert "job" not in named, f"{where}: {selector.name}"
            elif selector.name.startswith("scrape_"):
                assert named["job"] == ".+", where
            else:
                assert named.get("job") in chosen | FIXED_JOBS, f"{where}: {selector.name}"


def test_every_panel_metric_is_served_by_somebody(all_boards: tuple[Board, ...], known: set[str]) -> None:
    for where, expr in queries(all_boards):
        for selector in selectors(promql_parser.parse(resolve(expr, VALUES))):
            assert selector.name in known, f"{where}: {selector.name}"


def test_counters_are_only_read_as_rates(all_boards: tuple[Board, ...]) -> None:
    """But for what a whole run counts, and the streams' errors since boot, which are meant as they are."""
    for where, expr in queries(all_boards):
        for metric in re.findall(r"(?<!rate\()\b(\w+_(?:total|bucket))\{", expr):
            assert metric in load.COUNTERS or "since boot" in where, f"{where}: {metric}"


def test_rates_use_the_window_that_follows_the_scrape(all_boards: tuple[Board, ...]) -> None:
    for where, expr in queries(all_boards):
        assert set(re.findall(r"rate\([^\[]*\[([^\]]*)\]", expr)) <= {"$__rate_interval"}, where


def test_a_variable_without_a_value_is_named() -> None:
    with pytest.raises(BadInputError, match=r"\$node has no value"):
        resolve('up{node=~"$node"}', {})


def test_every_rule_parses_and_its_metrics_are_served(checkout_root: Path, known: set[str]) -> None:
    shipped = [*rules(checkout_root), *rules(checkout_root, "recording")]
    assert len(shipped) >= 60
    for where, rule in shipped:
        found = list(selectors(promql_parser.parse(rule["expr"])))
        assert found, where
        for selector in found:
            assert selector.name in known, f"{where}: {selector.name}"
            if not selector.name.startswith(WITHOUT_JOB):
                assert "job" in matchers(selector), f"{where}: {selector.name}"


def test_grouping_by_queue_never_forgets_the_virtual_host(
    all_boards: tuple[Board, ...], checkout_root: Path
) -> None:
    shipped = [*rules(checkout_root), *rules(checkout_root, "recording")]
    expressions = [*queries(all_boards), *((where, rule["expr"]) for where, rule in shipped)]
    for where, expr in expressions:
        for labels in re.findall(r"(?:by|on) \(([^)]*)\)", expr):
            assert "queue" not in labels or "vhost" in labels, where


def test_every_alert_is_complete(checkout_root: Path) -> None:
    for where, rule in rules(checkout_root):
        assert rule["alert"].startswith("Warren"), where
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), where
        assert rule["annotations"]["summary"].endswith("."), where
        assert "{{" not in rule["annotations"]["summary"], where
        assert "{{" in rule["annotations"]["description"], where
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{where}.md"


def test_every_alert_has_a_test_and_a_runbook_and_neither_is_left_over(checkout_root: Path) -> None:
    stems = {path.stem for path in rule_files(checkout_root)}
    folder = checkout_root / "dashboards" / "rules"
    assert {path.stem.removesuffix("_test") for path in folder.glob("*_test.yml")} == stems
    assert {path.stem for path in (checkout_root / "docs" / "runbooks").glob("*.md")} == stems


def test_every_runbook_tells_what_it_means_and_what_to_do(checkout_root: Path) -> None:
    alerts = {where: rule["alert"] for where, rule in rules(checkout_root)}
    for path in (checkout_root / "docs" / "runbooks").glob("*.md"):
        text = path.read_text()
        assert text.startswith(f"# {alerts[path.stem]}\n")
        for heading in ("## What it means", "## Impact", "## Diagnosis", "## What to do"):
            assert heading in text, path


def test_inhibitions_name_alerts_that_exist(checkout_root: Path) -> None:
    text = (checkout_root / "ansible/roles/alertmanager/templates/alertmanager.yml.j2").read_text()
    named = set(re.findall(r"Warren[A-Z]\w+", text))
    assert named
    assert named <= {rule["alert"] for _, rule in rules(checkout_root)}
