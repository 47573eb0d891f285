"""Load against the real cluster: each profile proves its meaning, and a killed leader loses nothing."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warren.results import LoadResult, Verdict, read_result

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

VHOST = "/orders"
#: More than a run of these tests leaves waiting.
_FOREIGN = 137


def run(cluster: ClusterUnderTest, tmp_path: Path, profile: str, *options: str) -> LoadResult:
    """Run a profile to its end and read its result."""
    path = tmp_path / "result.json"
    argv = ["load", "run", profile, "--purge", "--quiet", "--json", str(path), *cluster.calm, *options]
    done = cluster.warren(argv, timeout_s=420)
    assert done.returncode == 0, done.stdout + done.stderr
    return read_result(path)


@pytest.mark.full
def test_single_active_consumer_is_replaced_each_time(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    result = run(cluster, tmp_path, "single-active", "--duration", "20s")
    assert result.ledger.received == result.ledger.confirmed == 2000
    assert result.traffic.links_opened > 6, "its workers broke off"


def test_every_order_is_done_or_dead_lettered(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    result = run(cluster, tmp_path, "work", "--duration", "10s", "--rate", "300")
    assert result.verdict is Verdict.PASSED
    assert result.ledger.published == result.ledger.confirmed == result.ledger.received == 3000
    assert result.ledger.dead_lettered["rejected"] == pytest.approx(300, rel=0.3)
    assert result.oracles["done_or_dead_lettered"]["passed"] is True
    assert len(result.series) >= 10
    assert result.reconciliation is not None
    # Equal to the message, whoever else may still be connected: crashed clients of an earlier test are.
    counters = result.reconciliation["counters"]
    assert [name for name, line in counters.items() if line["broker"] != line["ledger_least"]] == []
    cluster.wait_for(
        lambda: cluster.management.queue(VHOST, "orders.work").messages == 0, "the queue to be empty", 15
    )


def test_order_is_kept_for_a_single_consumer(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    result = run(cluster, tmp_path, "work", "--duration", "5s", "--rate", "300", "--consumers", "1")
    assert result.ledger.reordered == 0


def test_prefetch_of_one_works(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    result = run(cluster, tmp_path, "work", "--duration", "5s", "--rate", "100", "--prefetch", "1")
    assert result.ledger.received == 500


@pytest.mark.full
def test_payments_climb_the_ladder(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    result = run(cluster, tmp_path, "retry", "--duration", "5s", "--rate", "40")
    assert result.oracles["tries"]["judged"] == 200
    delays = result.oracles["delays"]
    assert delays["passed"] is True
    assert all(delays[f"step_{step}"]["count"] > 0 for step in (1, 2, 3))
    assert result.ledger.dead_lettered == {"rejected": result.oracles["tries"]["failed"]}


def test_vip_orders_overtake(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    result = run(cluster, tmp_path, "priority", "--duration", "10s")
    waits = result.oracles["waiting_time_s"]
    assert waits["passed"] is True
    assert waits["vip"]["p50"] < waits["normal"]["p50"] / 5
    assert result.oracles["inversions"]["count"] == 0


@pytest.mark.full
def test_killed_leader_loses_nothing_and_is_in_the_result(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    child, path = cluster.begin_load(["work", "--purge", "--duration", "30s", "--publishers", "3"], tmp_path)
    time.sleep(3)
    done = cluster.warren(["chaos", "kill", "--leader-of", "orders.work"], timeout_s=120)
    assert done.returncode == 0, done.stderr
    time.sleep(8)
    assert cluster.warren(["chaos", "heal"], timeout_s=300).returncode == 0
    child.wait(timeout=300)
    result = read_result(path)
    assert (result.ledger.lost, result.ledger.unexpected) == (0, 0)
    assert result.ledger.confirmed > 0
    assert [fault.name for fault in result.faults] == ["kill"]
    assert result.reconciliation is not None
    assert any("restarted" in reason for reason in result.reconciliation["explained"])
    assert result.oracles["done_or_dead_lettered"]["passed"] is True


def test_killed_worker_takes_no_evidence_with_it(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    child, path = cluster.begin_load(["work", "--purge", "--duration", "15s", "--rate", "200"], tmp_path)
    name = f"label=warren.cluster={cluster.topology.cluster}"
    box = _docker(cluster, "ps", "--quiet", "--filter", name, "--filter", "label=warren.role=load").split()[0]
    code = (
        "import os, signal\n"
        "for pid in sorted(int(each) for each in os.listdir('/proc') if each.isdigit()):\n"
        "    words = open(f'/proc/{pid}/cmdline', 'rb').read().split(b'\\0')\n"
        "    if b'worker' in words: os.kill(pid, signal.SIGKILL); break\n"
    )
    _docker(cluster, "exec", box, "python3", "-c", code)
    child.wait(timeout=300)
    result = read_result(path)
    assert (result.ledger.lost, result.ledger.unexpected) == (0, 0)
    assert result.ledger.received == result.ledger.published == 3000
    assert any("died" in note for note in result.params["notes"])


def test_interrupt_drains_judges_and_exits_130(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    child, path = cluster.begin_load(["work", "--purge", "--duration", "5m", "--rate", "200"], tmp_path)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=120) == 130
    result = read_result(path)
    assert result.interrupted
    assert result.ledger.lost == 0
    assert result.ledger.received == result.ledger.published


def test_run_announces_itself_to_prometheus_while_it_lasts(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    child, path = cluster.begin_load(["work", "--purge", "--duration", "25s", "--rate", "100"], tmp_path)
    query = "sum(warren_load_messages_confirmed_total)"

    def scraped() -> bool:
        found = cluster.prometheus(query)
        return bool(found) and found[0].value > 0

    cluster.wait_for(scraped, "Prometheus to have scraped the run", 30)
    assert len(list(cluster.state.targets.glob("load-*.json"))) == 1
    child.wait(timeout=120)
    assert read_result(path).verdict is Verdict.PASSED
    assert list(cluster.state.targets.glob("load-*.json")) == []


def test_queue_that_is_not_empty_is_refused_by_name(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    body = {"properties": {"delivery_mode": 2}, "routing_key": "order.created", "payload": "x",
            "payload_encoding": "string"}  # fmt: skip
    # A depth is collected twice on its way to the refusal, five seconds apart at most each time: one message
    # may be left from a run that has just ended, and turn to none before ours is counted. So many at once can
    # only be these.
    for _ in range(_FOREIGN):
        assert cluster.management.post("exchanges", VHOST, "orders.direct", "publish", body=body)["routed"]
    cluster.wait_for(
        lambda: cluster.management.queue(VHOST, "orders.work").messages == _FOREIGN, "them to be counted", 30
    )
    done = cluster.warren(["load", "run", "work", "--duration", "1s", "--quiet"], timeout_s=120)
    assert done.returncode == 3, done.stdout
    assert "queue orders.work: " in done.stderr
    assert f"holds {_FOREIGN} messages of something else" in done.stderr
    assert "--purge" in done.stderr
    cluster.purge()


def _docker(cluster: ClusterUnderTest, *arguments: str) -> str:
    done = cluster.context.run([cluster.context.engine.docker, *arguments], timeout_s=60)
    assert done.ok, done.stderr
    return done.stdout
