"""The drift collector over the answers of a live 4.3.6: what it says, what it leaves out, what it logs."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from exporters import collector, names
from exporters.collectors.drift import DriftCollector
from exporters.exporter import Exporter
from exporters.exposition import OneScrape
from tests.drift_cluster import RecordedCluster
from warren.drift.model import DriftKind
from warren.errors import BadInputError, NotReadyError
from warren.topology_reader import load

from .conftest import REACH, FakeBroker

ADMINISTRATORS = {"user", "user_limit", "permission", "topic_permission", "parameter"}


@pytest.fixture
def path(checkout_root: Path, tmp_path: Path) -> Path:
    """A copy of the deployed topology, free to be edited."""
    copied = tmp_path / "topology.yml"
    copied.write_bytes((checkout_root / "deploy" / "topology.yml").read_bytes())
    return copied


@pytest.fixture
def cluster(path: Path) -> RecordedCluster:
    return RecordedCluster(load(path))


def said(drift: DriftCollector) -> dict[str, dict[str, float]]:
    """Value by kind, for each family."""
    return {
        metric.name: {sample.labels["kind"]: sample.value for sample in metric.samples}
        for metric in drift.collect(None)  # type: ignore[arg-type]
    }


def test_equal_is_zero_for_every_kind(path: Path, cluster: RecordedCluster) -> None:
    found = said(DriftCollector(path, cluster))
    every = {kind.value for kind in DriftKind}
    assert found[names.DRIFT_DIFFERENCES.name] == dict.fromkeys(every, 0.0)
    assert found[names.DRIFT_READABLE.name] == dict.fromkeys(every, 1.0)


def test_differences_are_counted_by_kind_and_gone_when_they_are(path: Path, cluster: RecordedCluster) -> None:
    drift = DriftCollector(path, cluster)
    definition = cluster.row("policies", name="orders-work")["definition"]
    definition.update({"max-length": 7, "delivery-limit": 3})
    cluster.row("permissions", user="orders-worker")["write"] = ".*"
    found = said(drift)[names.DRIFT_DIFFERENCES.name]
    assert {kind: count for kind, count in found.items() if count} == {"policy": 2, "permission": 1}
    definition.update({"max-length": 100000, "delivery-limit": 20})
    cluster.row("permissions", user="orders-worker")["write"] = "^$"
    assert not any(said(drift)[names.DRIFT_DIFFERENCES.name].values())


def test_what_the_monitoring_tag_may_not_read_is_absent_and_said(path: Path) -> None:
    found = said(DriftCollector(path, RecordedCluster(load(path), user="monitoring")))
    every = {kind.value for kind in DriftKind}
    readable = found[names.DRIFT_READABLE.name]
    assert {kind for kind, value in readable.items() if value == 0} == ADMINISTRATORS
    assert set(readable) == every
    assert set(found[names.DRIFT_DIFFERENCES.name]) == every - ADMINISTRATORS


def test_no_password_is_needed_and_none_is_compared(path: Path, cluster: RecordedCluster) -> None:
    for row in cluster.tables["users"]:
        row["password_hash"] = "rotated"
    assert said(DriftCollector(path, cluster))[names.DRIFT_DIFFERENCES.name]["user"] == 0


def _one_scrape(drift: DriftCollector, broker: FakeBroker) -> CollectorRegistry:
    """As from the exporter, the background's turn done by hand."""
    exporter = Exporter(broker, [("drift", drift)])
    exporter._call("drift", drift, None)  # type: ignore[arg-type]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(OneScrape(exporter.scrape(3.0)))
    return registry


@pytest.mark.parametrize("silent", [True, False])
def test_a_cluster_that_does_not_answer_or_let_in_has_no_drift_at_all(
    silent: bool, path: Path, cluster: RecordedCluster, broker: FakeBroker
) -> None:
    cluster.silent, cluster.broken = silent, {"whoami": 401}
    registry = _one_scrape(DriftCollector(path, cluster), broker)
    assert registry.get_sample_value(names.COLLECTOR_UP.name, {"collector": "drift"}) == 0
    assert registry.get_sample_value(names.DRIFT_DIFFERENCES.name, {"kind": "queue"}) is None
    assert registry.get_sample_value(names.DRIFT_READABLE.name, {"kind": "queue"}) is None
    assert broker.deadlines == []


def test_it_works_in_the_background(path: Path, cluster: RecordedCluster, broker: FakeBroker) -> None:
    drift = DriftCollector(path, cluster)
    assert drift.every_s == 30
    registry = _one_scrape(drift, broker)
    assert registry.get_sample_value(names.DRIFT_DIFFERENCES.name, {"kind": "queue"}) == 0
    assert registry.get_sample_value(names.COLLECTOR_SUCCESS.name, {"collector": "drift"})


def test_a_topology_that_is_written_anew_is_read_anew(path: Path, cluster: RecordedCluster) -> None:
    drift = DriftCollector(path, cluster)
    text = path.read_text()
    path.write_text(text.replace("max-length: 100000", "max-length: 99999", 1))
    assert said(drift)[names.DRIFT_DIFFERENCES.name]["policy"] == 1
    path.write_text("not: a topology")
    with pytest.raises(NotReadyError, match=r"topology\.yml"):
        said(drift)
    path.unlink()
    with pytest.raises(NotReadyError, match="cannot be read"):
        said(drift)
    path.write_text(text)
    assert said(drift)[names.DRIFT_DIFFERENCES.name]["policy"] == 0


def test_what_differs_is_logged_when_it_comes_and_when_it_goes(
    path: Path, cluster: RecordedCluster, caplog: pytest.LogCaptureFixture
) -> None:
    drift = DriftCollector(path, cluster)
    caplog.set_level(logging.INFO)
    said(drift)
    assert caplog.messages == []
    queue: dict[str, Any] = {"vhost": "/orders", "name": "by.hand", "type": "quorum", "messages": 1}
    cluster.tables["queues"].append(queue)
    said(drift)
    queue["messages"] = 2
    said(drift)
    line = "queue: queue by.hand in /orders: there, and nobody asked for it"
    assert caplog.messages == [line]
    cluster.tables["queues"].remove(queue)
    said(drift)
    assert caplog.messages == [line, f"no longer: {line}"]


def test_without_a_topology_it_is_refused_by_name() -> None:
    with pytest.raises(BadInputError, match="--topology"):
        collector.make("drift", REACH)


def test_a_topology_with_faults_is_refused_at_once(path: Path) -> None:
    authority = path.with_name("ca.pem")
    authority.write_text("not PEM")
    path.write_text("schema: 1")
    with pytest.raises(BadInputError, match="cluster"):
        collector.make("drift", dataclasses.replace(REACH, topology=path, ca=authority))
