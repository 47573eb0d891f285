"""The retry ladder loses nothing, even where a worker is killed in the middle of every attempt.

The trap that it is built around: a message that reaches its delivery limit by crashes, is dead-lettered
into a rung, expires there and comes back has gone round a cycle without a rejection, and the broker
drops it in silence (docs/retry-ladder.md).
"""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pika
import pytest

from warren import routing

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

VHOST, WORK, FAILED = "/orders", "payments.work", "payments.failed"
RUNGS = ("payments.wait-5s", "payments.wait-10s", "payments.wait-30s")
PAYMENTS = [f"payment-{number}" for number in range(12)]
WORKER = Path(__file__).parent / "crashing_worker.py"


@contextmanager
def channel(cluster: ClusterUnderTest, user: str) -> Iterator[Any]:
    """A channel of ``user`` to the first node, over verified TLS."""
    host, port = cluster.runtime.address("rmq1", "amqps")
    tls = ssl.create_default_context(cafile=str(cluster.context.cluster_ca))
    password = cluster.context.secrets.read(user)
    connection = pika.BlockingConnection(
        pika.ConnectionParameters(
            host, port, VHOST, pika.PlainCredentials(user, password),
            ssl_options=pika.SSLOptions(tls, host),
        )
    )  # fmt: skip
    try:
        yield connection.channel()
    finally:
        if connection.is_open:
            connection.close()


def publish(cluster: ClusterUnderTest, bodies: list[str]) -> None:
    """With confirms, as a new payment."""
    with channel(cluster, "orders-payments") as broker:
        broker.confirm_delivery()
        for body in bodies:
            broker.basic_publish(
                "payments.direct", "payment.new", body.encode(), pika.BasicProperties(delivery_mode=2)
            )


def crash_in_mid_attempt(cluster: ClusterUnderTest, count: int) -> list[str]:
    """A worker takes ``count`` payments and is killed with SIGKILL; what it had taken."""
    host, port = cluster.runtime.address("rmq1", "amqps")
    arguments = [host, str(port), str(cluster.context.cluster_ca), "orders-payments"]
    arguments += [str(cluster.context.secrets.path("orders-payments")), WORK, str(count)]
    done = subprocess.run(
        [sys.executable, str(WORKER), *arguments], capture_output=True, timeout=90, check=False
    )
    assert done.returncode == -9, done.stderr.decode()
    return sorted(done.stdout.decode().split())


def settle(cluster: ClusterUnderTest, user: str, queue: str, count: int) -> list[tuple[str, Any]]:
    """Take ``count`` messages of ``queue``, reject those of the work queue, ack others."""
    found: list[tuple[str, Any]] = []
    with channel(cluster, user) as broker:
        broker.basic_qos(prefetch_count=count)
        for method, properties, body in broker.consume(queue, inactivity_timeout=60):
            assert method is not None, f"{len(found)} of {count} came out of {queue} within a minute"
            if queue == WORK:
                broker.basic_reject(method.delivery_tag, requeue=False)
            else:
                broker.basic_ack(method.delivery_tag)
            found.append((body.decode(), properties))
            if len(found) == count:
                break
        broker.cancel()
    return found


@pytest.mark.full
@pytest.mark.timeout(400)
def test_worker_killed_in_mid_attempt_on_every_rung_loses_no_payment(cluster: ClusterUnderTest) -> None:
    cluster.purge()
    publish(cluster, PAYMENTS)
    for _attempt in range(len(RUNGS) + 1):
        assert crash_in_mid_attempt(cluster, len(PAYMENTS)) == sorted(PAYMENTS)
        assert sorted(body for body, _ in settle(cluster, "orders-payments", WORK, len(PAYMENTS))) == sorted(
            PAYMENTS
        )
    failed = settle(cluster, "orders-support", FAILED, len(PAYMENTS))
    assert sorted(body for body, _ in failed) == sorted(PAYMENTS)
    for _body, properties in failed:
        deaths = {(each["queue"], each["reason"]): each["count"] for each in properties.headers["x-death"]}
        assert deaths[WORK, "rejected"] == len(RUNGS) + 1
        assert {rung: deaths[rung, "expired"] for rung in RUNGS} == dict.fromkeys(RUNGS, 1)


@pytest.mark.timeout(300)
def test_payment_that_crashes_its_worker_too_often_is_found_in_failed(cluster: ClusterUnderTest) -> None:
    """Crashes alone never climb the ladder: what reaches the delivery limit goes where somebody sees it."""
    cluster.purge()
    vhost = cluster.topology.vhost(VHOST)
    limit = routing.effective(vhost, vhost.queue(WORK))["delivery-limit"]
    publish(cluster, ["poison"])
    for _crash in range(limit + 1):
        with channel(cluster, "orders-payments") as broker:
            method = next(broker.consume(WORK, inactivity_timeout=30))[0]
            assert method is not None
    (body, properties), *others = settle(cluster, "orders-support", FAILED, 1)
    assert (body, others) == ("poison", [])
    assert [(each["queue"], each["reason"]) for each in properties.headers["x-death"]] == [
        (WORK, "delivery_limit")
    ]
