"""The preview's server over real TLS on loopback, before a Prometheus of the test's own."""

from __future__ import annotations

import base64
import http.client
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import bcrypt
import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dashboards.view import server as server_module
from dashboards.view import upstream
from dashboards.view.config import Backend, Credential, ViewConfig
from dashboards.view.connections import Connections
from dashboards.view.library import read_dashboards
from dashboards.view.probe import probe
from dashboards.view.server import SECURITY_HEADERS, Site, ViewServer, make_server, serve
from warren.errors import BadInputError, NotReadyError

SECRET = "correct horse"
DASHBOARD = {"uid": "one", "title": "</script>One", "panels": [{"type": "row", "panels": [{"type": "stat"}]}]}


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(loopback, critical=False)
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


#: What is answered to queries that stand for something going wrong.
STRANGE = {
    "broken(": (400, b'{"status":"error","errorType":"bad_data","error":"parse error"}'),
    "html": (200, b"<html>not prometheus</html>"),
    "refused": (401, b"Unauthorized"),
    "moved": (302, b"{}"),
    "starting": (503, b"Service Unavailable"),
}


class FakePrometheus(BaseHTTPRequestHandler):
    """Answers by path; remembers what was asked and with which credentials."""

    asked: list[tuple[str, dict[str, list[str]], str | None]]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.asked.append((url.path, parse_qs(url.query), self.headers.get("Authorization")))
        status, body = self.reply(url.path, parse_qs(url.query).get("query", [""])[0])
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reply(self, path: str, query: str) -> tuple[int, bytes]:
        if query in STRANGE:
            return STRANGE[query]
        if path.startswith("/api/v2/"):
            return 200, b"[]"
        return 200, json.dumps({"status": "success", "data": {"path": path}}).encode()

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("view")
    for name in ("view", "prometheus", "stranger"):
        make_certificate(folder, name)
    (folder / "password").write_text(f"{SECRET}\n", encoding="utf-8")
    (folder / "dashboards").mkdir()
    (folder / "dashboards" / "one.json").write_text(json.dumps(DASHBOARD), encoding="utf-8")
    (folder / "dashboards" / "again.json").write_text(json.dumps({"uid": "../one"}), encoding="utf-8")
    (folder / "dashboards" / "broken.json").write_text("{", encoding="utf-8")
    (folder / "outside.json").write_text('{"uid": "outside"}', encoding="utf-8")
    (folder / "runbooks").mkdir()
    (folder / "runbooks" / "node-down.md").write_text("# Down\n", encoding="utf-8")
    (folder / "runbooks" / "not text.md").write_text("x", encoding="utf-8")
    (folder / "outside.md").write_text("outside", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def fake(files: Path) -> Iterator[ThreadingHTTPServer]:
    FakePrometheus.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakePrometheus)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "prometheus.pem", files / "prometheus.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    yield from running(server)


@pytest.fixture(scope="module")
def config(files: Path, fake: ThreadingHTTPServer) -> ViewConfig:
    hashed = bcrypt.hashpw(SECRET.encode(), bcrypt.gensalt(4)).decode()
    return ViewConfig(
        listen_host="127.0.0.1",
        listen_port=0,
        tls_certificate_file=files / "view.pem",
        tls_key_file=files / "view.key",
        credentials=(
            Credential(user="hashed", password_bcrypt=hashed),
            Credential(user="filed", password_file=files / "password"),
        ),
        prometheus=Backend(
            url=f"https://127.0.0.1:{fake.server_address[1]}",
            ca_file=files / "prometheus.pem",
            user="reader",
            password_file=files / "password",
        ),
        dashboards_dir=files / "dashboards",
        alertmanager=Backend(
            url=f"https://127.0.0.1:{fake.server_address[1]}",
            ca_file=files / "prometheus.pem",
            user="silencer",
            password_file=files / "password",
        ),
        runbooks_dir=files / "runbooks",
    )


