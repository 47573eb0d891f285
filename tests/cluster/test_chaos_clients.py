"""Faults of clients and accounts against the real cluster, beside load that must lose nothing by them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pika
import pytest
from pika.exceptions import ProbableAuthenticationError

from warren.connection import Credentials, Endpoint, TlsMaterial, parameters, tls_context
from warren.journal import Journal

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

WORK = ["work", "--rate", "100", "--duration", "30s", "--purge"]
#: By fault: its settings, kept small for a busy machine, and a figure of the broker's that must be there.
CLIENTS = {
    "stuck-consumer": (["--set", "prefetch_count=20"], "unacknowledged"),
    "connection-storm": (["--set", "connections_count=100"], "connections"),
    "channel-leak": ([], "channels"),
    "queue-churn": (["--set", "queues_count=10"], "queues_created"),
    "publisher-flood": (["--set", "messages_per_s=1000"], "published"),
    "poison": ([], "redelivered"),
    "bad-certificate": ([], "refused_by_node"),
}


def strike(cluster: ClusterUnderTest, folder: Path, *arguments: str) -> dict[str, Any]:
    """Inject a fault; its evidence."""
    path = folder / "fault.json"
    done = cluster.warren(["chaos", *arguments, "--json", str(path)])
    assert done.returncode == 0, done.stderr
    return dict(json.loads(path.read_text(encoding="utf-8"))["evidence"])


def log_in(cluster: ClusterUnderTest, credentials: Credentials) -> None:
    """Connect as an application does, and leave."""
    host, port = cluster.runtime.address("rmq1", "amqps")
    wanted = parameters(
        Endpoint(name="rmq1", host=host, port=port),
        vhost="/orders",
        credentials=credentials,
        tls=tls_context(TlsMaterial(ca_path=cluster.context.cluster_ca)),
        connection_name="test",
    )
    pika.BlockingConnection(wanted).close()


def heal(cluster: ClusterUnderTest) -> str:
    done = cluster.warren(["chaos", "heal"], timeout_s=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ended(run: subprocess.Popen[bytes], path: Path) -> dict[str, Any]:
    run.wait(timeout=240)
    result = dict(json.loads(path.read_text(encoding="utf-8")))
    assert result["ledger"]["lost"] == 0, result["reasons"]
    assert result["ledger"]["unexpected"] == 0, result["reasons"]
    return result


@pytest.mark.full  # the quick matrix crashes one too
def test_crashed_consumer_of_a_run_is_replaced_and_nothing_is_lost(
    cluster: ClusterUnderTest, tmp_path: Path
) -> None:
    run, path = cluster.begin_load(WORK, tmp_path)
    evidence = strike(cluster, tmp_path, "consumer-crash", "--set", "queue=orders.work")
    assert evidence["queue_of_killed"] == "orders.work"
    assert "consumer-crash" in heal(cluster)
    result = ended(run, path)
    assert [fault["name"] for fault in result["faults"]] == ["consumer-crash"]
    worker = evidence["killed"].rpartition(" ")[2]
    assert f"{worker} died" in (tmp_path / "load.out").read_text(encoding="utf-8")


def test_crash_without_a_run_is_refused(cluster: ClusterUnderTest, journal: Journal) -> None:
    before = journal.read()
    done = cluster.warren(["chaos", "consumer-crash"])
    assert (done.returncode, "no run lasts" in done.stderr) == (2, True)
    assert journal.read() == before


@pytest.mark.full
@pytest.mark.parametrize("fault", CLIENTS)
def test_client_bites_beside_load_and_is_healed_without_the_journal(
    cluster: ClusterUnderTest, journal: Journal, tmp_path: Path, fault: str
) -> None:
    settings, figure = CLIENTS[fault]
    run, path = cluster.begin_load(WORK, tmp_path)
    assert strike(cluster, tmp_path, fault, *settings)[figure]
    again = cluster.warren(["chaos", fault])
    assert (again.returncode, "under the fault" in again.stderr) == (2, True)
    (client,) = cluster.runtime.helpers("fault")
    assert (client.fault, client.is_running) == (fault, True)

    lost = journal.path.with_name("journal.lost")
    journal.path.rename(lost)
    assert f"was under {fault}" in heal(cluster)
    lost.rename(journal.path)
    heal(cluster)
    assert cluster.runtime.helpers("fault") == ()
    assert not [
        row["name"] for row in cluster.management.rows("vhosts") if row["name"].startswith("/warren.fault")
    ]
    cluster.context.gate.check()
    ended(run, path)


@pytest.mark.full
def test_unknown_authority_is_refused_too(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    evidence = strike(cluster, tmp_path, "bad-certificate", "--set", "certificate=unknown")
    assert evidence["alert"] == "Unknown CA"
    assert not evidence.get("client_accepted")
    heal(cluster)


@pytest.mark.full
def test_storm_meets_the_limit_of_its_account(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    evidence = strike(
        cluster, tmp_path, "connection-storm", "--set", "connections_count=400", "--set", "lives_s=0"
    )
    assert 128 <= evidence["connections"] <= evidence["connections_allowed"] == 256
    heal(cluster)


@pytest.mark.full
def test_client_ends_by_itself_when_its_time_is_over(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    strike(cluster, tmp_path, "poison", "--set", "limit_s=10")
    cluster.wait_for(lambda: not cluster.runtime.helpers("fault")[0].is_running, "the client to end", 60)
    heal(cluster)
    assert cluster.runtime.helpers("fault") == ()


@pytest.mark.full
def test_rotated_password_keeps_who_is_in_and_refuses_who_comes(
    cluster: ClusterUnderTest, tmp_path: Path
) -> None:
    run, path = cluster.begin_load(WORK, tmp_path)
    evidence = strike(cluster, tmp_path, "password-rotation", "--set", "user=orders-worker")
    assert evidence["connections_kept"] == 2
    known, new = (cluster.state.secrets / f"orders-worker{suffix}" for suffix in ("", ".rotated"))
    log_in(cluster, Credentials.from_file("orders-worker", new))
    with pytest.raises(ProbableAuthenticationError):
        log_in(cluster, Credentials.from_file("orders-worker", known))
    heal(cluster)
    ended(run, path)
    log_in(cluster, Credentials.from_file("orders-worker", known))
    assert not list(cluster.state.secrets.glob("*.rotated"))
