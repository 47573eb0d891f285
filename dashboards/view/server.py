"""The preview's HTTPS server: who may come in, which paths there are, and what every answer carries."""

from __future__ import annotations

import json
import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from dashboards.view.assets import Asset, load_assets
from dashboards.view.config import ViewConfig
from dashboards.view.connections import Connections
from dashboards.view.credentials import Gate
from dashboards.view.library import RUNBOOK, read_dashboards, read_runbooks
from dashboards.view.upstream import ALERTMANAGER, LONG_TERM, PROMETHEUS, Upstream
from warren.errors import BadInputError, NotReadyError
from warren.https import SERVER_SUITES

#: Seconds that a client has from its connection, or from the last answer, until a whole request is there.
IDLE_TIMEOUT_S = 20.0
#: Seconds from there until it has taken the whole answer.
ANSWER_TIMEOUT_S = 60.0
#: Connections served at a time, a thread each (the container may have 64). One more is let in for that which
#: has waited longest without a request; it is closed at once where all are being answered.
MOST_CONNECTIONS = 48

SECURITY_HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Cache-Control", "no-store"),
)

_PAGE = re.compile(
    rf"/|/targets|/rules|/alerts|/runbooks(?:/{RUNBOOK})?|/d/[A-Za-z0-9_-]{{1,40}}(?:/[A-Za-z0-9_-]*)?"
)
_JSON = "application/json; charset=utf-8"
_HTML = "text/html; charset=utf-8"
#: What a person sees who has no password, or a wrong one, and gives up being asked for it. No style: that is
#: for those who are let in.
_LOGIN = (
    b'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Sign in - preview</title>'
    b'<meta name="viewport" content="width=device-width, initial-scale=1">'
    b'<meta name="color-scheme" content="dark light"></head>'
    b"<body><h1>Name and password are needed</h1>"
    b"<p>This preview of Warren's dashboards lets nobody in without them, or these were wrong. "
    b"<code>warren dashboards open</code> says where they are.</p>"
    b'<p><a href="/">Try again</a></p></body></html>\n'
)
_DISCARDED_BYTES = 64 * 1024
_log = logging.getLogger("warren.view")


class Site:
    """What the preview can be asked, apart from sockets: path and query in, (status, body, type) out."""

    def __init__(self, config: ViewConfig, *, assets: Mapping[str, Asset]) -> None:
        """Read the passwords and CAs of what is asked; raise BadInputError where one cannot be read."""
        self._config = config
        self._assets = assets
        self._upstreams = {
            name: (api, Upstream(backend, api))
            for name, api, backend in (
                ("prometheus", PROMETHEUS, config.prometheus),
                ("long-term", LONG_TERM, config.long_term),
                ("alertmanager", ALERTMANAGER, config.alertmanager),
            )
            if backend is not None
        }

    def answer(self, path: str, query: str) -> tuple[int, bytes, str]:
        """Answer a GET; every path that is not known is 404."""
        if _PAGE.fullmatch(path):
            page = self._assets["index.html"]
            return 200, page.body, page.content_type
        head, _, rest = path[1:].partition("/")
        if head == "static" and rest in self._assets:
            return 200, self._assets[rest].body, self._assets[rest].content_type
        if head in self._upstreams:
            api, upstream = self._upstreams[head]
            if rest.startswith(api.prefix):
                return _handed_on(upstream, rest.removeprefix(api.prefix), query)
        if head == "api":
            return self._api(rest)
        return _json(404, {"error": "there is no such page"})

    def _api(self, rest: str) -> tuple[int, bytes, str]:
        if rest == "settings":
            return _json(200, self._settings())
        if rest == "runbooks" or rest.startswith("runbooks/"):
            return self._runbook(rest.removeprefix("runbooks").removeprefix("/"))
        listing = read_dashboards(self._config.dashboards_dir)
        if rest == "dashboards":
            return _json(200, {"dashboards": listing.summaries(), "faults": list(listing.faults)})
        kind, _, uid = rest.partition("/")
        if kind == "dashboards" and uid in listing.dashboards:
            return _json(200, {"dashboard": listing.dashboards[uid]})
        known = ", ".join(sorted(listing.dashboards)) or "none"
        return _json(404, {"error": f"there is no such dashboard; known are: {known}"})

    def _settings(self) -> dict[str, Any]:
        return {
            "scrape_interval_s": self._config.scrape_interval_s,
            "alertmanager": "alertmanager" in self._upstreams,
            "long_term": "long-term" in self._upstreams,
        }

    def _runbook(self, name: str) -> tuple[int, bytes, str]:
        """The names of all runbooks, or the text of one."""
        runbooks = read_runbooks(self._config.runbooks_dir)
        if not name:
            return _json(200, {"runbooks": list(runbooks)})
        if name not in runbooks:
            return _json(404, {"error": f"there is no runbook called {name}"})
        return _json(200, {"runbook": runbooks[name], "runbooks": list(runbooks)})


def _handed_on(upstream: Upstream, path: str, query: str) -> tuple[int, bytes, str]:
    answer = upstream.get(path, query)
    return answer.status, answer.body, _JSON