def running(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


@pytest.fixture(scope="module")
def server(config: ViewConfig) -> Iterator[ViewServer]:
    yield from running(make_server(config))


class Reply:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    server: ViewServer,
    files: Path,
    path: str,
    *,
    user: str | None = "filed",
    method: str = "GET",
    **more: Any,
) -> Reply:
    context = ssl.create_default_context(cafile=str(files / "view.pem"))
    connection = http.client.HTTPSConnection("127.0.0.1", server.server_port, timeout=10, context=context)
    headers = dict(more.get("headers", {}))
    if user is not None:
        password = more.get("password", SECRET)
        headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    try:
        connection.request(method, path, headers=headers, body=more.get("body"))
        return Reply(connection.getresponse())
    finally:
        connection.close()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/static/main.js",
        "/api/dashboards",
        "/api/runbooks/node-down",
        "/prometheus/api/v1/query",
        "/alertmanager/api/v2/alerts",
        "/none",
    ],
)
def test_nothing_is_answered_without_credentials(server: ViewServer, files: Path, path: str) -> None:
    reply = ask(server, files, path, user=None)
    assert reply.status == 401
    assert reply.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    ("user", "password", "status"),
    [
        ("hashed", SECRET, 200),
        ("filed", SECRET, 200),
        ("hashed", "wrong", 401),
        ("filed", "wrong", 401),
        ("nobody", SECRET, 401),
        ("", "", 401),
        ("hashed", "x" * 100, 401),
    ],
)
def test_only_the_right_password_comes_in(
    server: ViewServer, files: Path, user: str, password: str, status: int
) -> None:
    for _ in range(2):  # the second time from memory, which must not remember a wrong one
        assert ask(server, files, "/", user=user, password=password).status == status


def test_person_who_is_not_let_in_is_told_so_in_words_and_a_program_in_json(
    server: ViewServer, files: Path
) -> None:
    page = ask(server, files, "/", password="wrong", headers={"Accept": "text/html,*/*"})
    assert (page.status, page.headers["Content-Type"]) == (401, "text/html; charset=utf-8")
    assert b"Name and password are needed" in page.body
    assert b"viewport" in page.body
    assert ask(server, files, "/", user=None).json == {"error": "name and password are needed"}


@pytest.mark.parametrize(
    "said",
    ["HTTPSConnection(host='h', port=1): refused", "<urllib3.connection.HTTPConnection at 0x7>: refused"],
)
def test_reader_is_not_told_of_our_objects(said: str) -> None:
    assert upstream._reason(OSError(said)) == "refused"


def test_remembered_password_does_not_open_for_another_one(server: ViewServer, files: Path) -> None:
    assert ask(server, files, "/", user="hashed").status == 200
    assert ask(server, files, "/", user="hashed", password="other").status == 401


@pytest.mark.parametrize(
    "header",
    [
        "Bearer x",
        "Basic",
        "Basic !!!",
        "Basic é",
        *("Basic " + base64.b64encode(x).decode() for x in (b"x", b"\xff:x")),
    ],
)
def test_malformed_credentials_are_refused(server: ViewServer, header: str) -> None:
    assert not server.gate.admits(header)


@pytest.mark.parametrize("path", ["/", "/d/one", "/targets", "/static/view.css", "/api/dashboards", "/none"])
def test_every_answer_carries_the_security_headers(server: ViewServer, files: Path, path: str) -> None:
    reply = ask(server, files, path)
    for name, value in SECURITY_HEADERS:
        assert reply.headers[name] == value
    policy = reply.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW"])
def test_only_get_is_answered(server: ViewServer, files: Path, method: str) -> None:
    reply = ask(server, files, "/", method=method, body=b"x" if method == "POST" else None)
    assert (reply.status, reply.headers["Allow"]) == (405, "GET")
    assert reply.headers["Connection"] == "close"
    assert ask(server, files, "/", method=method, user=None).status == 401


