"""Profiles of streams and of clients that fall behind, come and go, die, carry much, or are blocked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from warren.results import LoadResult, Verdict, read_result

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

#: Two cores carry brokers, generator and monitors: what these tests prove is meaning, not timeliness.
CALM = {"tolerances.self_lag_p99_s": 5, "tolerances.failed_publishes": 1000000}


def run(
    cluster: ClusterUnderTest, tmp_path: Path, profile: str, duration: str, **changes: Any
) -> tuple[LoadResult, int]:
    """Run a profile; ``changes`` are keys of it, with ``__`` for the dot."""
    path = tmp_path / "result.json"
    settings = {**CALM, **{key.replace("__", "."): value for key, value in changes.items()}}
    argv = ["load", "run", profile, "--quiet", "--duration", duration, "--json", str(path)]
    for key, value in settings.items():
        argv += ["--set", f"{key}={value}"]
    done = cluster.warren(argv, timeout_s=300)
    assert path.exists(), done.stdout + done.stderr
    return read_result(path), done.returncode


def holds(checks: Mapping[str, Any], *names: str) -> bool:
    return all(checks[name]["passed"] is True for name in names)


def test_stream_is_replayed_message_by_message(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    result, status = run(cluster, tmp_path, "stream", "5s")
    assert (result.verdict, status) == (Verdict.PASSED, 0), result.reasons
    assert result.ledger.received == result.ledger.confirmed == 1000
    assert holds(result.oracles, "offsets", "stored", "replay", "connections")
    assert result.oracles["offsets"]["resumed"] >= 1
    assert result.oracles["replay"]["replayed"] >= 700


def test_stream_that_forgets_fails_its_replay(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    short = "{x-max-length-bytes: 60000, x-stream-max-segment-size-bytes: 20000}"
    changes: dict[str, Any] = {"objects__queues__warren.stream.log__arguments": short}
    result, status = run(cluster, tmp_path, "stream", "5s", **changes)
    assert (result.verdict, status) == (Verdict.FAILED, 1)
    assert holds(result.oracles, "stored")
    assert result.oracles["replay"]["missing"] > 0
    assert result.oracles["offsets"]["brokers_own"] > 0


def test_stream_protocol_stores_once_and_has_one_active_reader(
    cluster: ClusterUnderTest, tmp_path: Path
) -> None:
    changes = {"publishers__shop__reconnect_every": 300, "consumers__one-active__crash_every": 500}
    result, status = run(cluster, tmp_path, "stream-native", "6s", **changes)
    assert (result.verdict, status) == (Verdict.PASSED, 0), result.reasons
    assert holds(result.oracles, "offsets", "stored", "replay", "deduplication", "single_active")
    assert result.oracles["deduplication"]["stored_already"] > 0
    assert result.oracles["single_active"]["takeovers"] == 2


def test_backlog_rises_and_goes(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    slow = "{from_s: 1, for_s: 3, work_time_s: 0.02}"
    result, _ = run(cluster, tmp_path, "slow-consumer", "7s", consumers__worker__slow=slow)
    assert result.verdict is Verdict.PASSED, result.reasons
    assert holds(result.oracles, "backlog", "drained", "lag", "publishers")


@pytest.mark.full
@pytest.mark.parametrize("overflow", ["reject-publish", "drop-head"])
def test_full_queue_refuses_or_loses(cluster: ClusterUnderTest, tmp_path: Path, overflow: str) -> None:
    arguments = f"{{x-max-length: 60, x-overflow: {overflow}}}"
    changes: dict[str, Any] = {
        "objects__queues__warren.slow.orders__arguments": arguments,
        "consumers__worker__slow": "{from_s: 1, for_s: 3, work_time_s: 0.02}",
        "window": 30,
        "drain_silence_s": 4,
    }
    result, status = run(cluster, tmp_path, "slow-consumer-limit", "7s", **changes)
    if overflow == "reject-publish":
        assert result.verdict is Verdict.PASSED, result.reasons
        assert result.oracles["publishers"]["nacks"] > 0
    else:
        assert (result.verdict, status) == (Verdict.FAILED, 1)
        assert result.ledger.lost > 0


def test_clients_that_come_and_go_lose_nothing(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    result, _ = run(cluster, tmp_path, "churn", "6s")
    assert result.verdict is Verdict.PASSED, result.reasons
    assert holds(result.oracles, "renewals", "connections")
    assert result.oracles["renewals"]["connections"] >= 4
    assert result.ledger.duplicates_unflagged == 0


def test_orders_of_dead_workers_come_back(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    result, _ = run(cluster, tmp_path, "crash", "6s", consumers__worker__crash_every=105)
    assert result.verdict is Verdict.PASSED, result.reasons
    assert holds(result.oracles, "redone")
    assert result.oracles["redone"]["died"] == 4


@pytest.mark.full
def test_every_byte_of_large_messages_arrives(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    result, _ = run(cluster, tmp_path, "big", "4s")
    assert result.verdict is Verdict.PASSED, result.reasons
    assert holds(result.oracles, "bodies")
    assert result.oracles["bodies"]["whole"] == 16


@pytest.mark.full
def test_blocked_publishers_stand_still_and_catch_up(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    result, _ = run(cluster, tmp_path, "flow", "8s", act="{name: memory-alarm, at_s: 1, for_s: 3}")
    assert result.verdict is Verdict.PASSED, result.reasons
    assert holds(result.oracles, "blocked", "stood_still", "caught_up")
    assert [fault.name for fault in result.faults] == ["memory-alarm"]
    assert all(fault.healed_at for fault in result.faults)
    alarms = [node.mem_alarm for node in cluster.management.nodes()]
    cluster.wait_for(lambda: not any(node.mem_alarm for node in cluster.management.nodes()), str(alarms), 15)
