"""Every panel's query over a live Prometheus, while the profiles run: no error, and nothing empty."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dashboards import build, timing
from dashboards.house import Board
from dashboards.resolve import resolve
from warren import rules
from warren.errors import BadInputError

from .conftest import ClusterUnderTest
from .provoking import docker

#: Rates need four scrapes of five seconds, or of fifteen where recorded; the slowest jobs ask once a minute.
_DEADLINE_S = 120.0
PROFILES = {"work": "100", "retry": "20", "priority": "30"}


@pytest.fixture
def profiles(cluster: ClusterUnderTest, tmp_path: Path) -> Iterator[dict[str, Path]]:
    """Every profile running at a low rate for longer than the test; their output by profile."""
    outputs = {profile: tmp_path / f"{profile}.log" for profile in PROFILES}
    children = [
        cluster.start(
            ["load", "run", profile, "--rate", rate, "--duration", f"{_DEADLINE_S + 30:g}s", "--purge"],
            output=outputs[profile],
        )
        for profile, rate in PROFILES.items()
    ]
    yield outputs
    for _ in range(2):  # the second skips the drain, which takes as long as the retry ladder
        for child in children:
            child.send_signal(signal.SIGINT)
        time.sleep(2)
    for child in children:
        try:
            child.wait(timeout=60)
        except subprocess.TimeoutExpired:
            child.kill()
    cluster.purge()


def faults(cluster: ClusterUnderTest, boards: tuple[Board, ...]) -> list[str]:
    """One line for each query that Prometheus refuses or that finds nothing."""
    values = timing.everything(cluster.topology)
    found = []
    for board in boards:
        for panel in board.panels:
            for query in panel.queries:
                where = f"{board.uid}: {panel.title}: {query.expr}"
                try:
                    samples = cluster.prometheus(resolve(query.expr, values))
                except BadInputError as error:
                    found.append(f"{where}: {error.what}")
                    continue
                if not samples and not query.may_be_empty:
                    found.append(f"{where}: nothing found")
    return found


def test_every_panel_shows_something_while_the_profiles_run(
    cluster: ClusterUnderTest, profiles: dict[str, Path]
) -> None:
    boards = build.boards()
    last = ["never asked"]

    def whole() -> bool:
        nonlocal last
        last = faults(cluster, boards)
        return not last

    try:
        cluster.wait_for(whole, "every panel to show something", _DEADLINE_S)
    except Exception as error:
        logs = "\n".join(f"{name}: {path.read_text()[-500:]}" for name, path in profiles.items())
        raise AssertionError("\n".join([*last, logs])) from error


def test_every_variable_offers_a_choice(cluster: ClusterUnderTest, profiles: dict[str, Path]) -> None:
    """Each is a label_values() of a metric; the metric must be there with that label."""

    def empty() -> list[str]:
        found = []
        for board in build.boards():
            for variable in board.variables:
                inner = variable.query.removeprefix("label_values(").removesuffix(")")
                selector, _, label = inner.rpartition(", ")
                values = {"cluster": cluster.topology.cluster, "job": ".+", "vhost": ".+", "profile": ".+"}
                samples = cluster.prometheus(resolve(selector, values))
                if not any(sample.labels.get(label) for sample in samples):
                    found.append(f"{board.uid}: ${variable.name}")
        return found

    cluster.wait_for(lambda: not empty(), "every variable to offer something", _DEADLINE_S)


def test_no_metric_of_the_boards_is_kept_by_two_jobs(cluster: ClusterUnderTest) -> None:
    """So that a figure is not counted twice where the reader has chosen all jobs."""
    kept = '{__name__=~"rabbitmq_.+|erlang_.+",job=~"rabbitmq.*"}'
    twice = cluster.prometheus(f"count by (__name__) (count by (__name__, job) ({kept})) > 1")
    assert [sample.labels["__name__"] for sample in twice] == []


def test_every_rule_is_loaded_and_healthy(cluster: ClusterUnderTest) -> None:
    def loaded() -> list[dict[str, str]]:
        groups = cluster.context.prometheus.get("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    shipped = [
        rule.get("alert", rule.get("record"))
        for path in rules.files()
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]
    assert set(shipped) <= {rule["name"] for rule in loaded()}
    # Each is evaluated within the longest interval of a group.
    cluster.wait_for(lambda: {rule["health"] for rule in loaded()} == {"ok"}, "every rule to be well", 60)


def test_prometheus_reaches_alertmanager(cluster: ClusterUnderTest) -> None:
    active = cluster.context.prometheus.get("alertmanagers")["activeAlertmanagers"]
    assert [each["url"].split("/")[0] for each in active] == ["https:"]
    cluster.wait_for(
        lambda: cluster.prometheus("sum(rate(prometheus_notifications_errors_total[1m]))")[0].value == 0,
        "alerts to be taken without an error",
        60,
    )


def image_of(cluster: ClusterUnderTest, service: str) -> str:
    name = f"{cluster.topology.cluster}-{service}"
    return docker(cluster, "container", "inspect", "--format", "{{.Image}}", name).strip()


@pytest.mark.parametrize("folder", ["recording", "rules"])
def test_rules_pass_their_own_tests_in_the_prometheus_that_runs_them(
    cluster: ClusterUnderTest, checkout_root: Path, folder: str
) -> None:
    root = checkout_root / "dashboards"
    tests = sorted(path.name for path in (root / folder).glob("*_test.yml"))
    done = subprocess.run(
        [
            cluster.runtime.engine.docker, "run", "--rm", "--network", "none",
            "--volume", f"{root}:/dashboards:ro", "--workdir", f"/dashboards/{folder}",
            "--entrypoint", "/bin/promtool", image_of(cluster, "prometheus"), "test", "rules", *tests,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("SUCCESS") == len(tests)


def test_alertmanager_runs_what_amtool_takes_and_routes_by_severity(cluster: ClusterUnderTest) -> None:
    name, path = f"{cluster.topology.cluster}-alertmanager", "/etc/alertmanager/alertmanager.yml"
    assert "SUCCESS" in docker(cluster, "exec", name, "/bin/amtool", "check-config", path)
    for severity in ("critical", "warning", "info"):
        routes = docker(
            cluster, "exec", name, "/bin/amtool", "config", "routes", "test", f"--config.file={path}",
            f"--verify.receivers={severity}", "alertname=WarrenNodeDown", f"severity={severity}",
        )  # fmt: skip
        assert severity in routes.split()
