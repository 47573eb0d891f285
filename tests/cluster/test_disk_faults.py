"""Disks that are slow, full and broken, on a real cluster that was brought up for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos import disk
from chaos.wiring import chaos_context
from warren.journal import Journal
from warren.runtime.protocol import NodeState

from .conftest import ClusterUnderTest
from .provoking import container, docker, made_for_disk_faults

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]
NODES = ("rmq1", "rmq2", "rmq3")


def up(cluster: ClusterUnderTest, *flags: str) -> None:
    done = cluster.warren(["cluster", "up", *flags], timeout_s=600)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def breakable(cluster_session: ClusterUnderTest) -> Iterator[ClusterUnderTest]:
    """The cluster, its nodes made anew with the library for the tests of this file."""
    cluster_session.wait_ready()
    plain = cluster_session.warren(["chaos", "slow-disk", "rmq1"])
    assert plain.returncode == 3, plain.stderr
    assert "warren cluster up --with-disk-faults" in plain.stderr
    refused = cluster_session.warren(["cluster", "up", "--with-disk-faults"])
    assert refused.returncode == 2, refused.stderr
    assert "warren cluster down" in refused.stderr
    with made_for_disk_faults(cluster_session):
        yield cluster_session


@pytest.fixture
def lab(breakable: ClusterUnderTest, cluster: ClusterUnderTest) -> ClusterUnderTest:
    """Whole before each test, and healed after it."""
    return cluster


def words(cluster: ClusterUnderTest, node: str) -> disk.Words:
    return disk.read(chaos_context(cluster.context).site, node)


def strike(cluster: ClusterUnderTest, result: Path, *arguments: str) -> dict[str, Any]:
    done = cluster.warren(["chaos", *arguments, "--json", str(result)], timeout_s=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return found


def test_second_up_without_the_flag_changes_nothing(lab: ClusterUnderTest) -> None:
    before = {node: lab.runtime.process_id(node) for node in NODES}
    up(lab)
    assert {node: lab.runtime.process_id(node) for node in NODES} == before


def test_brokers_own_syncs_pass_through_the_library_on_every_node(lab: ClusterUnderTest) -> None:
    """The canary's messages are synced on each, with nobody else about."""
    before = {node: words(lab, node).syncs for node in NODES}
    lab.wait_for(
        lambda: all(words(lab, node).syncs > before[node] for node in NODES), "syncs on every node", 60
    )


def test_slow_disk_is_measured_composes_with_a_pause_and_is_healed_without_the_journal(
    lab: ClusterUnderTest, tmp_path: Path
) -> None:
    result = strike(lab, tmp_path / "slow.json", "slow-disk", "rmq2", "--set", "delay_ms=80")
    evidence = result["evidence"]
    assert evidence["sync_p50_ms_after"] >= 80 > evidence["sync_p50_ms_before"]
    strike(lab, tmp_path / "pause.json", "pause", "rmq2")
    healed = lab.warren(["chaos", "heal"], timeout_s=300)
    assert healed.returncode == 0, healed.stderr
    assert lab.runtime.process_id("rmq2") is not None

    strike(lab, tmp_path / "again.json", "slow-disk", "rmq2", "--set", "delay_ms=80")
    lab.state.journal.unlink()
    assert "was under slow-disk" in lab.warren(["chaos", "heal"], timeout_s=300).stdout
    since = words(lab, "rmq2").syncs
    lab.wait_for(lambda: words(lab, "rmq2").syncs > since + 2, "syncs after the healing", 60)
    assert max(words(lab, "rmq2").sync_ms(2)) < 80


@pytest.mark.parametrize(
    ("fault", "settings", "alarm"),
    [
        ("full-disk", [], False),
        ("full-disk", ["--set", "seen_by_df=yes"], True),
        ("failing-disk", [], False),
        ("failing-disk", ["--set", "calls=writes"], False),
    ],
)
def test_node_whose_disk_takes_nothing_loses_its_logs_and_healing_brings_it_back(
    lab: ClusterUnderTest, tmp_path: Path, fault: str, settings: list[str], alarm: bool
) -> None:
    result = strike(lab, tmp_path / "fault.json", fault, "rmq3", *settings)
    assert result["evidence"]["calls_met"] > 0
    site = chaos_context(lab.context).site
    asked = ["rabbitmqctl", "eval", disk._LOGS_RUN]
    lab.wait_for(
        lambda: "false" in site.runtime.execute("rmq3", asked, timeout_s=30).stdout, "its logs to end", 60
    )
    assert site.state("rmq3") is NodeState.RUNNING, "the broker goes on without them"
    if alarm:
        lab.wait_for(lambda: bool(site.alarms()), "the disk alarm", 30)
    before = lab.runtime.process_id("rmq3")
    healed = strike(lab, tmp_path / "healed.json", "heal")
    assert "had ended" in healed["healed"][0]["evidence"]["started_anew"]
    assert lab.runtime.process_id("rmq3") != before
    assert not site.alarms()
    lab.context.gate.check()


def test_nothing_confirmed_is_lost_while_a_nodes_disk_is_full(lab: ClusterUnderTest, tmp_path: Path) -> None:
    child, path = lab.begin_load(["work", "--rate", "200", "--duration", "30s"], tmp_path)
    strike(lab, tmp_path / "fault.json", "full-disk", "rmq2", "--for", "5s")
    child.wait(timeout=180)
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["ledger"]["lost"] == result["ledger"]["unexpected"] == 0, result["reasons"]
    assert [each["name"] for each in result["faults"]] == ["full-disk"]


def test_full_disk_of_a_driver_that_was_killed_is_healed_by_the_watchdog(
    lab: ClusterUnderTest, tmp_path: Path
) -> None:
    journal = Journal(lab.state.journal, chaos_context(lab.context).now)
    driver = lab.start(["chaos", "full-disk", "rmq2", "--for", "10m"], output=tmp_path / "driver.txt")
    lab.wait_for(lambda: any(each.is_proven for each in journal.open_faults()), "the fault", 60)
    driver.kill()
    driver.wait(timeout=10)
    lab.wait_for(lambda: not journal.open_faults(), "the watchdog", 180)
    assert not any(words(lab, "rmq2").values[1:7])
    lab.context.gate.check()


def test_library_is_built_for_the_image_and_no_process_of_another_service_has_it(
    lab: ClusterUnderTest,
) -> None:
    for name in ("rmq1", "exporter", "probe"):
        shown = docker(lab, "exec", container(lab, name), "sh", "-c", "echo ${LD_PRELOAD:-none}")
        assert ("disk_faults.so" in shown) is (name == "rmq1")
