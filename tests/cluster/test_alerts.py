"""Alerts end to end: a fault, the rule, the notification, and its end."""

from __future__ import annotations

import json

import urllib3

from warren import secrets

from .conftest import ClusterUnderTest


def firing(cluster: ClusterUnderTest) -> set[str]:
    samples = cluster.prometheus('ALERTS{alertstate="firing"}')
    return {f"{sample.labels['alertname']} {sample.labels.get('node', '')}".strip() for sample in samples}


def notified(cluster: ClusterUnderTest) -> set[str]:
    """Names of the alerts that Alertmanager holds."""
    port = cluster.topology.published("alertmanager")
    password = cluster.context.secrets.read(secrets.ALERTMANAGER_WEB)
    pool = urllib3.PoolManager(
        cert_reqs="CERT_REQUIRED", ca_certs=str(cluster.state.pki / "cluster-ca.pem"), retries=False
    )
    answer = pool.request(
        "GET",
        f"https://localhost:{port}/api/v2/alerts",
        headers=urllib3.make_headers(basic_auth=f"alertmanager:{password}"),
    )
    assert answer.status == 200, answer.data
    return {alert["labels"]["alertname"] for alert in json.loads(answer.data)}


def test_a_killed_node_is_alerted_and_the_alert_ends_with_the_fault(cluster: ClusterUnderTest) -> None:
    node = cluster.topology.nodes[-1].name
    cluster.wait_for(
        lambda: f"WarrenNodeDown {node}" not in firing(cluster), "alerts of earlier tests to end", 60
    )
    done = cluster.warren(["chaos", "kill", node])
    assert done.returncode == 0, done.stderr
    cluster.wait_for(lambda: f"WarrenNodeDown {node}" in firing(cluster), "the alert to fire", 60)
    cluster.wait_for(lambda: "WarrenNodeDown" in notified(cluster), "Alertmanager to be told", 60)
    healed = cluster.warren(["chaos", "heal"], timeout_s=300)
    assert healed.returncode == 0, healed.stderr
    cluster.wait_for(lambda: f"WarrenNodeDown {node}" not in firing(cluster), "the alert to end", 60)
