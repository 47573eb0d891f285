"""Nobody comes in without a name and its password: not guest, not anonymously, not with an empty one, at no
port; and no node joins that is not of the cluster."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

import pika
import pytest
from pika.exceptions import AMQPError

from warren.context import Context

from . import attack, trying
from .attack import Port, Target
from .stranger import knock

GUESSES = {
    "guest": ("guest", "guest"),
    "guest without a password": ("guest", ""),
    "nobody": ("", ""),
    "administrator": ("admin", "admin"),
    "a name of SQL": ("' OR 1=1 --", "x"),
    "a long password": ("operator", "x" * 65536),
}
#: Pages that need a name on the nodes' HTTP listeners, some of which change something.
PAGES = (
    ("GET", "/api/overview"), ("GET", "/api/definitions"), ("GET", "/api/whoami"), ("GET", "/api/users"),
    ("GET", "/api/nodes"), ("GET", "/api/queues"), ("GET", "/api/connections"),
    ("GET", "/api/health/checks/alarms"), ("GET", "/api/vhosts/../users"), ("PUT", "/api/users/attack"),
    ("DELETE", "/api/vhosts/attack"), ("POST", "/api/definitions"),
    ("POST", "/api/exchanges/%2F/amq.default/publish"),
)  # fmt: skip
METRICS = (
    "/metrics",
    "/metrics/per-object",
    "/metrics/detailed?family=queue_coarse_metrics",
    "/metrics/memory-breakdown",
)
#: The same of services. What is not there may answer as it likes, but only to those who may ask.
SERVICE_PAGES = (
    "/", "/metrics", "/-/healthy", "/-/ready", "/graph", "/federate?match[]=up", "/api/v1/query?query=up",
    "/api/v1/status/config", "/api/v1/targets", "/debug/pprof/", "/api/v2/alerts", "/api/v2/status",
    "/api/dashboards", "/api/prometheus/api/v1/query?query=up", "/static/app.js", "/..%2f..%2fetc%2fpasswd",
)  # fmt: skip
DANGEROUS = (
    "/-/reload",
    "/-/quit",
    "/api/v1/admin/tsdb/delete_series?match[]=up",
    "/api/v2/silences",
    "/api/v1/write",
)


class Anonymous(pika.PlainCredentials):  # type: ignore[misc]
    """Says another mechanism than PLAIN. What was offered is kept with the class: pika works with a copy."""

    offered: ClassVar[list[str]] = []

    def __init__(self, mechanism: str, answer: bytes) -> None:
        super().__init__("", "")
        self.mechanism, self.answer = mechanism, answer

    def response_for(self, start: object) -> tuple[str, bytes]:
        said = getattr(start, "mechanisms", b"")
        self.offered.append(said.decode() if isinstance(said, bytes) else str(said))
        return self.mechanism, self.answer


def amqp_refuses(target: Target, port: Port, user: str, password: str, vhost: str) -> bool:
    try:
        trying.connect(target, port, user, vhost, password=password).close()
    except AMQPError:
        return True
    return False


@pytest.mark.parametrize("kind", GUESSES)
def test_guess_opens_no_amqp_connection(target: Target, kind: str) -> None:
    user, password = GUESSES[kind]
    assert amqp_refuses(target, target.one("amqps"), user, password, target.topology.vhosts[0].name)


def test_no_user_comes_in_with_an_empty_or_anothers_password(target: Target) -> None:
    """And each with its own does, where it may enter a vhost at all: so the refusals say something."""
    port, vhosts = target.one("amqps"), target.topology.vhosts
    for user in target.topology.users:
        vhost = next(
            (each.name for each in vhosts if any(p.user == user.name for p in each.permissions)), None
        )
        for password in ("", target.password("operator" if user.name != "operator" else "monitoring")):
            assert amqp_refuses(target, port, user.name, password, vhost or vhosts[0].name), user.name
        if vhost:
            assert trying.may_enter(target, port, user.name, vhost), user.name


@pytest.mark.parametrize(
    ("mechanism", "answer"), [("ANONYMOUS", b"trace"), ("AMQPLAIN", b""), ("EXTERNAL", b"")]
)
def test_other_mechanisms_are_neither_offered_nor_taken(
    target: Target, mechanism: str, answer: bytes
) -> None:
    port = target.one("amqps")
    said = Anonymous(mechanism, answer)
    context = attack.client_context(target, target.client_pair(port))
    wanted = pika.ConnectionParameters(
        port.host, port.port, target.topology.vhosts[0].name, said, socket_timeout=attack.PATIENCE_S,
        ssl_options=pika.SSLOptions(context, port.owner), connection_attempts=1,
    )  # fmt: skip
    with pytest.raises(AMQPError):
        pika.BlockingConnection(wanted)
    assert Anonymous.offered[-1].split() == ["PLAIN"]


def test_amqp_1_0_is_not_anonymous_either(target: Target) -> None:
    """The same port speaks it: OASIS AMQP 1.0, part 5, section 3."""
    port = target.one("amqps")
    init = b"\x00\x53\x41\xc0\x0c\x01\xa3\x09ANONYMOUS"
    frame = struct.pack(">IBBH", 8 + len(init), 2, 1, 0) + init
    answer = _exchange(target, port, b"AMQP\x03\x01\x00\x00", frame)
    assert b"PLAIN" in answer
    assert b"ANONYMOUS" not in answer
    outcome = answer.rpartition(b"\x00\x53\x44")[2]
    assert outcome == answer or b"\x50\x00" not in outcome[:6], answer  # no outcome at all, or not 0 (ok)


def _exchange(target: Target, port: Port, *sent: bytes) -> bytes:
    """What is answered to each of ``sent`` in turn, over verified TLS."""
    answer = b""
    context = attack.client_context(target, target.client_pair(port))
    with attack.connected(port) as plain, context.wrap_socket(plain, server_hostname=port.owner) as tls:
        tls.settimeout(3.0)
        for each in sent:
            with suppress(OSError, socket.timeout):
                tls.sendall(each)
                answer += tls.recv(4096)
    with suppress(OSError):
        return answer
    return answer


def test_stream_listener_takes_neither_guest_nor_anonymous(target: Target) -> None:
    """https://www.rabbitmq.com/docs/stream-plugin-protocol: PeerProperties, SaslHandshake,
    SaslAuthenticate."""
    if not target.of("streams"):
        pytest.skip("the stream plugin is off")
    port = target.one("streams")
    login = ("operator", target.password("operator"))
    for mechanism, data in (("PLAIN", b"\0guest\0guest"), ("PLAIN", b"\0operator\0"), ("ANONYMOUS", b"x")):
        assert _stream_code(target, port, mechanism, data) != 1, mechanism
    assert _stream_code(target, port, "PLAIN", "\0".join(("", *login)).encode()) == 1


def _stream_code(target: Target, port: Port, mechanism: str, data: bytes) -> int:
    """The code of SaslAuthenticate's answer: 1 is in order."""

    def request(key: int, number: int, body: bytes) -> bytes:
        content = struct.pack(">HHI", key, 1, number) + body
        return struct.pack(">I", len(content)) + content

    name = mechanism.encode()
    steps = (
        request(17, 1, struct.pack(">I", 0)),
        request(18, 2, b""),
        request(19, 3, struct.pack(">H", len(name)) + name + struct.pack(">I", len(data)) + data),
    )
    answer = _exchange(target, port, *steps)
    while len(answer) >= 14:
        size, key, _version, _number, code = struct.unpack_from(">IHHIH", answer)
        if key == 0x8000 | 19:
            return int(code)
        answer = answer[4 + size :]
    return 0


