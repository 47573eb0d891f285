"""Faults of all nodes in turn, and of processes inside the broker, against the real cluster."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from warren.journal import Journal
from warren.runtime.protocol import NodeState

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

QUEUE, VHOST = "orders.work", "/orders"


@pytest.fixture
def strike(cluster: ClusterUnderTest, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs one fault to its end, and returns what it says of it."""

    def run(*arguments: str) -> dict[str, Any]:
        result = tmp_path / "fault.json"
        done = cluster.warren(["chaos", *arguments, "--json", str(result)], timeout_s=500)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(result.read_text(encoding="utf-8")))

    return run


@pytest.fixture
def released(cluster: ClusterUnderTest) -> Iterator[None]:
    """No halt stays behind, whatever became of the test."""
    yield
    cluster.warren(["chaos", "halt", "--release"])


def leader(cluster: ClusterUnderTest) -> str:
    return str(cluster.management.queue(VHOST, QUEUE).leader).partition("@")[2]


def heal(cluster: ClusterUnderTest) -> None:
    done = cluster.warren(["chaos", "heal"], timeout_s=300)
    assert done.returncode == 0, done.stderr
    cluster.context.gate.check()


def test_raft_member_of_a_queues_leader_is_killed_and_comes_back(
    cluster: ClusterUnderTest, strike: Callable[..., dict[str, Any]]
) -> None:
    victim, processes = leader(cluster), dict(cluster.runtime.states())
    fault = strike("kill-member", "--leader-of", QUEUE)
    assert fault["target"] == victim
    ((member, process),) = fault["evidence"]["processes_after"].items()
    assert process != fault["evidence"]["processes"][member]
    heal(cluster)
    assert dict(cluster.runtime.states()) == processes


@pytest.mark.full
@pytest.mark.parametrize("fault", ["kill-wal", "kill-segment-writer", "kill-member"])
def test_process_of_a_node_is_killed_and_comes_back(
    cluster: ClusterUnderTest, strike: Callable[..., dict[str, Any]], fault: str
) -> None:
    before = cluster.runtime.process_id("rmq2")
    evidence = strike(fault, "rmq2")["evidence"]
    after = evidence["processes_after"]
    assert set(after) == set(evidence["processes"])
    assert all(after[name] != process for name, process in evidence["processes"].items())
    heal(cluster)
    assert cluster.runtime.process_id("rmq2") == before


@pytest.mark.full
@pytest.mark.parametrize("drain", ["yes", "no"])
def test_every_node_is_restarted_and_the_cluster_is_whole(
    cluster: ClusterUnderTest, journal: Journal, strike: Callable[..., dict[str, Any]], drain: str
) -> None:
    before = {node: cluster.runtime.process_id(node) for node in cluster.runtime.states()}
    fault = strike("restart", "--set", f"drain={drain}")
    assert fault["phase"] == "healed"
    for node, process in before.items():
        assert cluster.runtime.process_id(node) not in (process, None), node
    assert journal.open_faults() == ()
    cluster.context.gate.check()


@pytest.mark.full
def test_restart_whose_driver_was_killed_is_ended_by_its_watchdog(
    cluster: ClusterUnderTest, journal: Journal, tmp_path: Path
) -> None:
    driver = cluster.start(["chaos", "restart"], output=tmp_path / "driver.txt")
    cluster.wait_for(lambda: NodeState.STOPPED in cluster.runtime.states().values(), "a node to be down", 120)
    driver.kill()
    driver.wait(timeout=10)
    cluster.wait_for(lambda: not journal.open_faults(), "the watchdog", 240)
    assert set(cluster.runtime.states().values()) == {NodeState.RUNNING}
    cluster.context.gate.check()


@pytest.mark.full
@pytest.mark.parametrize("node", ["rmq1", "rmq3"])
def test_node_of_a_client_is_found_by_the_clients_name(
    cluster: ClusterUnderTest, strike: Callable[..., dict[str, Any]], node: str
) -> None:
    """The probe holds a connection to each node, and calls it after that."""
    assert strike("disk-alarm", "--attached-to", f"warren-canary {node} ")["target"] == node
    heal(cluster)


@pytest.mark.usefixtures("released")
def test_halt_ends_the_driver_heals_and_keeps_all_others_from_beginning(
    cluster: ClusterUnderTest, journal: Journal, tmp_path: Path
) -> None:
    driver = cluster.start(["chaos", "disk-alarm", "rmq2", "--for", "10m"], output=tmp_path / "driver.txt")
    cluster.wait_for(lambda: any(each.is_proven for each in journal.open_faults()), "the fault", 60)
    done = cluster.warren(["chaos", "halt"], timeout_s=300)
    assert done.returncode == 0, done.stderr
    assert driver.wait(timeout=5) in (130, -signal.SIGTERM)
    assert journal.open_faults() == ()
    cluster.context.gate.check()
    refused = cluster.warren(["chaos", "kill", "rmq2"])
    assert (refused.returncode, "halted since" in refused.stderr) == (2, True)
    assert "halted since" in cluster.warren(["chaos", "status"]).stdout
    assert cluster.warren(["chaos", "halt", "--release"]).returncode == 0
    assert cluster.warren(["chaos", "kill", "rmq2", "--dry-run"]).returncode == 0