@pytest.mark.parametrize(
    "path",
    [
        "/static/../config.py",
        "/static/..%2fconfig.py",
        "/static//etc/passwd",
        "/static/%2e%2e/%2e%2e/pyproject.toml",
        "/d/../../etc/passwd",
        "/api/dashboards/../outside",
        "/api/dashboards/..%2foutside",
        "/api/dashboards/outside",
        "//etc/passwd",
        "/prometheus/api/v1/../../config",
        "/prometheus/api/v1/label/../values",
        "/prometheus/api/v1/admin/tsdb/snapshot",
        "/prometheus/-/reload",
        "/alertmanager/api/v2/status",
        "/alertmanager/api/v2/silence/1",
        "/alertmanager/-/reload",
        "/api/runbooks/outside",
        "/api/runbooks/../outside",
        "/api/runbooks/not%20text",
        "/api/runbooksnode-down",
        "/runbooks/../outside",
    ],
)
def test_no_path_leads_out_of_what_is_served(server: ViewServer, files: Path, path: str) -> None:
    FakePrometheus.asked.clear()
    assert ask(server, files, path).status == 404
    assert FakePrometheus.asked == []


def test_dashboards_are_listed_and_faulty_files_named(server: ViewServer, files: Path) -> None:
    listing = ask(server, files, "/api/dashboards").json
    assert [(one["uid"], one["panels"]) for one in listing["dashboards"]] == [("one", 1)]
    assert [fault.split(":")[0] for fault in listing["faults"]] == ["again.json", "broken.json"]
    assert ask(server, files, "/api/dashboards/one").json["dashboard"] == DASHBOARD


