"""Rules run as they are shipped, or with one scale on their times and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from warren import render, rules
from warren.errors import BadInputError
from warren.promql_windows import windows
from warren.rules import Pace
from warren.topology import Topology

S, M = 1_000, 60_000
RULE = """# Why.
groups:
  - name: g
    interval: 2m
    rules:
      - alert: A
        expr: rate(x{job="slow"}[5m]) + rate(y{job="fast"}[5m]) > 10 and z offset 10m
        for: 10m
        keep_firing_for: 5m
"""


def paced(scale: float) -> Pace:
    return Pace(scale=scale, interval_ms=5 * S, jobs={"slow": 15 * S})


def only_rule(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    (group,) = yaml.safe_load(text)["groups"]
    (rule,) = group["rules"]
    return group, rule


def test_at_a_scale_of_one_a_file_is_to_the_letter_what_it_was() -> None:
    assert rules.scaled(RULE, paced(1), "a.yml") == RULE


def test_every_time_is_scaled_and_nothing_else() -> None:
    group, rule = only_rule(rules.scaled(RULE, paced(0.5), "a.yml"))
    assert group == {"name": "g", "interval": "1m", "rules": [rule]}
    assert rule == {
        "alert": "A",
        "expr": 'rate(x{job="slow"}[150s]) + rate(y{job="fast"}[150s]) > 10 and z offset 5m',
        "for": "5m",
        "keep_firing_for": "150s",
    }


def test_windows_hold_four_scrapes_of_their_job_and_a_for_may_be_shorter() -> None:
    group, rule = only_rule(rules.scaled(RULE, paced(0.02), "a.yml"))
    assert rule["expr"] == 'rate(x{job="slow"}[1m]) + rate(y{job="fast"}[20s]) > 10 and z offset 20s'
    assert (group["interval"], rule["for"], rule["keep_firing_for"]) == ("5s", "12s", "6s")


def test_a_subquery_is_scaled_and_steps_no_faster_than_scrapes() -> None:
    expr = "max_over_time((x > 1)[1h:1m]) > max_over_time(x[1h:])"
    text = f"groups: [{{name: g, rules: [{{alert: A, expr: '{expr}'}}]}}]"
    _, rule = only_rule(rules.scaled(text, paced(0.02), "a.yml"))
    assert rule["expr"] == "max_over_time((x > 1)[72s:5s]) > max_over_time(x[72s:])"


def test_a_topology_that_scrapes_seldom_gets_windows_that_are_not_empty() -> None:
    seldom = Pace(scale=1, interval_ms=60 * S, jobs={"slow": 180 * S})
    text = "groups: [{name: g, rules: [{alert: A, expr: 'rate(x[2m]) + rate(y[5m]) + z offset 30s'}]}]"
    _, rule = only_rule(rules.scaled(text, seldom, "a.yml"))
    assert rule["expr"] == "rate(x[4m]) + rate(y[5m]) + z offset 30s"


def test_a_window_grows_with_a_scale_above_one() -> None:
    _, rule = only_rule(rules.scaled(RULE, paced(2), "a.yml"))
    assert rule["expr"].startswith('rate(x{job="slow"}[10m])')
    assert rule["for"] == "20m"


def test_a_scaled_file_says_so() -> None:
    text = rules.scaled(RULE, paced(0.02), "a.yml")
    assert text.splitlines()[0] == "# a.yml with its times scaled by 0.02; the remarks are in the file itself"


@pytest.mark.parametrize(
    "text",
    [
        "groups: [{name: g, rules: [{alert: A, expr: 'x[5 m]'}]}]",
        "groups: [{name: g, rules: [{alert: A, expr: 'x', for: soon}]}]",
        "groups: [{name: g}]",
        "rules: []",
    ],
)
def test_what_cannot_be_scaled_is_named(text: str) -> None:
    with pytest.raises(BadInputError, match=r"a\.yml"):
        rules.scaled(text, paced(0.5), "a.yml")


def test_the_pace_comes_from_the_scrape_configuration_itself(deployed: Topology) -> None:
    variables = {**render.role_vars(deployed), **render.CONTAINER_PATHS}
    pace = rules.pace(0.1, render.role_template("prometheus", "prometheus.yml", variables))
    assert pace.scale == 0.1
    assert pace.interval_ms == deployed.scrape_interval_s * S
    assert pace.jobs["rabbitmq-raft"] >= 15 * S


def test_every_rule_file_is_shipped_once_and_no_test_is(checkout_root: Path) -> None:
    names = [path.name for path in rules.files()]
    assert len(names) == len(set(names)) >= 12
    assert not [name for name in names if name.endswith("_test.yml") or name == "objectives.yml"]
    assert "node-down.yml" in names


def test_every_shipped_rule_is_unchanged_at_a_scale_of_one(deployed: Topology) -> None:
    variables = {**render.role_vars(deployed), **render.CONTAINER_PATHS}
    pace = rules.pace(1.0, render.role_template("prometheus", "prometheus.yml", variables))
    for path in rules.files():
        text = path.read_text(encoding="utf-8")
        assert rules.scaled(text, pace, path.name) == text, path.name


def test_every_shipped_rule_survives_the_scale_of_the_cluster_tests(deployed: Topology) -> None:
    """The same rules, the same windows in the same order, none too short for its job."""
    variables = {**render.role_vars(deployed), **render.CONTAINER_PATHS}
    pace = rules.pace(0.02, render.role_template("prometheus", "prometheus.yml", variables))
    for path in rules.files():
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
        after = yaml.safe_load(rules.scaled(path.read_text(encoding="utf-8"), pace, path.name))
        for old, new in zip(before["groups"], after["groups"], strict=True):
            for was, now in zip(old["rules"], new["rules"], strict=True):
                kinds = [window.kind for window in windows(was["expr"])]
                assert [window.kind for window in windows(now["expr"])] == kinds, path.name
                assert all(pace.window(window) >= 5 * S for window in windows(was["expr"])), path.name
                times = ("expr", "for", "keep_firing_for")
                rest = [{key: each[key] for key in each if key not in times} for each in (was, now)]
                assert rest[0] == rest[1], path.name
