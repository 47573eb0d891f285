"""`warren queue` on a real broker: dead letters that come back once, a look that changes nothing, a purge
that asks; and an export of the cluster that becomes its own topology again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pika
import pytest

from tests.cluster.conftest import ClusterUnderTest
from warren.connection import Credentials, Endpoint, TlsMaterial, parameters, tls_context
from warren.errors import NotReadyError
from warren.queues.listing import exactly
from warren.queues.message import REDRIVEN
from warren.queues.work import desk
from warren.topology_reader import load
from warren.wait import until

#: Of our own, so that the topology's queues and their policies are left alone.
WORK, FAILED = "warren.try.work", "warren.try.failed"
VHOST = "/orders"


@contextmanager
def channel(cluster: ClusterUnderTest) -> Iterator[Any]:
    node = cluster.topology.nodes[0].name
    wanted = parameters(
        Endpoint(name=node, host="127.0.0.1", port=cluster.topology.published_node(node, "amqps")),
        vhost=VHOST,
        credentials=Credentials(username="operator", password=cluster.context.secrets.read("operator")),
        tls=tls_context(TlsMaterial(ca_path=cluster.context.cluster_ca)),
        connection_name="test",
        heartbeat_s=300,
    )
    connection = pika.BlockingConnection(wanted)
    try:
        yield connection.channel()
    finally:
        connection.close()


@pytest.fixture
def failed(cluster: ClusterUnderTest) -> Iterator[Any]:
    """A work queue whose dead letters go to a failed queue, both empty, and a channel."""
    with channel(cluster) as opened:
        declare(opened)
        yield opened
        for name in (WORK, FAILED):
            opened.queue_delete(name)


def declare(opened: Any, *, limit: int = 5, failed_limit: int = 20) -> None:
    for name, arguments in (
        (
            WORK,
            {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": FAILED, "x-delivery-limit": limit},
        ),
        (FAILED, {"x-delivery-limit": failed_limit}),
    ):
        opened.queue_delete(name)
        opened.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum", **arguments})
    opened.confirm_delivery()


def get(opened: Any, name: str) -> tuple[Any, Any, bytes]:
    def one() -> tuple[Any, Any, bytes]:
        method, properties, body = opened.basic_get(name)
        if method is None:
            raise NotReadyError(name, "is empty")
        return method, properties, body

    return until(one, what=f"a message in {name}", deadline_s=10, every_s=0.05)


def die(opened: Any, count: int, *, start: int = 0) -> None:
    """Publish to the work queue and reject each message."""
    for number in range(start, start + count):
        properties = pika.BasicProperties(
            message_id=f"m{number}", delivery_mode=2, headers={"even": number % 2 == 0}
        )
        opened.basic_publish("", WORK, b'{"password": "hunter2"}', properties, mandatory=True)
    for _ in range(count):
        opened.basic_nack(get(opened, WORK)[0].delivery_tag, requeue=False)
    until(lambda: holds(opened, FAILED, start + count), what="the dead letters", deadline_s=20, every_s=0.1)


def holds(opened: Any, name: str, count: int) -> None:
    found = opened.queue_declare(name, passive=True).method.message_count
    if found != count:
        raise NotReadyError(name, f"holds {found} messages, not {count}")


def drain(opened: Any, name: str) -> list[Any]:
    found = []
    while True:
        method, properties, _ = opened.basic_get(name)
        if method is None:
            return found
        found.append(properties)
        opened.basic_ack(method.delivery_tag)


def test_dead_letters_come_back_once_and_a_look_changes_nothing(
    cluster: ClusterUnderTest, failed: Any
) -> None:
    die(failed, 6)
    peeked = cluster.warren(["queue", "peek", FAILED, "--count", "2"])
    assert peeked.returncode == 0, peeked.stderr
    assert "died: rejected in warren.try.work" in peeked.stdout
    assert "hunter2" not in peeked.stdout
    moved = cluster.warren(["queue", "redrive", FAILED, "--header", "even=true", "--yes"])
    assert moved.returncode == 0, moved.stderr
    assert "3 moved out of /orders:warren.try.failed, 3 put back" in moved.stdout
    holds(failed, WORK, 3)
    back = drain(failed, WORK)
    assert [(each.message_id, each.headers[REDRIVEN]) for each in back] == [("m0", 1), ("m2", 1), ("m4", 1)]
    assert not any(name.startswith("x-death") for each in back for name in each.headers)
    left = drain(failed, FAILED)
    assert [each.message_id for each in left] == ["m1", "m3", "m5"], "in their order"
    assert not any("x-delivery-count" in each.headers for each in left), "put back is no failed delivery"


@pytest.mark.full
def test_look_and_redrive_never_lose_what_the_broker_would_drop(
    cluster: ClusterUnderTest, failed: Any
) -> None:
    """Dead of the delivery limit, in a failed queue of the same limit: `basic.get` with requeue loses it."""
    declare(failed, limit=2, failed_limit=2)
    failed.basic_publish("", WORK, b"poison", pika.BasicProperties(message_id="p"), mandatory=True)
    for _ in range(3):
        failed.basic_reject(get(failed, WORK)[0].delivery_tag, requeue=True)
    until(lambda: holds(failed, FAILED, 1), what="the dead letter", deadline_s=10)
    for _ in range(2):
        done = cluster.warren(["queue", "peek", FAILED])
        assert "failed deliveries 3, given back 0 times" in done.stdout, done.stderr
    refused = cluster.warren(["queue", "redrive", FAILED, "--yes"])
    assert refused.returncode == 2
    assert "the delivery limit of this queue is 2" in refused.stderr
    holds(failed, FAILED, 1)
    # What the command says to do; and what happens to whoever does it by hand instead.
    lost = get(failed, FAILED)
    failed.basic_nack(lost[0].delivery_tag, requeue=True)
    until(lambda: holds(failed, FAILED, 0), what="the broker to drop it", deadline_s=10)


@pytest.mark.full
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_ended_in_the_middle_it_goes_on_and_loses_nothing(
    cluster: ClusterUnderTest, failed: Any, number: signal.Signals, tmp_path: Path
) -> None:
    count = 150
    die(failed, count)
    child = cluster.start(["queue", "redrive", FAILED, "--yes", "--rate", "40"], output=tmp_path / "out")
    until(lambda: at_least(failed, WORK, 30), what="some to be moved", deadline_s=60, every_s=0.1)
    child.send_signal(number)
    assert child.wait(timeout=60) == (130 if number == signal.SIGINT else -signal.SIGKILL)
    done = cluster.warren(["queue", "redrive", FAILED, "--yes"])
    assert done.returncode == 0, done.stderr
    until(lambda: holds(failed, FAILED, 0), what="the rest to be moved", deadline_s=20)
    seen = Counter(each.message_id for each in drain(failed, WORK))
    assert set(seen) == {f"m{number}" for number in range(count)}
    twice = [name for name, times in seen.items() if times > 1]
    assert len(twice) <= (0 if number == signal.SIGINT else 1)


def at_least(opened: Any, name: str, count: int) -> None:
    found = opened.queue_declare(name, passive=True).method.message_count
    if found < count:
        raise NotReadyError(name, f"holds {found}")


@pytest.mark.full
def test_what_cannot_be_routed_or_is_refused_stays(cluster: ClusterUnderTest, failed: Any) -> None:
    die(failed, 3)
    failed.queue_delete(WORK)
    done = cluster.warren(["queue", "redrive", FAILED, "--yes"])
    assert done.returncode == 1
    assert "3 stayed: its queue warren.try.work is gone" in done.stdout
    failed.queue_declare(
        WORK,
        durable=True,
        arguments={"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"},
    )
    done = cluster.warren(["queue", "redrive", FAILED, "--yes"])
    assert done.returncode == 1
    assert "takes no more" in done.stdout
    names = Counter(each.message_id for queue in (WORK, FAILED) for each in drain(failed, queue))
    assert names == Counter(["m0", "m1", "m2"])


@pytest.mark.full
def test_list_and_purge(cluster: ClusterUnderTest, failed: Any, tmp_path: Path) -> None:
    die(failed, 2)
    path = tmp_path / "list.json"
    until(lambda: exactly_holding(cluster, FAILED, 2), what="the counters", deadline_s=20)
    done = cluster.warren(["queue", "list", "warren.try.*", "--json", str(path)])
    assert done.returncode == 0, done.stderr
    found = {row["name"]: row for row in json.loads(path.read_text())["queues"]}
    assert (found[FAILED]["ready"], found[FAILED]["online"], found[FAILED]["members"]) == (2, 3, 3)
    assert found[WORK]["dead_letters_to"] == f"queue {FAILED}"
    assert cluster.warren(["queue", "purge", "warren.try.*", "--yes"]).returncode == 2
    refused = cluster.warren(["queue", "purge", FAILED])
    assert (refused.returncode, "holds 2 messages" in refused.stderr) == (2, True)
    purged = cluster.warren(["queue", "purge", FAILED, "--yes"])
    assert (purged.returncode, purged.stdout) == (0, f"2 messages of {VHOST}:{FAILED} removed\n")
    holds(failed, FAILED, 0)


def exactly_holding(cluster: ClusterUnderTest, name: str, count: int) -> None:
    found = exactly(cluster.management.queues(), name).messages_ready
    if found != count:
        raise NotReadyError(name, f"holds {found}")


@pytest.mark.full
def test_classic_queue_is_looked_into_in_its_order(cluster: ClusterUnderTest) -> None:
    with channel(cluster) as opened:
        opened.queue_declare("warren.try.classic", durable=True, arguments={"x-queue-type": "classic"})
        try:
            for number in range(3):
                opened.basic_publish("", "warren.try.classic", b"%d" % number)
            until(lambda: holds(opened, "warren.try.classic", 3), what="them", deadline_s=10)
            found = desk(cluster.context, "warren.try.classic").look(2, 2, bytes_shown=9)
            assert [each.body for each in found] == [b"1", b"2"]
            assert [get(opened, "warren.try.classic")[2] for _ in range(3)] == [b"0", b"1", b"2"]
        finally:
            opened.queue_delete("warren.try.classic")


@pytest.mark.full
def test_export_of_the_cluster_becomes_its_own_topology(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    export, made = tmp_path / "definitions.json", tmp_path / "imported.yml"
    export.write_text(json.dumps(cluster.management.definitions()), encoding="utf-8")
    source = Path(cluster.env["WARREN_TOPOLOGY"])
    done = cluster.warren(
        [
            "topology",
            "import",
            str(export),
            "-o",
            str(made),
            "--like",
            str(source),
            "--name",
            cluster.topology.cluster,
        ]
    )
    assert done.returncode == 0, done.stderr
    planned = subprocess.run(
        cluster.argv(["topology", "plan", "--topology", str(made)]),
        env={**os.environ, **cluster.env}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert planned.returncode == 0, planned.stderr
    assert "the broker has what the topology asks for" in planned.stdout
    assert replace(load(made), vhosts=(), users=()) == replace(cluster.topology, vhosts=(), users=())
