"""What provocations do to the cluster under test: messages, consumers, tools, containers; each undone."""

from __future__ import annotations

import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pika
import urllib3

from warren.management import RejectedError

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

#: The broker's tools boot an Erlang machine of their own, on a busy machine slowly.
TOOL_S = 90.0
_THREADS = 6


# -- messages, by the management API


def publish(cluster: ClusterUnderTest, vhost: str, exchange: str, key: str, count: int) -> int:
    """Publish ``count`` persistent messages, each with a confirm; how many of them were nacked."""
    body = {
        "routing_key": key,
        "payload": "-",
        "payload_encoding": "string",
        "properties": {"delivery_mode": 2},
    }

    def nacked(_: int) -> bool:
        try:
            cluster.management.post("exchanges", vhost, exchange or "amq.default", "publish", body=body)
        except RejectedError:
            return True
        return False

    with ThreadPoolExecutor(_THREADS) as pool:
        return sum(pool.map(nacked, range(count)))


def get(cluster: ClusterUnderTest, vhost: str, queue: str, count: int, ackmode: str) -> int:
    """Take up to ``count`` messages and settle them by ``ackmode`` (the management API's); how many came."""
    body = {"count": count, "ackmode": ackmode, "encoding": "auto"}
    return len(cluster.management.post("queues", vhost, queue, "get", body=body))


@contextmanager
def scratch_queue(cluster: ClusterUnderTest, vhost: str, name: str, **arguments: Any) -> Iterator[str]:
    """A quorum queue of a reserved name, which nobody holds for drift; ``arguments`` without ``x-``."""
    wanted = {f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}
    body = {"durable": True, "arguments": {"x-queue-type": "quorum", **wanted}}
    cluster.management.put("queues", vhost, name, body=body)
    try:
        yield name
    finally:
        cluster.management.delete("queues", vhost, name)


@contextmanager
def policy(cluster: ClusterUnderTest, vhost: str, pattern: str, definition: dict[str, Any]) -> Iterator[None]:
    """A policy above those of the topology."""
    body = {"pattern": pattern, "definition": definition, "priority": 50, "apply-to": "quorum_queues"}
    cluster.management.put("policies", vhost, "warren.alerts", body=body)
    try:
        yield
    finally:
        cluster.management.delete("policies", vhost, "warren.alerts")


def purge(cluster: ClusterUnderTest, vhost: str, *queues: str) -> None:
    for queue in queues:
        cluster.management.delete("queues", vhost, queue, "contents")


# -- clients


@contextmanager
def connection(cluster: ClusterUnderTest, vhost: str) -> Iterator[pika.BlockingConnection]:
    """A connection of the operator to the first node, over verified TLS."""
    host, port = cluster.runtime.address(cluster.topology.nodes[0].name, "amqps")
    tls = ssl.create_default_context(cafile=str(cluster.context.cluster_ca))
    user = cluster.topology.account("operator").name
    opened = pika.BlockingConnection(
        pika.ConnectionParameters(
            host, port, vhost, pika.PlainCredentials(user, cluster.context.secrets.read(user)),
            ssl_options=pika.SSLOptions(tls, host), heartbeat=0,
        )
    )  # fmt: skip
    try:
        yield opened
    finally:
        if opened.is_open:
            opened.close()


@contextmanager
def consumer(
    cluster: ClusterUnderTest, vhost: str, queue: str, *, prefetch: int, holds_s: float | None
) -> Iterator[None]:
    """A consumer in a thread that holds each message for ``holds_s``, one after the other; None: for good."""
    ended = threading.Event()

    def consume() -> None:
        with connection(cluster, vhost) as link:
            channel = link.channel()
            channel.basic_qos(prefetch_count=prefetch)
            for method, _, _ in channel.consume(queue, inactivity_timeout=0.2):
                if ended.is_set():
                    return
                if method is not None and holds_s is not None:
                    ended.wait(holds_s)
                    channel.basic_ack(method.delivery_tag)

    with repeating(consume, ended):
        yield


@contextmanager
def repeating(
    work: Callable[[], None], ended: threading.Event, every_s: float | None = None
) -> Iterator[None]:
    """``work`` in a thread, once or every ``every_s`` seconds, until the block is left; raises its error."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
            while every_s is not None and not ended.wait(every_s):
                work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)
    assert not failed, failed


def end_load(run: subprocess.Popen[bytes]) -> None:
    """As by ^C twice: the second skips the drain."""
    for _ in range(2):
        if run.poll() is None:
            run.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                run.wait(3)
    run.wait(60)


def log_in_wrongly(cluster: ClusterUnderTest) -> None:
    """One login to the management API with a password that is not the monitoring user's."""
    name = cluster.topology.nodes[0].name
    port = cluster.topology.published_node(name, "management")
    pool = urllib3.PoolManager(
        cert_reqs="CERT_REQUIRED", ca_certs=str(cluster.context.cluster_ca), retries=False
    )
    headers = urllib3.make_headers(basic_auth="monitoring:not-the-password")
    answer = pool.request("GET", f"https://localhost:{port}/api/whoami", headers=headers)
    assert answer.status == 401, answer.data


# -- the broker's tools, and the engine


def tool(cluster: ClusterUnderTest, node: str, *argv: str) -> str:
    """Run one of the broker's own tools on ``node``; its output."""
    done = cluster.runtime.execute(node, list(argv), timeout_s=TOOL_S)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


def evaluate(cluster: ClusterUnderTest, node: str, code: str) -> str:
    """Evaluate Erlang on ``node``."""
    return tool(cluster, node, "rabbitmqctl", "eval", code)


def docker(cluster: ClusterUnderTest, *arguments: str) -> str:
    done = subprocess.run(
        [cluster.runtime.engine.docker, *arguments], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def container(cluster: ClusterUnderTest, service: str) -> str:
    return f"{cluster.topology.cluster}-{service}"


@contextmanager
def without(cluster: ClusterUnderTest, service: str) -> Iterator[None]:
    """The service's container stopped, started again afterwards."""
    name = container(cluster, service)
    docker(cluster, "stop", "--time", "5", name)
    try:
        yield
    finally:
        docker(cluster, "start", name)


@contextmanager
def made_for_disk_faults(cluster: ClusterUnderTest) -> Iterator[None]:
    """The nodes made anew with the library that disk faults need, and without it afterwards."""

    def anew(flag: str) -> None:
        for words, timeout_s in ((["cluster", "down"], 200), (["cluster", "up", flag], 600)):
            done = cluster.warren(words, timeout_s=timeout_s)
            assert done.returncode == 0, done.stderr

    try:
        anew("--with-disk-faults")
        yield
    finally:
        cluster.warren(["chaos", "heal"], timeout_s=300)
        anew("--without-disk-faults")


def series(cluster: ClusterUnderTest, expression: str) -> float:
    """The one value of an instant query."""
    (sample,) = cluster.prometheus(expression)
    return sample.value


def now_s() -> float:
    return time.monotonic()


# -- faults


def chaos(cluster: ClusterUnderTest, *arguments: str) -> None:
    """Run a command of ``warren chaos``, which has to go through."""
    done = cluster.warren(["chaos", *arguments], timeout_s=300)
    assert done.returncode == 0, done.stderr


def heal(cluster: ClusterUnderTest) -> None:
    """Heal whatever is broken."""
    chaos(cluster, "heal")
