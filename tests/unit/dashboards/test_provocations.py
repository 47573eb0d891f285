"""Every alert is provoked on a real cluster or says why not; what the page shows is of alerts that exist."""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from .test_alerts import read


@pytest.fixture(scope="module")
def provoked(checkout_root: Path) -> list[Any]:
    """Every alert that some provocation expects. The table is of the cluster tests, and needs no engine."""
    if str(checkout_root) not in sys.path:
        sys.path.append(str(checkout_root))
    table = importlib.import_module("tests.cluster.provocations")
    return [expected for provocation in table.PROVOCATIONS for expected in provocation.expects]


@pytest.fixture(scope="module")
def reasons(checkout_root: Path) -> dict[str, str]:
    text = (checkout_root / "docs" / "figures" / "unprovoked.yml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


@pytest.fixture(scope="module")
def keys(checkout_root: Path) -> set[str]:
    return {alert.key for alert in read(checkout_root)}


def test_every_alert_is_provoked_once_or_says_why_not(
    keys: set[str], provoked: list[Any], reasons: dict[str, str]
) -> None:
    times = Counter([*(expected.key for expected in provoked), *reasons])
    assert not keys - set(times), "neither provoked nor given a reason"
    assert not set(times) - keys, "of no alert"
    assert not [key for key, count in times.items() if count > 1], "more than once"


def test_every_reason_says_something(reasons: dict[str, str]) -> None:
    for key, reason in reasons.items():
        assert len(reason.split()) > 4, key
        assert not reason.endswith("."), key


def test_the_labels_that_are_expected_are_those_that_the_rule_gives(
    checkout_root: Path, provoked: list[Any]
) -> None:
    """By its own tests: a label that no test of the alert has would never be matched."""
    known: dict[str, set[str]] = {}
    for alert in read(checkout_root):
        for test in alert.tests:
            for check in test.get("alert_rule_test", ()):
                for each in check["exp_alerts"]:
                    known.setdefault(alert.rule["alert"], set()).update(each["exp_labels"])
    for expected in provoked:
        assert set(expected.labels) <= known[expected.alert], expected.key


def test_a_short_set_covers_nodes_queues_and_messages(checkout_root: Path) -> None:
    table = importlib.import_module("tests.cluster.provocations")
    short = [each for each in table.PROVOCATIONS if each.short]
    assert 3 <= len(short) <= 6
    assert "WarrenNodeDown" in {expected.alert for each in short for expected in each.expects}


def test_measured_figures_are_of_alerts_that_exist_and_are_provoked(
    checkout_root: Path, provoked: list[Any]
) -> None:
    measured = json.loads((checkout_root / "docs" / "figures" / "alerts.json").read_text(encoding="utf-8"))
    assert measured["schema"] == 1
    assert set(measured["alerts"]) <= {expected.key for expected in provoked}
    for key, figure in measured["alerts"].items():
        assert 0 <= figure["fired_after_s"] < 3600, key
        assert figure["resolved_after_s"] < 3600, key
        assert 0 < figure["time_scale"] <= 1, key
