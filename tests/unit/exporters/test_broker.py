"""Reading two nodes over HTTPS on the loopback: one of them silent, refusing, or not who it should be."""

from __future__ import annotations

import json
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import pytest

from exporters.broker import HttpsBroker, Node, QueueFilter
from exporters.detailed import READY
from warren.connection import Credentials
from warren.pki import Pki

from .conftest import recorded

#: Two names of this machine stand for two nodes.
HOSTS = ("localhost", "127.0.0.1")
PASSWORD = "s3cret"


@dataclass
class StubNode:
    """Answers as a node's two listeners do; ``silent`` accepts and says nothing until it is released, what
    ``drips`` comes byte by byte, and what ``breaks`` is refused with 500."""

    silent: threading.Event = field(default_factory=threading.Event)
    refuses: bool = False
    hides_lengths: bool = False
    drips: str = ""
    breaks: str = ""
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    queues: list[dict[str, object]] = field(default_factory=lambda: recorded("queues.json"))
    port: int = 0


def part(text: str, *, lengths: bool) -> str:
    """The families of one request: lengths, or everything else."""
    return "".join(
        line
        for line in text.splitlines(keepends=True)
        if line.startswith(
            ("rabbitmq_detailed_queue_messages_ready", "rabbitmq_detailed_queue_messages_unacked")
        )
        is lengths
    )


def asked_for(rows: list[dict[str, object]], path: str) -> list[dict[str, object]]:
    """The columns that the query names, as the broker gives them."""
    columns = parse_qs(urlparse(path).query).get("columns", [""])[0].split(",")
    return [{name: value for name, value in row.items() if name in columns} for row in rows]


def handler_of(stub: StubNode) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            stub.asked.append(path)
            if stub.silent.is_set() or (stub.hides_lengths and "queue_coarse_metrics" in self.path):
                stub.released.wait(10)
                return
            right = "Basic " + b64encode(f"monitoring:{PASSWORD}".encode()).decode()
            if stub.refuses or self.headers.get("Authorization") != right:
                self.send_error(401)
                return
            if stub.breaks and path.startswith(stub.breaks):
                self.send_error(500)
                return
            answers = {
                "/metrics/detailed": part(recorded("rmq1.txt"), lengths="coarse" in self.path),
                "/api/queues": json.dumps(asked_for(stub.queues, self.path)),
                "/api/bindings": json.dumps(asked_for(recorded("bindings.json"), self.path)),
            }
            body = answers[path].encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            while stub.drips and path.startswith(stub.drips) and not stub.released.wait(0.05):
                self.wfile.write(b"#")
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    made = Pki(folder=tmp_path_factory.mktemp("pki"), now=datetime.now(UTC))
    made.ensure_authorities()
    made.ensure_leaf("cluster", "node", hosts=HOSTS, purpose="server")
    return made


@pytest.fixture
def stubs(pki: Pki) -> Iterator[tuple[StubNode, StubNode]]:
    pair = pki.leaf("cluster", "node")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    made, servers = [], []
    for host in HOSTS:
        stub = StubNode()
        server = ThreadingHTTPServer((host, 0), handler_of(stub))
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        stub.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        made.append(stub)
        servers.append(server)
    yield made[0], made[1]
    for stub, server in zip(made, servers, strict=True):
        stub.released.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def broker_of(pki: Pki, stubs: tuple[StubNode, StubNode]) -> Callable[..., HttpsBroker]:
    def make(
        *,
        password: str = PASSWORD,
        authority: str = "cluster",
        now: Callable[[], float] = time.monotonic,
        include: str = ".*",
    ) -> HttpsBroker:
        nodes = [
            Node(host=host, management_port=stub.port, metrics_port=stub.port)
            for host, stub in zip(HOSTS, stubs, strict=True)
        ]
        return HttpsBroker(
            nodes,
            credentials=Credentials(username="monitoring", password=password),
            ca=pki.authority(authority).certificate,
            queue_filter=QueueFilter(include=include),
            deadline_s=1.5,
            now=now,
        )

    return make


def test_a_scrape_reads_every_node_and_the_queues_once(
    broker_of: Callable[..., HttpsBroker], stubs: tuple[StubNode, StubNode]
) -> None:
    snapshot = broker_of().snapshot(1.5)
    assert set(snapshot.counters) == set(HOSTS)
    assert snapshot.queues is not None
    assert len(snapshot.queues) == 5
    assert ("/orders", "orders.failed") in snapshot.counters["localhost"][READY]
    assert ("/orders", "orders.failed") in snapshot.dead_letter_targets
    assert snapshot.errors == ()
    assert [stub.asked.count("/api/queues") for stub in stubs] == [1, 0]


def test_a_node_is_critical_for_queues_that_no_filter_lets_through_too(
    broker_of: Callable[..., HttpsBroker], stubs: tuple[StubNode, StubNode]
) -> None:
    """Who reads it is about to stop that node."""
    stubs[0].queues = [{**row, "online": ["rabbit@rmq1", "rabbit@rmq2"]} for row in stubs[0].queues]
    snapshot = broker_of(include="/none:.*").snapshot(1.5)
    assert snapshot.queues == ()
    assert snapshot.critical == {"rmq1": 5, "rmq2": 5}