def test_management_and_metrics_want_a_name(target: Target) -> None:
    told = []
    logins = {"nobody": None, **{name: GUESSES[name] for name in ("guest", "nobody", "administrator")}}
    logins["an empty password"] = ("operator", "")
    for called, login in logins.items():
        pages = [(target.one("management"), *page) for page in PAGES]
        pages += [(target.one("metrics"), "GET", page) for page in METRICS]
        for port, method, path in pages:
            status = attack.http(
                target, port, method, path, login=login, body=b"{}" if method != "GET" else None
            ).status
            if status not in (401, 403):
                told.append(f"{called}: {port} {method} {path}: {status}")
    assert told == []
    assert (
        attack.http(target, target.one("management"), "GET", "/api/whoami", login=_operator(target)).status
        == 200
    )


def _operator(target: Target) -> tuple[str, str]:
    name = target.topology.account("operator").name
    return name, target.password(name)


def test_applications_accounts_open_no_page_of_management(target: Target) -> None:
    """Only users with a tag do, and the metrics only those who may look at the whole."""
    for user in target.topology.users:
        login = (user.name, target.password(user.name))
        seen = attack.http(target, target.one("management"), "GET", "/api/whoami", login=login).status
        assert (seen == 200) == bool(user.tags), user.name


def test_monitoring_may_look_and_change_nothing(target: Target) -> None:
    name = target.topology.account("monitoring").name
    login, vhost = (name, target.password(name)), target.topology.vhosts[0]
    inside = f"{vhost.name.replace('/', '%2F')}"
    changes = (
        ("PUT", f"/api/queues/{inside}/warren.attack", b'{"durable": true}'),
        ("PUT", f"/api/exchanges/{inside}/warren.attack", b'{"type": "direct"}'),
        ("POST", f"/api/exchanges/{inside}/{vhost.exchanges[0].name}/publish",
            b'{"properties":{}, "routing_key":"warren.attack", "payload":"", "payload_encoding":"string"}'),
        ("POST", f"/api/queues/{inside}/{vhost.queues[0].name}/get",
            b'{"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}'),
        ("PUT", "/api/users/attack", b'{"password": "x", "tags": "administrator"}'),
        ("PUT", f"/api/permissions/{inside}/{name}", b'{"configure": ".*", "write": ".*", "read": ".*"}'),
        ("PUT", f"/api/policies/{inside}/attack",
            b'{"pattern": "^attack$", "definition": {"expires": 1}}'),
        ("PUT", "/api/vhosts/attack", b"{}"),
        ("POST", "/api/definitions", b"{}"),
        ("GET", "/api/definitions", None),
        ("PUT", "/api/parameters/shovel/%2F/attack", b'{"value": {}}'),
    )  # fmt: skip
    told = []
    for method, path, body in changes:
        answer = attack.http(
            target, target.one("management"), method, path, login=login, body=body,
            headers={"content-type": "application/json"},
        )  # fmt: skip
        if answer.status not in (401, 403) and not _is_refused(answer.data):
            told.append(f"{method} {path}: {answer.status} {answer.data[:100]!r}")
    assert told == []
    assert attack.http(target, target.one("management"), "GET", "/api/overview", login=login).status == 200


