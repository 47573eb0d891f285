"""Bringing the real cluster up, down and up again, and the commands of daily use around it."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warren.runtime.protocol import NodeState

if TYPE_CHECKING:
    from tests.cluster.conftest import ClusterUnderTest

#: A warm start on a machine that does nothing else takes 25 s; the promise is 30.
WARM_S = 30.0
#: A machine that also runs other tests is slower; what fails here is a promise broken by far.
SLOW_MACHINE = 3.0

PUBLISH = """
channel = connection.channel()
channel.confirm_delivery()
for number in range(100):
    properties = pika.BasicProperties(delivery_mode=2)
    channel.basic_publish("", "orders.audit", b"kept %d" % number, properties, mandatory=True)
"""
COUNT = """
print(connection.channel().queue_declare("orders.audit", passive=True).method.message_count)
"""


def processes(cluster: ClusterUnderTest) -> dict[str, int | None]:
    return {node.name: cluster.runtime.process_id(node.name) for node in cluster.topology.nodes}


def run_snippet(cluster: ClusterUnderTest, user: str, more: str) -> str:
    """The output of the program that `cluster env --for pika` prints, with ``more`` at its end."""
    done = cluster.warren(["cluster", "env", "--user", user, "--for", "pika"])
    assert done.returncode == 0, done.stderr
    script = f"{done.stdout}\n{more}"
    argv = [sys.executable, "-c", script]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_second_up_leaves_every_node_as_it_is(cluster: ClusterUnderTest) -> None:
    before = processes(cluster)
    done = cluster.warren(["cluster", "up"], timeout_s=300)
    assert done.returncode == 0, done.stderr
    assert processes(cluster) == before
    assert "the nodes run already" in done.stderr
    assert "cluster up in" in done.stdout


def test_status_shows_a_whole_cluster_and_writes_it_as_json(
    cluster: ClusterUnderTest, tmp_path: Path
) -> None:
    done = cluster.warren(["cluster", "status", "--json", str(tmp_path / "status.json")])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"cluster '{cluster.topology.cluster}': whole")
    document = json.loads((tmp_path / "status.json").read_text())
    assert {node["state"] for node in document["nodes"]} == {"running"}
    assert {queue["online"] for queue in document["queues"]} == {3}
    assert sum(node["leaders"] for node in document["nodes"]) == len(document["queues"])


def test_status_of_a_cluster_with_a_stopped_node_is_not_ready(cluster: ClusterUnderTest) -> None:
    cluster.runtime.kill("rmq3")
    try:
        done = cluster.warren(["cluster", "status"])
        assert done.returncode == 3
        assert "rmq3     stopped" in done.stdout
    finally:
        again = cluster.warren(["cluster", "up"], timeout_s=300)
    assert again.returncode == 0, again.stderr
    assert cluster.runtime.states()["rmq3"] is NodeState.RUNNING


def test_broker_tools_run_on_a_node_and_their_exit_status_is_passed_on(cluster: ClusterUnderTest) -> None:
    good = cluster.warren(["cluster", "ctl", "rmq2", "--", "rabbitmq-diagnostics", "-q", "ping"])
    assert good.returncode == 0, good.stderr
    assert "Ping succeeded" in good.stdout
    bad = cluster.warren(["cluster", "ctl", "rmq2", "--", "no_such_command"])
    assert bad.returncode == 64, "rabbitmqctl's own status for a wrong use"
    unknown = cluster.warren(["cluster", "ctl", "rmq9", "--", "status"])
    assert (unknown.returncode, "nodes: rmq1, rmq2, rmq3" in unknown.stderr) == (2, True)


def test_logs_of_a_node_and_of_a_service(cluster: ClusterUnderTest) -> None:
    assert "rabbit" in cluster.warren(["cluster", "logs", "rmq1", "--lines", "200"]).stdout.lower()
    assert cluster.warren(["cluster", "logs", "prometheus", "--lines", "5"]).returncode == 0
    assert cluster.warren(["cluster", "logs", "nothing"]).returncode == 2


@pytest.mark.parametrize("user", ["orders-worker", "users-web", "operator"])
def test_pika_snippet_connects_as_it_is_printed(cluster: ClusterUnderTest, user: str) -> None:
    assert run_snippet(cluster, user, "print(connection.is_open)") == "True"


def test_curl_snippet_is_let_in_as_it_is_printed(cluster: ClusterUnderTest) -> None:
    snippet = cluster.warren(["cluster", "env", "--user", "operator", "--for", "curl"]).stdout
    done = subprocess.run(["sh", "-euc", snippet], capture_output=True, text=True, check=False, timeout=30)
    assert json.loads(done.stdout)["name"] == "operator", done.stderr


def test_second_state_folder_is_refused_and_changes_nothing(
    cluster: ClusterUnderTest, tmp_path: Path
) -> None:
    before = processes(cluster)
    mine, cluster.env = cluster.env, {**cluster.env, "WARREN_STATE": str(tmp_path / "second")}
    try:
        for command in ("up", "down", "status"):
            done = cluster.warren(["cluster", command], timeout_s=300)
            assert done.returncode == 2, f"{command}: {done.stdout}{done.stderr}"
            assert str(cluster.state.root) in done.stderr
    finally:
        cluster.env = mine
    assert processes(cluster) == before


def test_changed_settings_are_shown_and_refused(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    before = processes(cluster)
    topology = tmp_path / "changed.yml"
    text = cluster.context.topology_path.read_text()
    assert "channel_max: 256" in text
    topology.write_text(text.replace("channel_max: 256", "channel_max: 300"))
    done = cluster.warren(["cluster", "up", "--topology", str(topology)], timeout_s=300)
    assert done.returncode == 2, done.stderr
    assert "+max_channels_per_connection = 300" in done.stderr
    assert processes(cluster) == before


def test_renewed_certificate_is_served_without_a_restart(cluster: ClusterUnderTest) -> None:
    before, leaf = processes(cluster), cluster.context.pki.leaf("cluster", "rmq1")
    old = leaf.certificate.read_bytes()
    leaf.certificate.unlink()
    done = cluster.warren(["cluster", "up"], timeout_s=300)
    assert done.returncode == 0, done.stderr
    assert leaf.certificate.read_bytes() != old
    assert processes(cluster) == before
    assert served(cluster, "rmq1") == leaf.certificate.read_text().strip()


@pytest.mark.full
def test_renewed_inter_node_certificate_is_shown_without_a_restart(cluster: ClusterUnderTest) -> None:
    """Within two of Erlang's looks at its files, which it takes every two minutes."""
    before, leaf = processes(cluster), cluster.context.pki.leaf("inter-node", "rmq1")
    leaf.certificate.unlink()
    done = cluster.warren(["cluster", "up"], timeout_s=300)
    assert done.returncode == 0, done.stderr
    renewed = ssl.PEM_cert_to_DER_cert(leaf.certificate.read_text())
    cluster.wait_for(lambda: shown_to_nodes(cluster, "rmq1") == renewed, "the renewed certificate", 270)
    assert processes(cluster) == before