@pytest.mark.parametrize(
    "wrong",
    [{"panels": "none"}, {"panels": ["one"]}, {"panels": [{"type": "row", "panels": 3}]}, {"tags": 3}],
)
def test_a_file_that_is_almost_a_dashboard_costs_none_of_the_others(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    (tmp_path / "one.json").write_text(json.dumps(DASHBOARD), encoding="utf-8")
    (tmp_path / "two.json").write_text(json.dumps({"uid": "two", "panels": [], **wrong}), encoding="utf-8")
    listing = read_dashboards(tmp_path)
    assert [one["uid"] for one in listing.summaries()] == ["one"]
    assert [fault.split(":")[0] for fault in listing.faults] == ["two.json"]


def test_a_bug_is_answered_and_logged(
    server: ViewServer, files: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: str) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(server.site, "answer", fails)
    reply = ask(server, files, "/api/dashboards")
    assert (reply.status, "a bug" in reply.json["error"]) == (500, True)
    assert "ZeroDivisionError: ours" in caplog.text


def test_pages_and_the_installed_uplot_are_served(server: ViewServer, files: Path) -> None:
    assert b"view.js" in ask(server, files, "/d/one?from=now-5m").body
    assert b"uPlot" in ask(server, files, "/static/uPlot.iife.js").body
    assert ask(server, files, "/static/view.js").headers["Content-Type"].startswith("text/javascript")


def test_page_has_no_inline_script_or_style(server: ViewServer, files: Path) -> None:
    page = ask(server, files, "/").body.decode()
    assert "<style" not in page
    assert " style=" not in page
    assert "<script>" not in page


def test_query_goes_to_prometheus_with_its_credentials_and_known_parameters(
    server: ViewServer, files: Path
) -> None:
    FakePrometheus.asked.clear()
    reply = ask(server, files, "/prometheus/api/v1/query?query=up%7Ba%3D%22%2B%22%7D&time=1&evil=1&match[]=x")
    assert reply.json["data"] == {"path": "/api/v1/query"}
    _path, parameters, authorization = FakePrometheus.asked[0]
    assert parameters == {"query": ['up{a="+"}'], "time": ["1"], "match[]": ["x"]}
    assert authorization == "Basic " + base64.b64encode(f"reader:{SECRET}".encode()).decode()


def test_alertmanager_is_asked_with_credentials_of_its_own(server: ViewServer, files: Path) -> None:
    FakePrometheus.asked.clear()
    assert ask(server, files, "/alertmanager/api/v2/alerts?active=true&evil=1").json == []
    path, parameters, authorization = FakePrometheus.asked[0]
    assert (path, parameters) == ("/api/v2/alerts", {"active": ["true"]})
    assert authorization == "Basic " + base64.b64encode(f"silencer:{SECRET}".encode()).decode()
    assert ask(server, files, "/api/settings").json["alertmanager"] is True


def test_preview_without_alertmanager_says_so_and_has_no_way_to_it(config: ViewConfig, files: Path) -> None:
    for lone in running(make_server(replace(config, alertmanager=None, runbooks_dir=None))):
        assert ask(lone, files, "/api/settings").json["alertmanager"] is False
        assert ask(lone, files, "/alertmanager/api/v2/alerts").status == 404
        assert ask(lone, files, "/api/runbooks").json == {"runbooks": []}


@pytest.fixture
def long(config: ViewConfig, files: Path) -> Iterator[ViewServer]:
    """A preview with a long-term store, which answers as the Prometheus of these tests does."""
    store = replace(config.prometheus, user="store")
    yield from running(make_server(replace(config, long_term=store)))


def test_long_term_store_is_asked_with_credentials_of_its_own(long: ViewServer, files: Path) -> None:
    FakePrometheus.asked.clear()
    assert ask(long, files, "/api/settings").json["long_term"] is True
    reply = ask(long, files, "/long-term/api/v1/query_range?query=up&start=1&evil=1")
    assert reply.json["data"] == {"path": "/api/v1/query_range"}
    _path, parameters, authorization = FakePrometheus.asked[0]
    assert parameters == {"query": ["up"], "start": ["1"]}
    assert authorization == "Basic " + base64.b64encode(f"store:{SECRET}".encode()).decode()


@pytest.mark.parametrize(
    "path", ["rules", "targets", "alerts", "admin/tsdb/delete_series", "import", "export", "status/tsdb"]
)
def test_long_term_store_is_asked_for_series_only(long: ViewServer, files: Path, path: str) -> None:
    FakePrometheus.asked.clear()
    assert ask(long, files, f"/long-term/api/v1/{path}").status == 404
    assert FakePrometheus.asked == []


def test_preview_without_a_long_term_store_has_no_way_to_one(server: ViewServer, files: Path) -> None:
    assert ask(server, files, "/api/settings").json["long_term"] is False
    assert ask(server, files, "/long-term/api/v1/query?query=up").status == 404


def test_runbooks_are_listed_and_read(server: ViewServer, files: Path) -> None:
    assert ask(server, files, "/api/runbooks").json == {"runbooks": ["node-down"]}
    assert ask(server, files, "/api/runbooks/node-down").json["runbook"] == "# Down\n"
    assert b"view.js" in ask(server, files, "/runbooks/node-down").body


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("broken(", 400, "parse error"),
        ("html", 502, "without JSON"),
        ("refused", 502, "refused this preview's credentials"),
        ("moved", 502, "sends elsewhere"),
        ("starting", 503, "is starting or stopping"),
    ],
)
def test_errors_of_prometheus_reach_the_reader_in_words(
    server: ViewServer, files: Path, query: str, status: int, said: str
) -> None:
    reply = ask(server, files, f"/prometheus/api/v1/query?query={query}")
    assert reply.status == status
    assert said in reply.json.get("error", "")


def test_answer_beyond_the_limit_is_refused(
    server: ViewServer, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "LARGEST_ANSWER_BYTES", 10)
    reply = ask(server, files, "/prometheus/api/v1/query?query=up")
    assert (reply.status, reply.json["errorType"]) == (502, "too_large")


class KeptPrometheus(FakePrometheus):
    """Keeps its connections, as the real one does, and has a long answer."""

    protocol_version = "HTTP/1.1"

    def reply(self, path: str, query: str) -> tuple[int, bytes]:
        if query == "long":
            return 200, b'{"status":"success","data":"' + b"x" * 12_000 + b'"}'
        return super().reply(path, query)