def _json(status: int, content: Mapping[str, Any]) -> tuple[int, bytes, str]:
    return status, json.dumps(content).encode(), _JSON


class Handler(BaseHTTPRequestHandler):
    """One connection: authentication first, then GET only, security headers on every answer."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_TIMEOUT_S
    server: ViewServer

    def handle_one_request(self) -> None:
        self.server.places.wait()
        super().handle_one_request()

    def do_GET(self) -> None:
        if self._admitted():
            self._send(*self._answer())

    def _answer(self) -> tuple[int, bytes, str]:
        try:
            url = urlsplit(self.path)
            return self.server.site.answer(url.path, url.query)
        except Exception:
            _log.exception("no answer to a request: a bug")
            return _json(500, {"error": "this preview failed over it: a bug, which its log tells of"})

    def _admitted(self) -> bool:
        if self.server.gate.admits(self.headers.get("Authorization")):
            self.server.places.answer()
            return True
        challenge = ("WWW-Authenticate", 'Basic realm="Warren preview", charset="UTF-8"')
        wants_page = "text/html" in self.headers.get("Accept", "")
        refusal = (
            (401, _LOGIN, _HTML) if wants_page else _json(401, {"error": "name and password are needed"})
        )
        self._send(*refusal, extra=(challenge,))
        return False

    def _send(self, status: int, body: bytes, kind: str, extra: tuple[tuple[str, str], ...] = ()) -> None:
        self.send_response(status)
        length = ("Content-Length", str(len(body)))
        for name, value in (("Content-Type", kind), length, *SECURITY_HEADERS, *extra):
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, *_words: object) -> None:
        """Refuse other methods and broken requests: same headers as always, and no echo of the request."""
        self.close_connection = True  # a body may follow that nobody will read
        if code != HTTPStatus.NOT_IMPLEMENTED:
            self.command = "GET"
            self._send(*_json(code, {"error": "the request cannot be understood"}))
            return
        self._discard_body()
        if self._admitted():
            self._send(*_json(405, {"error": "only GET is answered"}), extra=(("Allow", "GET"),))

    def _discard_body(self) -> None:
        """Read a little of what follows: a close over unread bytes would reset the answer on its way."""
        length = self.headers.get("Content-Length", "0")
        if length.isdecimal():
            self.rfile.read(min(int(length), _DISCARDED_BYTES))

    def version_string(self) -> str:
        return "warren-view"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parameter's name in the base class
        _log.debug("%s %s", self.address_string(), format % args)


class ViewServer(ThreadingHTTPServer):
    """A thread for each connection, TLS in that thread, so that no client can hold up another's handshake."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, config: ViewConfig, site: Site, gate: Gate) -> None:
        self.site = site
        self.gate = gate
        self.tls = _tls_context(config)
        self.places = Connections(MOST_CONNECTIONS, request_s=IDLE_TIMEOUT_S, answer_s=ANSWER_TIMEOUT_S)
        self.address_family = socket.AF_INET6 if ":" in config.listen_host else socket.AF_INET
        super().__init__((config.listen_host, config.listen_port), Handler)

    def server_bind(self) -> None:
        """Bind without the name look-up of HTTPServer, which can hang where there is no resolver."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self.places.take():
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread to be had
            self.places.give_back()
            raise

    def service_actions(self) -> None:
        """Called by ``serve_forever`` at every turn."""
        self.places.close_late()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.give_back()

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(IDLE_TIMEOUT_S)
        with self.tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as tls:
            self.places.begin(tls)
            tls.do_handshake()
            Handler(tls, client_address, self)

    def handle_error(self, _request: Any, client_address: Any) -> None:
        """A client that goes away, or speaks no TLS, is not worth a traceback."""
        _log.info("connection from %s ended early", client_address[0])
        _log.debug("it ended with", exc_info=True)


def _tls_context(config: ViewConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SERVER_SUITES)
    try:
        context.load_cert_chain(config.tls_certificate_file, config.tls_key_file)
    except (OSError, ssl.SSLError) as error:
        place = f"{config.tls_certificate_file}, {config.tls_key_file}"
        raise BadInputError(place, f"the certificate or its key cannot be used: {error}") from error
    return context


def make_server(config: ViewConfig) -> ViewServer:
    """A bound server that does not serve yet. Raises BadInputError or NotReadyError (address in use)."""
    site = Site(config, assets=load_assets())
    gate = Gate(config.credentials)
    try:
        return ViewServer(config, site, gate)
    except OSError as error:
        place = f"{config.listen_host}:{config.listen_port}"
        raise NotReadyError(
            place, f"cannot listen: {error.strerror}", "is another preview running?"
        ) from error


def serve(config: ViewConfig, *, stop: threading.Event, on_ready: Callable[[str], None]) -> None:
    """Serve until ``stop`` is set; ``on_ready`` gets the address once connections are taken.

    Raises BadInputError for unusable files, NotReadyError where the address is taken.
    """
    with make_server(config) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
        thread.start()
        host = f"[{server.server_name}]" if ":" in server.server_name else server.server_name
        on_ready(f"https://{host}:{server.server_port}/")
        try:
            stop.wait()
        finally:
            server.shutdown()
            thread.join(timeout=5)
