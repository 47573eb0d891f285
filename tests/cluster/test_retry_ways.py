"""The three ways to try again, each under a killed leader and under a worker that dies at every try.

What each costs and what each loses is in docs/retry-ladder.md; here it is held to be nothing.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warren.results import LoadResult, read_result

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

#: By profile: its work queue as `chaos` names it, and which of its roles does the work.
WAYS = {
    "retry": ("payments.work", "consumers.payer"),
    "retry-native": ("/warren.retry-native:warren.payments", "consumers.payer"),
    "retry-republish": ("/warren.retry-republish:warren.payments", "relays.payer"),
}


def lost_nothing(result: LoadResult) -> bool:
    """Nothing lost, nothing invented, every payment at the end that was planned for it. Native delay takes a
    try for what the broker took back, so one that was to succeed at its last may end in the failed queue."""
    ends = result.oracles["tries"]
    clean = (result.ledger.lost, result.ledger.unexpected) == (0, 0)
    planned = ends["wrong_end"] == 0 or result.profile == "retry-native"
    return clean and planned and ends["done"] + ends["failed"] >= result.ledger.confirmed


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.parametrize("profile", WAYS)
def test_killed_leader_loses_no_payment(cluster: ClusterUnderTest, tmp_path: Path, profile: str) -> None:
    child, path = cluster.begin_load([profile, "--purge", "--duration", "15s"], tmp_path)
    time.sleep(3)
    queue, _ = WAYS[profile]
    done = cluster.warren(["chaos", "kill", "--leader-of", queue, "--for", "8s"], timeout_s=200)
    assert done.returncode == 0, done.stderr
    child.wait(timeout=200)
    result = read_result(path)
    assert [fault.name for fault in result.faults] == ["kill"]
    assert lost_nothing(result), result


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.parametrize("profile", WAYS)
def test_worker_that_dies_at_every_try_loses_no_payment(
    cluster: ClusterUnderTest, tmp_path: Path, profile: str
) -> None:
    path = tmp_path / "result.json"
    _, role = WAYS[profile]
    dying = ("--set", f"{role}.crash_on_tries=[0, 1, 2, 3]")
    argv = ["load", "run", profile, "--purge", "--quiet", "--duration", "10s", "--json", str(path)]
    done = cluster.warren([*argv, *cluster.calm, *dying], timeout_s=250)
    assert done.returncode == 0, done.stdout + done.stderr
    result = read_result(path)
    assert sum("died" in note for note in result.params["notes"]) == 4
    assert lost_nothing(result), result
