"""Chaos against the real cluster: each fault is proven, healed, and healed too when its driver was killed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chaos import connections
from chaos.wiring import chaos_context
from warren.journal import Fault, Journal
from warren.runtime.protocol import NodeState

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

QUEUE, VHOST = "orders.work", "/orders"


@pytest.fixture
def leader(cluster: ClusterUnderTest) -> Callable[[], str]:
    """The node that leads the orders queue at this moment."""

    def ask() -> str:
        found = cluster.management.queue(VHOST, QUEUE).leader
        assert found
        return found.partition("@")[2]

    return ask


def state(cluster: ClusterUnderTest, node: str) -> NodeState:
    return cluster.runtime.states()[node]


def open_faults(journal: Journal) -> tuple[Fault, ...]:
    return journal.open_faults()


def heal(cluster: ClusterUnderTest) -> str:
    done = cluster.warren(["chaos", "heal"], timeout_s=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


#: Faults of a node that goes on running, with what makes them bite soon.
RUNNING_ON = {
    "partition": [],
    "disk-alarm": [],
    "memory-alarm": [],
    "loss": ["--set", "loss_percent=50"],
    "bandwidth": ["--set", "rate_kbit=64"],
    "cpu": ["--set", "cores_count=0.05"],
    "drain": [],
    "raft-chaos": [],
    "memory-limit": [],
    "latency": ["--set", "delay_ms=50", "--set", "jitter_ms=10"],
    "detach": [],
    "half-open": [],
    "slow-close": [],
    "server-certificate": [],
}
#: Those that the node may not bear.
MAY_KILL = ("memory-limit", "raft-chaos")
#: Beside a partition there is traffic with clients for sure.
CLIENTS_OF = {"latency": ["--set", "traffic=clients"], "loss": ["--set", "traffic=clients"]}


#: None of them in `make test`: the quick matrix has five faults, and each has its own unit tests.
@pytest.mark.full
@pytest.mark.parametrize("fault", RUNNING_ON)
def test_fault_of_a_node_that_runs_on_bites_and_is_healed_without_the_journal(
    cluster: ClusterUnderTest, journal: Journal, tmp_path: Path, fault: str
) -> None:
    result, process = tmp_path / "fault.json", cluster.runtime.process_id("rmq2")
    done = cluster.warren(["chaos", fault, "rmq2", *RUNNING_ON[fault], "--json", str(result)])
    assert done.returncode == 0, done.stderr
    assert json.loads(result.read_text(encoding="utf-8"))["injected_at"]
    again = cluster.warren(["chaos", fault, "rmq2"])
    assert (again.returncode, "under the fault" in again.stderr) == (2, True)

    lost = journal.path.with_name("journal.lost")
    journal.path.rename(lost)
    assert "was under" in heal(cluster)
    lost.rename(journal.path)
    heal(cluster)
    assert not journal.open_faults()
    if fault not in MAY_KILL:
        assert cluster.runtime.process_id("rmq2") == process
    cluster.context.gate.check()
    unharmed = cluster.warren(["chaos", "heal"], timeout_s=300)
    assert "nothing was broken" in unharmed.stdout


def test_held_packets_make_the_round_trip_of_a_connection_that_was_there_longer(
    cluster: ClusterUnderTest, tmp_path: Path
) -> None:
    """By the kernel's own measure of the distribution's connections, before, while and after."""
    result = tmp_path / "fault.json"
    before = round_trip_ms(cluster, "rmq3")
    done = cluster.warren(["chaos", "latency", "rmq3", "--set", "delay_ms=100", "--json", str(result)])
    assert done.returncode == 0, done.stderr
    evidence = json.loads(result.read_text(encoding="utf-8"))["evidence"]
    assert 100 <= evidence["held_mean_ms"] < 150
    cluster.wait_for(lambda: round_trip_ms(cluster, "rmq3") > 150, "a longer round trip", 30)
    heal(cluster)
    assert before < 50
    cluster.wait_for(lambda: round_trip_ms(cluster, "rmq3") < 50, "the old round trip", 30)


def round_trip_ms(cluster: ClusterUnderTest, node: str) -> float:
    """The smoothed round trip of the fastest of a node's connections to other nodes, as its kernel has it."""
    port = cluster.topology.ports.inter_node
    argv = ["ss", "-Htni", "state", "established", f"( sport = :{port} or dport = :{port} )"]
    done = cluster.runtime.in_network(node, argv, timeout_s=30)
    return min(float(found) for found in re.findall(r"\brtt:([0-9.]+)/", done.stdout))


@pytest.mark.full
def test_reset_strikes_the_connections_that_there_are_and_the_clients_come_back(
    cluster: ClusterUnderTest, journal: Journal, tmp_path: Path
) -> None:
    result = tmp_path / "fault.json"
    done = cluster.warren(["chaos", "reset", "rmq2", "--set", "client=canary", "--json", str(result)])
    assert done.returncode == 0, done.stderr
    evidence = json.loads(result.read_text(encoding="utf-8"))["evidence"]
    assert evidence["connections_gone"] == len(evidence["connections"]) > 0
    site = chaos_context(cluster.context).site
    cluster.wait_for(lambda: bool(connections.listed(site, "rmq2")), "the clients", 60)
    assert not {str(each) for each in connections.listed(site, "rmq2")} & set(evidence["connections"])
    heal(cluster)
    assert open_faults(journal) == ()