def _is_refused(data: bytes) -> bool:
    """Where the API asks the broker over AMQP, 403 comes inside of a 400."""
    return b"ACCESS_REFUSED" in data or b"access_refused" in data


@pytest.mark.parametrize("service", ["prometheus", "alertmanager", "view", "grafana", "victoriametrics"])
def test_service_answers_nobody_without_a_password(target: Target, service: str) -> None:
    if not target.of(service):
        pytest.skip(f"no {service} runs here")
    port, told = target.one(service), []
    own = attack.service_login(target, service)
    logins = (None, ("guest", "guest"), ("admin", "admin"), (own[0], ""), ("", ""), _operator(target))
    public = ("/login",) if service == "grafana" else ()
    everything = [*(("GET", path) for path in SERVICE_PAGES), *(("POST", path) for path in DANGEROUS)]
    for login in logins:
        for method, path in everything if login is None else everything[:2]:  # a hash is slow to check
            answer = attack.http(target, port, method, path, login=login, redirect=False)
            to_login = (
                service == "grafana"
                and answer.status == 302
                and "/login" in answer.headers.get("location", "")
            )
            if answer.status not in (400, 401, 403, 405) and not to_login and path not in public:
                told.append(f"{login and login[0]}: {method} {path}: {answer.status} {answer.data[:60]!r}")
    assert told == []
    assert attack.http(target, port, "GET", "/", login=own).status in (200, 302)