def test_what_was_not_read_of_an_answer_is_not_taken_for_the_next_one(
    config: ViewConfig, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "LARGEST_ANSWER_BYTES", 1000)
    server = ThreadingHTTPServer(("127.0.0.1", 0), KeptPrometheus)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "prometheus.pem", files / "prometheus.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    for kept in running(server):
        asked = upstream.Upstream(
            replace(config.prometheus, url=f"https://127.0.0.1:{kept.server_address[1]}")
        )
        assert asked.get("query", "query=up").status == 200
        assert json.loads(asked.get("query", "query=long").body)["errorType"] == "too_large"
        assert asked.get("query", "query=up").status == 200


def test_a_frozen_prometheus_keeps_nobody_waiting_behind_those_who_wait(
    config: ViewConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts and says nothing; a page asks more than there are connections, and another page too."""
    monkeypatch.setattr(upstream, "_TIMEOUT", urllib3.Timeout(connect=1.0, read=1.0))
    monkeypatch.setattr(upstream, "_TURN_S", 0.2, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as frozen, ThreadPoolExecutor(24) as pool:
        url = f"http://127.0.0.1:{frozen.getsockname()[1]}"
        asked = upstream.Upstream(replace(config.prometheus, url=url, ca_file=None))
        began = time.monotonic()
        answers = list(pool.map(lambda _: asked.get("query", "query=up"), range(24)))
        took_s = time.monotonic() - began
    assert {answer.status for answer in answers} == {504}
    assert took_s < 2
    assert sum(b"busy with other questions" in answer.body for answer in answers) == 16


def test_unreachable_prometheus_is_named(config: ViewConfig, files: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        gone = replace(config.prometheus, url=f"https://127.0.0.1:{taken.getsockname()[1]}")
        answer = upstream.Upstream(gone).get("query", "query=up")
    assert answer.status == 502
    assert gone.url in json.loads(answer.body)["error"]


def test_prometheus_with_a_strange_certificate_is_not_believed(config: ViewConfig, files: Path) -> None:
    strange = replace(config.prometheus, ca_file=files / "stranger.pem")
    FakePrometheus.asked.clear()
    answer = upstream.Upstream(strange).get("query", "query=up")
    assert answer.status == 502
    assert "certificate" in json.loads(answer.body)["error"].lower()
    assert FakePrometheus.asked == []


def test_client_that_never_shakes_hands_does_not_stop_the_others(server: ViewServer, files: Path) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port)):
        assert ask(server, files, "/").status == 200


def opened(server: ViewServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_port), timeout=10)


def test_who_only_holds_connections_keeps_nobody_out(
    config: ViewConfig, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 2)
    for small in running(make_server(config)):
        silent = [opened(small) for _ in range(2)]
        for _ in range(5):
            assert ask(small, files, "/").status == 200
        assert silent[0].recv(1) == b"", "the first of them made room"
        for connection in silent:
            connection.close()


def test_one_connection_more_is_closed_where_all_are_being_answered_and_places_come_free_again(
    config: ViewConfig, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 2)
    answering, may = threading.Semaphore(0), threading.Event()
    whole = Site.answer

    def slowly(site: Site, path: str, query: str) -> tuple[int, bytes, str]:
        answering.release()
        may.wait(10)
        return whole(site, path, query)

    monkeypatch.setattr(Site, "answer", slowly)
    for small in running(make_server(config)):
        with ThreadPoolExecutor(2) as pool:
            asking = [pool.submit(ask, small, files, "/") for _ in range(2)]
            assert all(answering.acquire(timeout=10) for _ in asking)
            with opened(small) as one_more:
                assert one_more.recv(1) == b""
            may.set()
            assert [each.result(10).status for each in asking] == [200, 200]
        assert ask(small, files, "/").status == 200


def greeting(context: ssl.SSLContext) -> bytes:
    """What a client says first in the handshake."""
    outgoing = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1").do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("handshake", [True, False], ids=["in the handshake", "in a request"])
def test_who_sends_a_byte_now_and_then_is_cut_off(
    config: ViewConfig, files: Path, monkeypatch: pytest.MonkeyPatch, handshake: bool
) -> None:
    """No read of its socket ever takes long, so no time-out of a read ends it."""
    monkeypatch.setattr(server_module, "IDLE_TIMEOUT_S", 1.0)
    context = ssl.create_default_context(cafile=str(files / "view.pem"))
    for small in running(make_server(config)):
        connection = opened(small)
        drops = greeting(context) if handshake else b"GET / HTTP/1.1\r\nX: " + b"x" * 1000
        if not handshake:
            connection = context.wrap_socket(connection, server_hostname="127.0.0.1")
        began = time.monotonic()
        sent = 0
        with connection, suppress(OSError):
            for drop in drops:
                connection.sendall(bytes([drop]))
                sent += 1
                time.sleep(0.02)
        assert 10 < sent < len(drops)
        assert time.monotonic() - began < 10


def test_who_takes_an_answer_byte_by_byte_is_cut_off(
    config: ViewConfig, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "ANSWER_TIMEOUT_S", 1.0)
    monkeypatch.setattr(Site, "answer", lambda *_: (200, bytes(50_000_000), "text/plain"))
    ended = threading.Event()
    whole = Connections.give_back

    def give_back(places: Connections) -> None:
        whole(places)
        ended.set()

    monkeypatch.setattr(Connections, "give_back", give_back)
    context = ssl.create_default_context(cafile=str(files / "view.pem"))
    for small in running(make_server(config)):
        with context.wrap_socket(opened(small), server_hostname="127.0.0.1") as connection:
            word = base64.b64encode(f"filed:{SECRET}".encode()).decode()
            connection.sendall(f"GET / HTTP/1.1\r\nAuthorization: Basic {word}\r\n\r\n".encode())
            began = time.monotonic()
            while not ended.wait(0.2):
                with suppress(OSError):
                    connection.recv(1)
            assert time.monotonic() - began < 10


def test_place_of_a_connection_is_given_back_when_no_thread_can_start(
    config: ViewConfig, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 1)
    start = threading.Thread.start
    for small in running(make_server(config)):
        with monkeypatch.context() as broken:
            broken.setattr(threading.Thread, "start", refuse)
            with socket.create_connection(("127.0.0.1", small.server_port), timeout=5) as turned_away:
                assert turned_away.recv(1) == b""
        assert threading.Thread.start is start
        assert ask(small, files, "/").status == 200


def refuse(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_plain_http_is_not_answered(server: ViewServer) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            answer = plain.recv(100)
        except ConnectionResetError:
            answer = b""
    assert not answer.startswith(b"HTTP")


def test_old_tls_is_refused(server: ViewServer) -> None:
    assert server.tls.minimum_version == ssl.TLSVersion.TLSv1_2


def test_suites_encrypt_with_authentication_and_fresh_keys(server: ViewServer) -> None:
    assert all(each["aead"] for each in server.tls.get_ciphers())
    old = [each["name"] for each in server.tls.get_ciphers() if each["protocol"] != "TLSv1.3"]
    assert old
    assert all(name.startswith("ECDHE-") for name in old)


def test_probe_tells_a_running_preview_from_none(config: ViewConfig, server: ViewServer) -> None:
    probe(replace(config, listen_port=server.server_port))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NotReadyError, match="does not answer"):
            probe(replace(config, listen_port=taken.getsockname()[1]))


def test_taken_port_is_named(config: ViewConfig, server: ViewServer) -> None:
    with pytest.raises(NotReadyError, match="cannot listen"):
        make_server(replace(config, listen_port=server.server_port))


def test_serving_ends_when_it_is_told_to(config: ViewConfig) -> None:
    stop = threading.Event()
    addresses: list[str] = []

    def ready(address: str) -> None:
        addresses.append(address)
        stop.set()

    serve(config, stop=stop, on_ready=ready)
    assert addresses[0].startswith("https://127.0.0.1:")


@pytest.mark.parametrize("missing", ["tls_key_file", "tls_certificate_file"])
def test_missing_certificate_is_bad_input(config: ViewConfig, files: Path, missing: str) -> None:
    changed: dict[str, Any] = {missing: files / "gone"}
    with pytest.raises(BadInputError):
        make_server(replace(config, **changed))
