"""Alertmanager's configuration: whom each alert reaches, and which alert silences which."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from warren import render
from warren.topology_reader import load

from .test_alerts import read

Labels = Mapping[str, str]
OWN = {
    "alertmanager_receivers": [
        {"name": "critical", "webhook_configs": [{"url": "https://hooks.example/1"}]},
        {"name": "orders-team", "webhook_configs": [{"url": "https://hooks.example/2"}]},
    ],
    "alertmanager_routes": [
        {"matchers": ['vhost = "/orders"', "severity = warning"], "receiver": "orders-team"}
    ],
}
NEEDS_AMTOOL = pytest.mark.skipif(
    shutil.which("amtool") is None, reason="amtool is not installed; cluster tests run it"
)


def rendered(root: Path, **own: Any) -> str:
    variables = {**render.role_vars(load(root / "deploy" / "topology.yml")), **render.CONTAINER_PATHS, **own}
    return render.role_template("alertmanager", "alertmanager.yml", variables)


@pytest.fixture(scope="module")
def config(checkout_root: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(rendered(checkout_root)))


def matches(matcher: str, labels: Labels) -> bool:
    """As Alertmanager does: a label that is not there is empty; patterns match whole."""
    found = re.fullmatch(r'(\w+)\s*(=~|!~|!=|=)\s*"?([^"]*)"?', matcher)
    assert found, matcher
    value, wanted = labels.get(found[1], ""), found[3]
    equal = bool(re.fullmatch(wanted, value)) if "~" in found[2] else value == wanted
    return equal is not found[2].startswith("!")


def silences(config: Mapping[str, Any], source: Labels, target: Labels) -> bool:
    """Whether ``source`` firing keeps ``target`` from being told."""

    def all_match(matchers: list[str], labels: Labels) -> bool:
        return all(matches(each, labels) for each in matchers)

    for rule in config["inhibit_rules"]:
        applies = all_match(rule["source_matchers"], source) and all_match(rule["target_matchers"], target)
        same = all(source.get(label, "") == target.get(label, "") for label in rule["equal"])
        both = all_match(rule["target_matchers"], source) and all_match(rule["source_matchers"], target)
        if applies and same and not both:
            return True
    return False


def alert(name: str, severity: str = "warning", **labels: str) -> dict[str, str]:
    return {"alertname": name, "severity": severity, "cluster": "warren", **labels}


WORK = {"vhost": "/orders", "queue": "orders.work"}
AUDIT = {"vhost": "/orders", "queue": "orders.audit"}
DOWN = alert("WarrenNodeDown", "critical", node="rmq2", instance="rmq2:15691", job="rabbitmq")
LOST = alert("WarrenQueueQuorumLost", "critical", **WORK)

SILENCED: list[tuple[dict[str, str], dict[str, str]]] = [
    (DOWN, alert("WarrenQueueUnderReplicated", **WORK)),
    (DOWN, alert("WarrenLeadersUnbalanced", "info")),
    (DOWN, alert("WarrenElectionsFrequent", **WORK)),
    (LOST, alert("WarrenQueueLag", **WORK)),
    (LOST, alert("WarrenQueueNoLeader", "critical", **WORK)),
    (LOST, alert("WarrenQuorumCritical")),
    (LOST, alert("WarrenLagObjectiveBurn", "critical", objective="lag")),
    (alert("WarrenQueueNoConsumers", **WORK), alert("WarrenQueueLag", **WORK)),
    (alert("WarrenQueueDepth", **WORK), alert("WarrenQueueGrowing", **WORK)),
    (alert("WarrenMemoryAlarm", "critical", node="rmq1"), alert("WarrenMemoryHigh", node="rmq1")),
    (alert("WarrenDiskAlarm", "critical", node="rmq1"), alert("WarrenPublishersBlocked", "critical")),
    (
        alert("WarrenDiskFilling", "critical", node="rmq1"),
        alert("WarrenDiskFilling", "warning", node="rmq1"),
    ),
    (
        alert("WarrenConfirmObjectiveBurn", "critical", objective="confirm_success"),
        alert("WarrenConfirmObjectiveBurn", "warning", objective="confirm_success"),
    ),
    # A ladder of three: expires in a month, in a week, tomorrow.
    (
        alert("WarrenCertificateExpires", "critical", member="rmq1", listener="amqps"),
        alert("WarrenCertificateExpires", "warning", member="rmq1", listener="amqps"),
    ),
    (
        alert("WarrenCertificateExpires", "warning", member="rmq1", listener="amqps"),
        alert("WarrenCertificateExpires", "info", member="rmq1", listener="amqps"),
    ),
]
TOLD: list[tuple[dict[str, str], dict[str, str]]] = [
    (DOWN, DOWN),
    (DOWN, alert("WarrenQueueQuorumLost", "critical", **WORK)),
    (DOWN, alert("WarrenQueueLag", **WORK)),
    (DOWN, alert("WarrenQuorumCritical")),
    (DOWN, {**alert("WarrenQueueUnderReplicated", **WORK), "cluster": "other"}),
    (LOST, alert("WarrenQueueLag", **AUDIT)),
    (LOST, LOST),
    (alert("WarrenQueueLag", **WORK), LOST),
    (alert("WarrenDiskFilling", "warning", node="rmq1"), alert("WarrenDiskFilling", "critical", node="rmq1")),
    (alert("WarrenDiskFilling", "critical", node="rmq1"), alert("WarrenDiskFilling", "warning", node="rmq2")),
    (
        alert("WarrenCertificateExpires", "critical", member="rmq1", listener="amqps"),
        alert("WarrenCertificateExpires", "warning", member="rmq1", listener="metrics"),
    ),
    (alert("WarrenMemoryHigh", node="rmq1"), alert("WarrenMemoryAlarm", "critical", node="rmq1")),
]


def named(pair: tuple[dict[str, str], dict[str, str]]) -> str:
    return f"{pair[0]['alertname']}-{pair[1]['alertname']}-{pair[1]['severity']}"


@pytest.mark.parametrize("pair", SILENCED, ids=named)
def test_a_cause_silences_its_consequences(
    config: dict[str, Any], pair: tuple[dict[str, str], dict[str, str]]
) -> None:
    assert silences(config, *pair)


@pytest.mark.parametrize("pair", TOLD, ids=named)
def test_what_is_no_consequence_is_told(
    config: dict[str, Any], pair: tuple[dict[str, str], dict[str, str]]
) -> None:
    assert not silences(config, *pair)


def test_nothing_critical_but_a_consequence_is_silenced(config: dict[str, Any], checkout_root: Path) -> None:
    """Of alerts that page, only these may be kept from paging, each by one that pages for its cause."""
    alerts = [(each.rule["alert"], each.rule["labels"]["severity"]) for each in read(checkout_root)]
    paging = {name for name, severity in alerts if severity == "critical"}
    silenced = {
        (name, target)
        for name, severity in alerts
        for target in paging
        if silences(config, alert(name, severity), alert(target, "critical"))
    }
    assert {target for _, target in silenced} == {
        "WarrenCanaryVhostFailing", "WarrenQueueNoLeader", "WarrenPublishersBlocked",
        "WarrenDeadLetterBacklog", "WarrenDiskFilling",
        "WarrenLagObjectiveBurn", "WarrenConfirmObjectiveBurn", "WarrenEndToEndObjectiveBurn",
    }  # fmt: skip
    assert {source for source, _ in silenced} <= paging


def test_inhibitions_name_alerts_that_exist(config: dict[str, Any], checkout_root: Path) -> None:
    text = yaml.safe_dump(config["inhibit_rules"], width=10_000)
    names = set(re.findall(r"Warren[A-Z]\w+", text))
    assert len(names) > 20
    assert names <= {each.rule["alert"] for each in read(checkout_root)}


def test_no_two_alerts_silence_each_other(config: dict[str, Any], checkout_root: Path) -> None:
    alerts = [
        alert(each.rule["alert"], each.rule["labels"]["severity"], **WORK) for each in read(checkout_root)
    ]
    for one in alerts:
        for other in alerts:
            assert not (silences(config, one, other) and silences(config, other, one)), (one, other)


@NEEDS_AMTOOL
@pytest.mark.parametrize("own", [{}, OWN], ids=["as it comes", "with receivers of one's own"])
def test_amtool_takes_the_configuration(checkout_root: Path, tmp_path: Path, own: dict[str, Any]) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(rendered(checkout_root, **own), encoding="utf-8")
    done = subprocess.run(["amtool", "check-config", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


@NEEDS_AMTOOL
@pytest.mark.parametrize(
    ("own", "labels", "receiver"),
    [
        ({}, DOWN, "critical"),
        ({}, alert("WarrenQueueLag", **WORK), "warning"),
        ({}, alert("WarrenLeadersUnbalanced", "info"), "info"),
        ({}, alert("SomebodysOwn", "none"), "nobody"),
        (OWN, DOWN, "critical"),
        (OWN, alert("WarrenQueueLag", **WORK), "orders-team"),
        (OWN, alert("WarrenQueueLag", vhost="/users", queue="users.email"), "warning"),
        (OWN, LOST, "critical"),
    ],
)
def test_every_alert_reaches_whom_it_should(
    checkout_root: Path, tmp_path: Path, own: dict[str, Any], labels: dict[str, str], receiver: str
) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(rendered(checkout_root, **own), encoding="utf-8")
    pairs = [f"{name}={value}" for name, value in labels.items()]
    options = [f"--config.file={path}", f"--verify.receivers={receiver}"]
    done = subprocess.run(
        ["amtool", "config", "routes", "test", *options, *pairs], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