@pytest.mark.parametrize("service", ["exporter", "probe"])
def test_exporter_answers_by_certificate_and_only_looks(target: Target, service: str) -> None:
    port = target.one(service)
    assert attack.http(target, port, "GET", "/-/healthy").status == 200
    for method in ("POST", "PUT", "DELETE", "TRACE"):
        assert attack.http(target, port, method, "/metrics").status in (400, 405, 501)


def test_nothing_is_published_but_on_the_loopback(
    context: Context, target: Target, boxes: list[object]
) -> None:
    """Asked at this machine's other addresses, whatever the engine says of itself."""
    others = {row[4][0] for row in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    others |= {_outward()}
    found = [
        f"{port} at {address}"
        for address in sorted(others)
        if address and not address.startswith("127.")
        for port in target.ports
        if port.host.startswith("127.") and attack.is_open(address, port.port)
    ]
    assert found == []


def _outward() -> str:
    """The address by which this machine reaches others. A datagram's socket sends nothing when connected."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out, suppress(OSError):
        out.connect(("192.0.2.1", 9))
        return str(out.getsockname()[0])
    return ""


# -- joining -----------------------------------------------------------------------------------------------


def _cookie(target: Target) -> str:
    return target.password("erlang-cookie")


#: What a stranger has and says -> how far it gets.
WAYS: dict[str, tuple[Callable[[Target], str], bool, str, tuple[str, ...]]] = {
    "the right cookie and no certificate": (_cookie, False, "rmq1", ("TLS:", "closed")),
    "a wrong cookie": (lambda target: "x" * 20, True, "rmq1", ("cookie refused",)),
    "an empty cookie": (lambda target: "", True, "rmq1", ("cookie refused",)),
    "a wrong cookie, and a name that is not the certificate's": (
        lambda target: "x" * 20,
        True,
        "attack",
        ("cookie refused",),
    ),
}


@pytest.fixture
def nodes_ports(target: Target) -> tuple[Port, ...]:
    """Where nodes meet each other."""
    if not target.of("inter_node"):
        pytest.skip("a firewall keeps the ports between nodes from this machine")
    return target.of("inter_node")


@pytest.mark.parametrize("way", WAYS)
def test_foreign_node_does_not_join(target: Target, nodes_ports: tuple[Port, ...], way: str) -> None:
    cookie, with_certificate, host, wanted = WAYS[way]
    host = host.replace("rmq1", target.topology.nodes[0].name)
    for port in nodes_ports:
        pair = target.client_pair(port) if with_certificate else None
        assert knock(port, cookie=cookie(target), pair=pair, host=host).startswith(wanted)


def test_node_with_a_clients_certificate_does_not_join(target: Target, nodes_ports: tuple[Port, ...]) -> None:
    pair = target.pair("clients", target.topology.account("operator").name)
    for port in nodes_ports:
        how = knock(port, cookie=_cookie(target), pair=pair, host=target.topology.nodes[0].name)
        assert how.startswith(("TLS:", "closed"))


def test_node_with_both_would_join(target: Target, nodes_ports: tuple[Port, ...]) -> None:
    """The very same handshake succeeds with the right cookie and certificate: it is these that are
    refused."""
    port, host = nodes_ports[0], target.topology.nodes[0].name
    assert knock(port, cookie=_cookie(target), pair=target.client_pair(port), host=host) == "joined"
