"""Game days on the real cluster: judged by ledger, broker, timing and alerts, and healed whatever comes."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chaos.experiment_reader import names
from warren.process import Completed
from warren.runtime.protocol import NodeState

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

#: Two cores carry brokers, load, monitoring and this test: that figures are right is shown elsewhere.
CALM = "load.settings={tolerances.self_lag_p99_s: 2, tolerances.failed_publishes: 1000000}"
KILL = "method.kill the leader"
SHORT = (CALM, "load.rate=100", "load.duration=30s", f"{KILL}.at=8s", f"{KILL}.for=8s", "alerts=[]",
    "expectations.confirm_gap_s.high=30")  # fmt: skip
#: Long, or on a cluster of other settings or made for disk faults.
APART = ("monkey-hour", "leader-paused-poll-1s", "slow-disk-leader", "disk-full")


def play(
    cluster: ClusterUnderTest,
    name: str,
    settings: Sequence[str],
    out: Path,
    *more: str,
    timeout_s: float = 900,
) -> tuple[Completed, dict[str, Any]]:
    options = [part for each in settings for part in ("--set", each)]
    arguments = ["chaos", "run", name, *options, *more, "--out", str(out)]
    done = cluster.warren(arguments, timeout_s=timeout_s)
    path = out / "gameday.json"
    return done, json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def assert_whole(cluster: ClusterUnderTest) -> None:
    assert set(cluster.runtime.states().values()) == {NodeState.RUNNING}
    assert "no fault is open" in cluster.warren(["chaos", "status"]).stdout
    cluster.context.gate.check()


@pytest.mark.full  # the quick matrix plays five such days
def test_leader_killed_under_load_is_judged_from_all_sides(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    done, day = play(cluster, "leader-killed", SHORT, tmp_path / "day", "--seed", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (day["verdict"], day["seed"], day["load"]["ledger"]["lost"]) == ("passed", 5, 0)
    assert day["load"]["ledger"]["confirmed"] == 3000
    (fault,) = day["faults"]
    assert (fault["run_id"], fault["name"], fault["phase"]) == (day["run_id"], "kill", "healed")
    gap, redundancy = (day["expectations"][at]["value"] for at in (0, 1))
    assert 0 < gap < 30
    assert redundancy > 1
    checks = {each["name"]: each["passed"] for each in day["checks"]}
    assert checks["loss"] and checks["orphaned-unacked"] and checks["redundancy"]  # noqa: PT018
    assert day["settings"]["failure_detector_poll_ms"] == 5000
    page = (tmp_path / "day" / "report.html").read_text(encoding="utf-8")
    assert "Leader killed: passed" in page
    assert '"text":"kill rmq' in page
    assert_whole(cluster)


def test_nothing_begins_on_a_broken_cluster_and_a_plan_changes_nothing(
    cluster: ClusterUnderTest, tmp_path: Path
) -> None:
    plan = cluster.warren(["chaos", "run", "leader-killed", "--dry-run"])
    assert plan.returncode == 0, plan.stderr
    assert "nothing was changed" in plan.stdout
    tuned = cluster.warren(["chaos", "run", "leader-paused-poll-1s"])
    assert (tuned.returncode, "presumes 1000" in tuned.stderr) == (3, True)
    assert cluster.warren(["chaos", "memory-alarm", "rmq3"]).returncode == 0
    done, day = play(cluster, "leader-killed", SHORT, tmp_path)
    assert (done.returncode, day) == (3, {})
    assert "memory-alarm" in done.stderr
    cluster.warren(["chaos", "heal"], timeout_s=300)
    assert_whole(cluster)


@pytest.mark.full
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_driver_that_ends_early_leaves_a_whole_cluster(
    cluster: ClusterUnderTest, tmp_path: Path, number: signal.Signals
) -> None:
    """After ^C it heals and judges itself; after SIGKILL its watchdog heals, and its load ends unheard."""
    out = tmp_path / "day"
    options = [part for each in SHORT for part in ("--set", each)]
    run = cluster.start(
        ["chaos", "run", "leader-killed", *options, "--out", str(out)], output=tmp_path / "log"
    )
    end = time.monotonic() + 120
    while NodeState.STOPPED not in cluster.runtime.states().values():
        assert time.monotonic() < end, (tmp_path / "log").read_text(encoding="utf-8")
        time.sleep(0.2)
    os.killpg(run.pid, number) if number is signal.SIGKILL else run.send_signal(number)
    status = run.wait(timeout=400)
    if number is signal.SIGINT:
        assert status == 130
        day = json.loads((out / "gameday.json").read_text(encoding="utf-8"))
        assert (day["verdict"], day["load"]["interrupted"]) == ("inconclusive", True)
    else:
        end = time.monotonic() + 300
        while "no fault is open" not in cluster.warren(["chaos", "status"]).stdout:
            assert time.monotonic() < end
            time.sleep(1)
    assert_whole(cluster)


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in names() if name not in APART])
def test_game_day_of_the_catalogue_loses_nothing_and_is_healed(
    cluster: ClusterUnderTest, tmp_path: Path, name: str
) -> None:
    """Its intervals are for a quiet machine: here only its reasons of timing may speak against it."""
    done, day = play(cluster, name, ("load.rate=50",), tmp_path / "day")
    assert day, done.stderr
    assert day["verdict"] != "hang", day["reasons"]
    assert all(fault["injected_at"] and fault["healed_at"] for fault in day["faults"])
    assert day["faults"]
    checks = {each["name"]: each for each in day["checks"]}
    for must in ("loss", "unexpected", "duplicates", "orphaned-unacked", "redundancy", "sac-wedge"):
        assert checks[must]["passed"], checks[must]
    assert_whole(cluster)


@pytest.mark.full
def test_monkey_of_two_minutes_can_be_drawn_again(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    settings = ("load.duration=150s", "monkey.until=120s", "monkey.every=[5s, 10s]", "load.rate=50")
    _, day = play(cluster, "monkey-hour", settings, tmp_path / "day", "--seed", "3")
    assert day["verdict"] in ("passed", "inconclusive"), day["reasons"]
    assert len(day["faults"]) >= 2
    options = [part for each in settings for part in ("--set", each)]
    plan = cluster.warren(["chaos", "run", "monkey-hour", "--dry-run", "--seed", "3", *options]).stdout
    drawn = [line for line in plan.splitlines() if "after '0" in line or "at 20 s" in line]
    for fault, line in zip(day["faults"], drawn, strict=False):
        assert f"{fault['name']} {fault['target']}" in line
    assert_whole(cluster)
