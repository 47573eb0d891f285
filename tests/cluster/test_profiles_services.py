"""Profiles of services against the real cluster: each proves its meaning, and a broken one is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from loadgen import scenario
from warren.results import LoadResult, Verdict, read_result

if TYPE_CHECKING:
    from conftest import ClusterUnderTest


def run(cluster: ClusterUnderTest, folder: Path, profile: str, *options: str, status: int = 0) -> LoadResult:
    """Run a profile to its end and read its result."""
    path = folder / "result.json"
    argv = ["load", "run", profile, "--purge", "--quiet", "--json", str(path), *cluster.calm, *options]
    done = cluster.warren(argv, timeout_s=240)
    assert done.returncode == status, done.stdout + done.stderr
    return read_result(path)


def test_every_saga_ends_once_though_a_service_dies(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    result = run(cluster, tmp_path, "saga", "--duration", "10s")
    assert result.verdict is Verdict.PASSED
    assert any("died" in note for note in result.params["notes"])
    ends = result.oracles["one_end"]
    assert sum(ends["as_planned"].values()) == ends["sagas"] == 500
    assert min(ends["as_planned"].values()) > 10
    assert result.oracles["steps"]["taken"] == result.ledger.received


def test_refunds_that_expire_leave_sagas_without_an_end(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    document = yaml.safe_load((scenario.FOLDER / "saga.yml").read_text(encoding="utf-8"))
    queues = document["objects"]["queues"]
    refunds = next(each for each in queues if each["name"] == "warren.saga.refunds")
    refunds["arguments"] = {"x-message-ttl": 20}
    changes = {
        "objects.queues": json.dumps(queues),
        "relays.refund.prefetch": "1",
        "relays.refund.work_time_s": "0.5",
        "drain_silence_s": "3",
    }
    options = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    result = run(cluster, tmp_path, "saga", "--duration", "5s", *options, status=1)
    assert result.verdict is Verdict.FAILED
    assert result.ledger.lost > 0
    assert result.oracles["one_end"]["in_no_end"] > 0
    assert result.oracles["one_end"]["in_two_ends"] == 0


def test_mail_reaches_its_service_or_the_failed_queue(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    result = run(cluster, tmp_path, "mail", "--duration", "8s")
    assert result.verdict is Verdict.PASSED
    assert result.ledger.received == 800
    rejected = result.oracles["done_or_dead_lettered"]["dead_lettered"]
    assert result.ledger.dead_lettered["rejected"] == rejected > 5


@pytest.mark.parametrize("profile", ["rpc-direct", "rpc-exchange"])
def test_every_request_is_answered(cluster: ClusterUnderTest, tmp_path: Path, profile: str) -> None:
    result = run(cluster, tmp_path, profile, "--duration", "6s", "--set", "relays.server.crash_every=100")
    assert result.verdict is Verdict.PASSED
    answered = result.oracles["answered"]
    assert answered["requests"] == answered["answered"] == result.ledger.confirmed == 600
    assert result.oracles["correlation"]["wrong"] == 0
    assert result.oracles["round_trip_s"]["count"] == 600


def test_answers_that_lead_nowhere_are_missed(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    changes = ("relays.server.reply_exchange=warren.rpc", "publish_deadline_s=4", "drain_silence_s=3")
    options = [word for each in changes for word in ("--set", each)]
    result = run(cluster, tmp_path, "rpc-exchange", "--duration", "4s", *options, status=1)
    assert result.verdict is Verdict.FAILED
    answered = result.oracles["answered"]
    assert answered["never"] == answered["requests"] == result.ledger.lost == 400
    assert answered["timeouts"] >= 400


@pytest.mark.full
def test_day_of_all_profiles_has_one_verdict(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    argv = ["load", "run", "mixed", "--duration", "15s", "--purge", "--quiet", "--json", str(path)]
    done = cluster.warren(argv, timeout_s=400)
    result = read_result(path)
    assert (result.ledger.lost, result.ledger.unexpected) == (0, 0), done.stdout
    assert len(result.parts) >= 15
    assert result.ledger.published == sum(each["ledger"]["published"] for each in result.parts)
    broken = {name for name, check in result.oracles.items() if check.get("passed") is False}
    # How high a backlog gets hangs on what the machine can do beside twenty other profiles.
    assert {name for name in broken if not name.startswith("slow-consumer_")} == set(), done.stdout
