"""The client of the management API against a loopback server with a certificate of its own authority."""

from __future__ import annotations

import base64
import datetime
import http.server
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from warren.errors import BadInputError, NotReadyError
from warren.https import HttpEndpoint
from warren.management import (
    ApiError,
    ManagementClient,
    NotFoundError,
    RejectedError,
    UnreachableError,
)
from warren.node_metrics import NodeMetrics

PASSWORD = "s3cret-of-the-operator"


def _authority(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for rmq1 and 127.0.0.1 that is its own authority; (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    alternatives = [x509.DNSName("rmq1"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths


@dataclass
class Broker:
    """A server that answers what a test told it to, and remembers what it was asked."""

    port: int = 0
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    authorization: str = ""


def _handler(broker: Broker) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            broker.asked.append((self.command, self.path, body))
            broker.authorization = self.headers.get("authorization", "")
            status, answer = broker.answers.get(
                self.path, (404, {"error": "Object Not Found", "reason": "Not Found"})
            )
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            data = b"" if answer is None else data
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    return Handler


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return _authority(tmp_path_factory.mktemp("tls"), "ours")


def _serve(authority: tuple[Path, Path]) -> Iterator[Broker]:
    broker = Broker()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(broker))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    broker.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield broker
    server.shutdown()
    server.server_close()


@pytest.fixture
def broker(authority: tuple[Path, Path]) -> Iterator[Broker]:
    yield from _serve(authority)


@pytest.fixture
def second(authority: tuple[Path, Path]) -> Iterator[Broker]:
    yield from _serve(authority)


def _client(authority: tuple[Path, Path], *ports: int, timeout_s: float = 5.0) -> ManagementClient:
    endpoints = [
        HttpEndpoint(node=f"rmq{place}", host="127.0.0.1", port=port, server_name="rmq1")
        for place, port in enumerate(ports, 1)
    ]
    return ManagementClient(
        endpoints, user="operator", password=PASSWORD, ca=authority[0], timeout_s=timeout_s
    )


@pytest.fixture
def client(authority: tuple[Path, Path], broker: Broker) -> Iterator[ManagementClient]:
    with _client(authority, broker.port) as made:
        yield made


@pytest.fixture
def nobody() -> int:
    """A port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_get_sends_credentials_and_quotes_each_segment(client: ManagementClient, broker: Broker) -> None:
    broker.answers["/api/queues/%2Forders/a%2Fb"] = (200, {"name": "a/b"})
    assert client.get("queues", "/orders", "a/b") == {"name": "a/b"}
    expected = base64.b64encode(f"operator:{PASSWORD}".encode()).decode()
    assert broker.authorization == f"Basic {expected}"


def test_percent_sign_in_a_binding_key_is_quoted_again(client: ManagementClient, broker: Broker) -> None:
    broker.answers["/api/bindings/%2F/e/x/q/q/order.%2523"] = (204, None)
    client.delete("bindings", "/", "e", "x", "q", "q", "order.%23")
    assert broker.asked == [("DELETE", "/api/bindings/%2F/e/x/q/q/order.%2523", None)]


def test_put_sends_json_and_post_returns_it(client: ManagementClient, broker: Broker) -> None:
    broker.answers["/api/vhosts/%2Fa"] = (201, None)
    broker.answers["/api/queues/%2Fa/q/get"] = (200, [])
    client.put("vhosts", "/a", body={"default_queue_type": "quorum"})
    assert client.post("queues", "/a", "q", "get", body={"count": 1}) == []
    assert broker.asked[0] == ("PUT", "/api/vhosts/%2Fa", {"default_queue_type": "quorum"})


def test_representation_hides_the_password(client: ManagementClient) -> None:
    assert PASSWORD not in repr(client)
    assert "operator" in repr(client)


def test_missing_object_is_told_apart_and_names_node_and_path(client: ManagementClient) -> None:
    with pytest.raises(NotFoundError) as raised:
        client.get("queues", "/orders", "none")
    assert raised.value.where == "rmq1 GET /api/queues/%2Forders/none"
    assert raised.value.exit_code == 3


@pytest.mark.parametrize("status", [400, 405, 409, 412])
def test_refused_input_carries_the_brokers_reason(
    client: ManagementClient, broker: Broker, status: int
) -> None:
    reason = (
        "inequivalent arg 'x-message-ttl' for queue 'q1' in vhost '/t': received '6000' but current is '5000'"
    )
    broker.answers["/api/queues/%2Ft/q1"] = (status, {"error": "bad_request", "reason": reason})
    with pytest.raises(RejectedError, match="inequivalent arg 'x-message-ttl'") as raised:
        client.put("queues", "/t", "q1", body={})
    assert isinstance(raised.value, BadInputError)
    assert raised.value.exit_code == 2


def test_wrong_password_names_the_user_and_not_the_password(client: ManagementClient, broker: Broker) -> None:
    broker.answers["/api/overview"] = (401, {"error": "not_authorized", "reason": "Not_Authorized"})
    with pytest.raises(ApiError) as raised:
        client.overview()
    assert "'operator'" in str(raised.value)
    assert PASSWORD not in str(raised.value)


def test_answer_that_is_no_json_is_not_ready(client: ManagementClient, broker: Broker) -> None:
    broker.answers["/api/overview"] = (200, b"<html>hello</html>")
    with pytest.raises(NotReadyError, match="not JSON"):
        client.overview()


def test_server_error_shows_its_text_cut_short(client: ManagementClient, broker: Broker) -> None:
    broker.answers["/api/overview"] = (500, b"boom " * 500)
    with pytest.raises(ApiError) as raised:
        client.overview()
    assert raised.value.what.startswith("boom boom")
    assert len(raised.value.what) <= 400


def test_certificate_of_another_authority_is_refused(tmp_path: Path, broker: Broker) -> None:
    with (
        _client(_authority(tmp_path, "other"), broker.port) as client,
        pytest.raises(UnreachableError, match=r"TLS with 127\.0\.0\.1"),
    ):
        client.overview()
    assert broker.asked == []


def test_certificate_for_another_name_is_refused(authority: tuple[Path, Path], broker: Broker) -> None:
    endpoint = HttpEndpoint(node="rmq9", host="127.0.0.1", port=broker.port, server_name="rmq9")
    with (
        ManagementClient([endpoint], user="u", password="p", ca=authority[0], timeout_s=5) as client,
        pytest.raises(UnreachableError, match="TLS with"),
    ):
        client.overview()
    assert broker.asked == []


def test_missing_authority_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    endpoint = HttpEndpoint(node="rmq1", host="127.0.0.1", port=1, server_name="rmq1")
    with pytest.raises(NotReadyError, match=r"ca\.pem"):
        ManagementClient([endpoint], user="u", password="p", ca=tmp_path / "ca.pem", timeout_s=5)


def test_read_goes_to_the_next_node_and_stays_there(
    authority: tuple[Path, Path], broker: Broker, nobody: int
) -> None:
    broker.answers["/api/nodes"] = (200, [])
    broker.answers["/api/vhosts/%2Fa"] = (201, None)
    with _client(authority, nobody, broker.port) as client:
        assert client.nodes() == ()
        client.put("vhosts", "/a", body={})
    assert [method for method, _, _ in broker.asked] == ["GET", "PUT"]


def test_read_goes_on_after_a_server_error_and_a_write_does_not(
    authority: tuple[Path, Path], broker: Broker, second: Broker
) -> None:
    broker.answers["/api/vhosts/%2Fa"] = (500, {"reason": "no leader"})
    second.answers["/api/vhosts/%2Fa"] = (200, {"name": "/a"})
    with _client(authority, broker.port, second.port) as client, pytest.raises(ApiError, match="no leader"):
        client.put("vhosts", "/a", body={})
    assert second.asked == []
    with _client(authority, broker.port, second.port) as client:
        assert client.get("vhosts", "/a") == {"name": "/a"}


def test_write_goes_on_only_where_nothing_can_have_been_sent(
    authority: tuple[Path, Path], broker: Broker, nobody: int
) -> None:
    broker.answers["/api/vhosts/%2Fa"] = (201, None)
    with _client(authority, nobody, broker.port) as client:
        client.put("vhosts", "/a", body={})
    assert len(broker.asked) == 1


def test_write_that_may_have_arrived_is_not_repeated_and_a_read_is(
    authority: tuple[Path, Path], broker: Broker
) -> None:
    broker.answers["/api/vhosts/%2Fa"] = (200, {"name": "/a"})
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2)
        port = listener.getsockname()[1]
        with _client(authority, port, broker.port, timeout_s=0.3) as client:
            with pytest.raises(UnreachableError) as raised:
                client.put("vhosts", "/a", body={})
            assert raised.value.sent
            assert broker.asked == []
            assert client.get("vhosts", "/a") == {"name": "/a"}


def test_refused_input_is_not_tried_on_another_node(
    authority: tuple[Path, Path], broker: Broker, second: Broker
) -> None:
    broker.answers["/api/overview"] = (401, {"reason": "Not_Authorized"})
    with _client(authority, broker.port, second.port) as client, pytest.raises(ApiError):
        client.overview()
    assert second.asked == []


def test_unreachable_cluster_names_node_and_address(authority: tuple[Path, Path], nobody: int) -> None:
    with _client(authority, nobody) as client, pytest.raises(UnreachableError) as raised:
        client.overview()
    assert f"127.0.0.1:{nobody}" in raised.value.what
    assert raised.value.where.startswith("rmq1 GET")
    assert not raised.value.sent


def test_silent_server_hits_the_timeout(authority: tuple[Path, Path]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with (
            _client(authority, listener.getsockname()[1], timeout_s=0.2) as client,
            pytest.raises(UnreachableError, match=r"did not answer within 0\.2 s"),
        ):
            client.overview()


def test_named_node_is_the_only_one_asked(
    authority: tuple[Path, Path], broker: Broker, second: Broker
) -> None:
    second.answers["/api/health/checks/ready-to-serve-clients"] = (200, {"status": "ok"})
    with _client(authority, broker.port, second.port) as client:
        check = client.ready_to_serve_clients("rmq2")
        with pytest.raises(NotReadyError, match="no management endpoint"):
            client.ready_to_serve_clients("rmq7")
    assert check.passed
    assert check.node == "rmq2"
    assert broker.asked == []


def test_listener_is_asked_for_by_its_port(
    authority: tuple[Path, Path], broker: Broker, second: Broker
) -> None:
    second.answers["/api/health/checks/port-listener/5671"] = (503, {"status": "failed", "reason": "none"})
    with _client(authority, broker.port, second.port) as client:
        check = client.listens("rmq2", 5671)
    assert (check.passed, check.node, check.check) == (False, "rmq2", "port-listener/5671")


def test_failed_health_check_is_an_answer_and_not_an_error(
    authority: tuple[Path, Path], broker: Broker, second: Broker
) -> None:
    path = "/api/health/checks/alarms"
    broker.answers[path] = (503, {"status": "failed", "reason": "There are alarms in effect in the cluster"})
    second.answers[path] = (200, {"status": "ok"})
    with _client(authority, broker.port, second.port) as client:
        check = client.alarms()
    assert not check.passed
    assert check.reason == "There are alarms in effect in the cluster"
    assert second.asked == []


def test_leader_check_quotes_its_pattern_once(client: ManagementClient, broker: Broker) -> None:
    path = "/api/health/checks/quorum-queues-without-elected-leaders/all-vhosts/pattern/.%2A"
    broker.answers[path] = (200, {"status": "ok"})
    assert client.quorum_queues_have_leaders(node="rmq1").passed


def test_leader_check_names_the_queues(client: ManagementClient, broker: Broker) -> None:
    path = "/api/health/checks/quorum-queues-without-elected-leaders/all-vhosts/pattern/.%2A"
    row = {"name": "q", "readable_name": "queue 'q' in vhost '/x'", "type": "rabbit_quorum_queue"}
    rows = [{**row, "virtual_host": "/x"}]
    broker.answers[path] = (503, {"status": "failed", "reason": "without an elected leader", "queues": rows})
    check = client.quorum_queues_have_leaders(node="rmq1")
    assert (check.passed, check.queues) == (False, {("/x", "q")})


# -- shapes recorded from RabbitMQ 4.3.6 ---------------------------------------------------------------


def test_overview_is_read_with_its_listeners(client: ManagementClient, broker: Broker) -> None:
    listener = {"node": "rabbit@rmq1", "protocol": "amqp/ssl", "ip_address": "::", "port": 5671, "tls": True}
    broker.answers["/api/overview"] = (
        200,
        {
            "rabbitmq_version": "4.3.6",
            "cluster_name": "warren",
            "erlang_version": "29.1.1",
            "object_totals": {"queues": 15, "exchanges": 40, "connections": 2},
            "node": "rabbit@rmq1",
            "listeners": [listener],
        },
    )
    overview = client.overview()
    assert (overview.rabbitmq_version, overview.queues, overview.connections) == ("4.3.6", 15, 2)
    assert overview.listeners[0].protocol == "amqp/ssl"
    assert overview.listeners[0].tls


def test_node_that_is_down_has_no_figures(client: ManagementClient, broker: Broker) -> None:
    broker.answers["/api/nodes"] = (
        200,
        [
            {"name": "rabbit@rmq1", "type": "disc", "running": False, "being_drained": False},
            {
                "name": "rabbit@rmq2",
                "running": True,
                "mem_used": 150,
                "mem_limit": 600,
                "mem_alarm": False,
                "disk_free": 9000,
                "disk_free_limit": 700,
                "disk_free_alarm": True,
                "fd_total": 65536,
                "auth_mechanisms": [
                    {"name": "PLAIN", "enabled": True},
                    {"name": "ANONYMOUS", "enabled": False},
                ],
            },
        ],
    )
    down, up = client.nodes()
    assert (down.running, down.mem_used_bytes, down.fd_total) == (False, None, None)
    assert (up.mem_limit_bytes, up.disk_alarm, up.fd_total) == (600, True, 65536)
    assert up.auth_mechanisms == ("PLAIN",)


def test_queue_is_read_with_members_and_policies(client: ManagementClient, broker: Broker) -> None:
    broker.answers["/api/queues/%2Forders"] = (
        200,
        [
            {
                "arguments": {"x-queue-type": "quorum"},
                "auto_delete": False,
                "consumers": 1,
                "durable": True,
                "effective_policy_definition": {"max-length": 50},
                "exclusive": False,
                "leader": "rabbit@rmq2",
                "members": ["rabbit@rmq1", "rabbit@rmq2", "rabbit@rmq3"],
                "online": ["rabbit@rmq1", "rabbit@rmq2"],
                "message_bytes": 30,
                "messages": 5,
                "messages_ready": 3,
                "messages_unacknowledged": 2,
                "messages_dlx": 1,
                "name": "orders.work",
                "operator_policy": "guard",
                "policy": "orders-work",
                "state": "running",
                "type": "quorum",
                "vhost": "/orders",
            },
            {"name": "just.declared", "vhost": "/orders", "type": "quorum", "policy": None},
        ],
    )
    queue, fresh = client.queues("/orders")
    assert (queue.leader, queue.messages, queue.messages_unacked, queue.messages_dlx) == (
        "rabbit@rmq2",
        5,
        2,
        1,
    )
    assert queue.online == ("rabbit@rmq1", "rabbit@rmq2")
    assert (queue.policy, queue.operator_policy) == ("orders-work", "guard")
    assert queue.effective_policy == {"max-length": 50}
    assert (fresh.messages, fresh.policy, fresh.leader) == (None, None, None)


def test_answer_of_another_shape_is_not_ready(client: ManagementClient, broker: Broker) -> None:
    broker.answers["/api/overview"] = (200, {"hello": "world"})
    broker.answers["/api/nodes"] = (200, {"hello": "world"})
    with pytest.raises(NotReadyError, match="'cluster_name' is None"):
        client.overview()
    with pytest.raises(NotReadyError, match="expected a list of objects"):
        client.nodes()


def _metrics(authority: tuple[Path, Path], port: int, server_name: str = "rmq1") -> NodeMetrics:
    endpoint = HttpEndpoint(node="rmq1", host="127.0.0.1", port=port, server_name=server_name)
    return NodeMetrics([endpoint], user="monitoring", password=PASSWORD, ca=authority[0], timeout_s=5.0)


def test_metrics_of_a_node_are_read_with_credentials(authority: tuple[Path, Path], broker: Broker) -> None:
    broker.answers["/metrics"] = (200, b"up 1\n")
    assert _metrics(authority, broker.port).page("rmq1") == "up 1\n"
    assert base64.b64decode(broker.authorization.partition(" ")[2]).decode() == f"monitoring:{PASSWORD}"


def test_metrics_refused_or_unreachable_name_the_node(
    authority: tuple[Path, Path], broker: Broker, nobody: int
) -> None:
    broker.answers["/metrics"] = (401, b"")
    for port, what in ((broker.port, "answers 401"), (nobody, "does not answer")):
        with pytest.raises(NotReadyError, match=what) as caught:
            _metrics(authority, port).page("rmq1")
        assert caught.value.where == "metrics of rmq1"


def test_metrics_of_a_node_with_another_name_are_not_believed(
    authority: tuple[Path, Path], broker: Broker
) -> None:
    broker.answers["/metrics"] = (200, b"up 1\n")
    with pytest.raises(NotReadyError, match="does not answer"):
        _metrics(authority, broker.port, server_name="rmq2").page("rmq1")
    assert broker.asked == []