@pytest.mark.full
def test_detached_node_has_its_own_address_again(cluster: ClusterUnderTest) -> None:
    before = cluster.runtime.network_address("rmq2")
    assert cluster.warren(["chaos", "detach", "rmq2", "--for", "3s"], timeout_s=300).returncode == 0
    assert cluster.runtime.network_address("rmq2") == before


@pytest.mark.full
def test_bridge_leaves_both_halves_one_node_in_common(cluster: ClusterUnderTest) -> None:
    """Two that do not see each other and both see the third: no queue loses its majority."""
    done = cluster.warren(["chaos", "partition", "rmq1", "--set", "peers=rmq2"])
    assert done.returncode == 0, done.stderr
    met = cluster.runtime.in_network("rmq1", ["nft", "list", "ruleset"], timeout_s=30).stdout
    assert cluster.runtime.network_address("rmq2") in met
    assert cluster.runtime.network_address("rmq3") not in met
    heal(cluster)
    cluster.context.gate.check()


@pytest.mark.full
@pytest.mark.parametrize("second", ["loss", "bandwidth", "half-open", "slow-close", "latency", "detach"])
def test_faults_of_one_network_compose(cluster: ClusterUnderTest, journal: Journal, second: str) -> None:
    first = ["partition", "rmq2", "--set", "peers=rmq3"]
    assert cluster.warren(["chaos", *first]).returncode == 0
    done = cluster.warren(["chaos", second, "rmq2", *RUNNING_ON[second], *CLIENTS_OF.get(second, [])])
    assert done.returncode == 0, done.stderr
    assert [each.name for each in open_faults(journal)] == ["partition", second]
    heal(cluster)
    assert open_faults(journal) == ()
    cluster.context.gate.check()


@pytest.mark.full
@pytest.mark.parametrize("how", ["drop", "refuse"])
@pytest.mark.parametrize("direction", ["in", "out"])
@pytest.mark.parametrize("traffic", ["inter-node", "clients", "all"])
def test_every_kind_of_partition_bites(
    cluster: ClusterUnderTest, traffic: str, direction: str, how: str
) -> None:
    settings = [f"traffic={traffic}", f"direction={direction}", f"how={how}"]
    options = [part for each in settings for part in ("--set", each)]
    done = cluster.warren(["chaos", "partition", "rmq3", *options, "--for", "3s"], timeout_s=300)
    assert done.returncode == 0, done.stderr
    assert "healed of partition" in done.stdout


@pytest.mark.parametrize(
    ("fault", "broken"),
    [
        ("kill", NodeState.STOPPED),
        pytest.param("stop", NodeState.STOPPED, marks=pytest.mark.full),
        pytest.param("pause", NodeState.PAUSED, marks=pytest.mark.full),
    ],
)
def test_fault_bites_is_shown_and_is_healed(
    cluster: ClusterUnderTest, journal: Journal, tmp_path: Path, fault: str, broken: NodeState
) -> None:
    result = tmp_path / "fault.json"
    before = cluster.runtime.process_id("rmq2")
    done = cluster.warren(["chaos", fault, "rmq2", "--json", str(result)])
    assert done.returncode == 0, done.stderr
    assert state(cluster, "rmq2") is broken
    evidence = json.loads(result.read_text(encoding="utf-8"))["evidence"]
    assert evidence["process_id"] == before
    assert evidence["state"] == broken.value
    assert f"rmq2: {fault} since" in cluster.warren(["chaos", "status"]).stdout

    assert "the cluster is whole" in heal(cluster)
    assert set(cluster.runtime.states().values()) == {NodeState.RUNNING}
    cluster.context.gate.check()
    assert (cluster.runtime.process_id("rmq2") == before) == (fault == "pause")
    now = datetime.now(UTC)
    record = journal.faults_between(now - timedelta(minutes=5), now)[-1]
    assert (record.name, record.target) == (fault, "rmq2")
    assert record.healed_at is not None


@pytest.mark.full
def test_leader_of_a_queue_is_found_struck_and_replaced(
    cluster: ClusterUnderTest, journal: Journal, leader: Callable[[], str]
) -> None:
    victim = leader()
    done = cluster.warren(["chaos", "kill", "--leader-of", QUEUE])
    assert done.returncode == 0, done.stderr
    assert state(cluster, victim) is NodeState.STOPPED
    (fault,) = open_faults(journal)
    assert fault.target == victim
    assert fault.evidence["chosen_as"] == f"leader of {QUEUE} in {VHOST}"
    assert fault.evidence["leader_after"] not in (victim, None)
    assert leader() != victim