def test_a_silent_node_costs_its_own_counters_and_no_more_than_the_deadline(
    broker_of: Callable[..., HttpsBroker], stubs: tuple[StubNode, StubNode]
) -> None:
    stubs[0].silent.set()
    began = time.monotonic()
    snapshot = broker_of().snapshot(1.5)
    assert time.monotonic() - began < 3
    assert set(snapshot.counters) == {"127.0.0.1"}
    assert snapshot.queues is not None
    assert any(error.startswith("localhost:") for error in snapshot.errors)


@pytest.mark.parametrize(("what", "readings"), [("/metrics/detailed", 2), ("/api/queues", 1)])
def test_a_node_that_answers_drop_by_drop_takes_no_workers_from_the_others(
    broker_of: Callable[..., HttpsBroker], stubs: tuple[StubNode, StubNode], what: str, readings: int
) -> None:
    """No read of its socket ever takes long, so no time-out of a read ends it; the next scrape waits on."""
    stubs[0].drips = what
    broker = broker_of()
    for _ in range(3):
        broker.snapshot(0.1)
    assert "127.0.0.1" in broker.snapshot(1.5).counters
    assert stubs[0].asked.count(what) == readings
    stubs[0].released.set()
    after = broker.snapshot(1.5)
    assert "localhost" in after.counters
    assert after.fresh


def test_queues_are_asked_of_another_node_where_one_answers_drop_by_drop(
    broker_of: Callable[..., HttpsBroker], stubs: tuple[StubNode, StubNode]
) -> None:
    stubs[0].drips = "/api"
    broker = broker_of()
    broker.snapshot(1.5)
    assert broker.snapshot(2.5).fresh
    assert "/api/queues" in stubs[1].asked


def test_rates_are_read_while_lengths_keep_the_broker_waiting(
    broker_of: Callable[..., HttpsBroker], stubs: tuple[StubNode, StubNode]
) -> None:
    for stub in stubs:
        stub.hides_lengths = True
    snapshot = broker_of().snapshot(0.5)
    assert set(snapshot.counters) == set(HOSTS)
    for node, metrics in snapshot.counters.items():
        assert snapshot.published[node]
        assert not metrics[READY]


def test_a_silent_cluster_is_said_and_not_raised(
    broker_of: Callable[..., HttpsBroker], stubs: tuple[StubNode, StubNode]
) -> None:
    for stub in stubs:
        stub.silent.set()
    snapshot = broker_of().snapshot(0.3)
    assert (snapshot.queues, dict(snapshot.counters)) == (None, {})
    assert len(snapshot.errors) == 3


def test_queues_are_known_for_two_minutes_after_the_management_api_fell_silent(
    broker_of: Callable[..., HttpsBroker], stubs: tuple[StubNode, StubNode]
) -> None:
    clock = [0.0]
    broker = broker_of(now=lambda: clock[0])
    assert broker.snapshot(1.5).fresh
    for stub in stubs:
        stub.refuses = True
    clock[0] = 119.0
    known = broker.snapshot(1.5)
    assert (known.fresh, known.counters) == (False, {})
    assert known.queues is not None
    clock[0] = 121.0
    assert broker.snapshot(1.5).queues is None


def test_queues_are_read_on_while_their_bindings_are_not_to_be_had(
    broker_of: Callable[..., HttpsBroker], stubs: tuple[StubNode, StubNode]
) -> None:
    clock = [0.0]
    broker = broker_of(now=lambda: clock[0])
    before = broker.snapshot(1.5)
    for stub in stubs:
        stub.breaks = "/api/bindings"
        stub.queues = [{**row, "state": "minority"} for row in stub.queues]
    clock[0] = 61.0
    after = broker.snapshot(1.5)
    assert after.fresh
    assert {queue.state for queue in after.queues or ()} == {"minority"}
    assert after.dead_letter_targets == before.dead_letter_targets
    assert any("bindings" in error for error in after.errors)


def test_a_wrong_password_is_said_without_showing_it(broker_of: Callable[..., HttpsBroker]) -> None:
    snapshot = broker_of(password="wr0ng-one").snapshot(1.5)
    assert (snapshot.queues, dict(snapshot.counters)) == (None, {})
    assert "401" in " ".join(snapshot.errors)
    assert "wr0ng-one" not in " ".join(snapshot.errors)


def test_a_node_of_another_authority_is_not_believed(broker_of: Callable[..., HttpsBroker]) -> None:
    snapshot = broker_of(authority="clients").snapshot(1.5)
    assert (snapshot.queues, dict(snapshot.counters)) == (None, {})


def test_bindings_are_read_once_a_minute(
    broker_of: Callable[..., HttpsBroker], stubs: tuple[StubNode, StubNode]
) -> None:
    clock = [0.0]
    broker = broker_of(now=lambda: clock[0])
    for clock[0] in (0.0, 5.0, 59.0, 61.0):
        assert broker.snapshot(1.5).queues is not None
    assert sum(stub.asked.count("/api/bindings") for stub in stubs) == 2