def shown_to_nodes(cluster: ClusterUnderTest, node: str) -> bytes:
    """The certificate (DER) that the inter-node port of ``node`` shows to one that has its own."""
    port = cluster.topology.ports.inter_node
    ask = (
        f"cd /etc/rabbitmq/tls && openssl s_client -connect {node}:{port} -cert inter-node.pem"
        " -key inter-node.key </dev/null 2>/dev/null | openssl x509"
    )
    done = cluster.runtime.execute(node, ["sh", "-c", ask], timeout_s=30)
    return ssl.PEM_cert_to_DER_cert(done.stdout)


def served(cluster: ClusterUnderTest, node: str) -> str:
    """The certificate (PEM) that the AMQPS listener of ``node`` shows."""
    host, port = cluster.runtime.address(node, "amqps")
    return ssl.get_server_certificate((host, port), timeout=10).strip()


def test_messages_survive_down_an_interrupted_up_and_up(
    cluster: ClusterUnderTest, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    cluster.management.delete("queues", "/orders", "orders.audit", "contents")
    run_snippet(cluster, "operator", PUBLISH)
    down = cluster.warren(["cluster", "down"], timeout_s=300)
    assert down.returncode == 0, down.stderr
    assert cluster.runtime.containers() == []
    assert cluster.warren(["cluster", "status"]).returncode == 3

    interrupted = cluster.start(["cluster", "up"], output=tmp_path / "up.txt")
    cluster.wait_for(
        lambda: "starting the nodes" in (tmp_path / "up.txt").read_text(), "the nodes to be started", 200
    )
    interrupted.send_signal(signal.SIGINT)
    assert interrupted.wait(timeout=30) == 130

    cluster.warren(["cluster", "down"], timeout_s=300)
    began = time.monotonic()
    up = cluster.warren(["cluster", "up"], timeout_s=300)
    took_s = time.monotonic() - began
    record_property("warm_up_s", round(took_s, 1))
    assert up.returncode == 0, up.stderr
    assert run_snippet(cluster, "operator", COUNT) == "100"
    assert took_s < WARM_S * SLOW_MACHINE, up.stdout
    cluster.management.delete("queues", "/orders", "orders.audit", "contents")