@pytest.mark.full
def test_held_fault_ends_by_itself_and_its_frozen_leader_is_replaced(
    cluster: ClusterUnderTest, journal: Journal, leader: Callable[[], str]
) -> None:
    victim = leader()
    done = cluster.warren(
        ["chaos", "pause", "--leader-of", f"{VHOST}:{QUEUE}", "--for", "30s"], timeout_s=300
    )
    assert done.returncode == 0, done.stderr
    assert open_faults(journal) == ()
    now = datetime.now(UTC)
    record = journal.faults_between(now - timedelta(minutes=5), now)[-1]
    assert record.target == victim
    assert record.evidence["leader_after"] not in (victim, None), record.evidence
    held = datetime.fromisoformat(str(record.healed_at)) - datetime.fromisoformat(record.injected_at)
    assert timedelta(seconds=30) <= held < timedelta(seconds=40)


def test_second_node_is_refused_and_nothing_changes(cluster: ClusterUnderTest, journal: Journal) -> None:
    assert cluster.warren(["chaos", "kill", "rmq3"]).returncode == 0
    for fault in ("kill", "pause", "stop"):
        done = cluster.warren(["chaos", fault, "rmq1"])
        assert done.returncode == 2
        assert "--majority-loss" in done.stderr
    assert [each.target for each in open_faults(journal)] == ["rmq3"]
    assert state(cluster, "rmq1") is NodeState.RUNNING


@pytest.mark.full
def test_majority_is_lost_only_by_name_and_comes_back(cluster: ClusterUnderTest) -> None:
    assert cluster.warren(["chaos", "kill", "rmq3"]).returncode == 0
    done = cluster.warren(["chaos", "pause", "rmq1", "--majority-loss"])
    assert done.returncode == 0, done.stderr
    assert state(cluster, "rmq1") is NodeState.PAUSED
    heal(cluster)
    cluster.context.gate.check()


@pytest.mark.parametrize("fault", ["kill", pytest.param("pause", marks=pytest.mark.full)])
def test_fault_of_a_driver_that_was_killed_is_healed_by_the_watchdog(
    cluster: ClusterUnderTest, journal: Journal, tmp_path: Path, fault: str
) -> None:
    driver = cluster.start(["chaos", fault, "rmq2", "--for", "10m"], output=tmp_path / "driver.txt")
    cluster.wait_for(lambda: any(each.is_proven for each in open_faults(journal)), "the fault", 60)
    driver.kill()
    driver.wait(timeout=10)
    cluster.wait_for(lambda: not open_faults(journal), "the watchdog", 120)
    assert state(cluster, "rmq2") is NodeState.RUNNING
    assert "its driver is gone" in (cluster.state.root / "watchdog.log").read_text(encoding="utf-8")


def test_interrupted_driver_heals_before_it_ends(
    cluster: ClusterUnderTest, journal: Journal, tmp_path: Path
) -> None:
    output = tmp_path / "driver.txt"
    driver = cluster.start(["chaos", "pause", "rmq2", "--for", "10m"], output=output)
    cluster.wait_for(lambda: any(each.is_proven for each in open_faults(journal)), "the fault", 60)
    driver.send_signal(signal.SIGTERM)
    assert _exit_code(driver, timeout_s=240) == 130, output.read_text(encoding="utf-8")
    assert state(cluster, "rmq2") is NodeState.RUNNING
    assert open_faults(journal) == ()


@pytest.mark.parametrize("fault", ["kill", pytest.param("pause", marks=pytest.mark.full)])
def test_deleted_journal_is_made_up_for_by_what_can_be_seen(
    cluster: ClusterUnderTest, journal: Journal, fault: str
) -> None:
    assert cluster.warren(["chaos", fault, "rmq2"]).returncode == 0
    journal.path.unlink()
    assert "rmq2: was" in heal(cluster)
    assert state(cluster, "rmq2") is NodeState.RUNNING


def test_cluster_up_brings_a_killed_node_back_and_closes_its_fault(
    cluster: ClusterUnderTest, journal: Journal
) -> None:
    assert cluster.warren(["chaos", "kill", "rmq2"]).returncode == 0
    done = cluster.warren(["cluster", "up"], timeout_s=300)
    assert done.returncode == 0, done.stderr
    assert open_faults(journal) == ()
    assert journal.read().faults[-1].evidence["healed_by"] == "cluster up"


def test_bad_order_is_wrong_usage_and_touches_nothing(cluster: ClusterUnderTest, journal: Journal) -> None:
    before = journal.read()
    for bad in (["rmq9"], [], ["--leader-of", "no.such.queue"], ["rmq1", "--for", "soon"]):
        assert cluster.warren(["chaos", "kill", *bad]).returncode == 2, bad
    assert set(cluster.runtime.states().values()) == {NodeState.RUNNING}
    assert journal.read() == before


def _exit_code(child: subprocess.Popen[bytes], *, timeout_s: float) -> int:
    return child.wait(timeout=timeout_s)
