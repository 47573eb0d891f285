"""The exporter's HTTPS server: ``/metrics``, ``/-/healthy`` and a landing page, for those with a certificate.

A client without a certificate of ``client_ca`` gets no answer on any path. Handshakes run in the thread of
their own connection, so one that hangs holds nobody up.
"""

from __future__ import annotations

import html
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from exporters import names
from exporters.exporter import Exporter
from exporters.exposition import encode
from warren.errors import NotReadyError
from warren.https import SERVER_SUITES

_HANDSHAKE_S = 5.0
#: Prometheus says how long it waits; this much of it is left for the way back.
_WAY_BACK_S = 0.5
_HEADERS = [("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", "default-src 'none'")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files: the server's certificate and key, and the authority whose certificates clients must show."""

    certificate: Path
    key: Path
    client_ca: Path

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or later, client certificate required; raises NotReadyError when a file cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(SERVER_SUITES)
        try:
            context.load_cert_chain(self.certificate, self.key)
            context.load_verify_locations(self.client_ca)
        except (OSError, ssl.SSLError) as error:
            files = f"{self.certificate}, {self.key}, {self.client_ca}"
            raise NotReadyError(files, f"cannot be used for TLS: {error}") from error
        context.verify_mode = ssl.CERT_REQUIRED
        return context


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    tls: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(_HANDSHAKE_S)
        try:
            secured = self.tls.wrap_socket(request, server_side=True)
        except OSError:  # a client that shows no certificate or goes away is its own affair
            return
        try:
            super().finish_request(secured, client_address)
        finally:
            secured.close()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """A connection that broke off is not worth a traceback for each scrape."""


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """One line a scrape would bury what matters."""


def application(
    exporter: Exporter, *, deadline_s: float, collectors: Sequence[str]
) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    """The WSGI application. A scrape takes ``deadline_s``, or less where Prometheus waits less."""

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return _send(start, "405 Method Not Allowed", "text/plain; charset=utf-8", b"only GET\n")
        if path == "/metrics":
            try:
                waits_s = _waits_s(environ)
                may_read_s = deadline_s if waits_s is None else min(deadline_s, waits_s)
                families = exporter.scrape(may_read_s, waits_s=waits_s)
            except NotReadyError as error:
                return _send(
                    start, "503 Service Unavailable", "text/plain; charset=utf-8", f"{error}\n".encode()
                )
            body, content_type = encode(families, environ.get("HTTP_ACCEPT", ""))
            return _send(start, "200 OK", content_type, *body)
        if path == "/-/healthy":
            return _send(start, "200 OK", "text/plain; charset=utf-8", b"Healthy.\n")
        if path == "/":
            return _send(start, "200 OK", "text/html; charset=utf-8", _landing_page(collectors).encode())
        return _send(start, "404 Not Found", "text/plain; charset=utf-8", b"try /metrics or /-/healthy\n")

    return answer


def listen(
    app: Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]],
    *,
    host: str,
    port: int,
    tls: TlsFiles,
) -> WSGIServer:
    """A server that is bound and not yet serving; port 0 takes a free one. Raises NotReadyError when the
    address is taken."""
    context = tls.context()
    try:
        server = make_server(host, port, app, server_class=_Server, handler_class=_QuietHandler)
    except OSError as error:
        raise NotReadyError(
            f"{host}:{port}", f"cannot be listened on: {error}", "give another --listen"
        ) from error
    assert isinstance(server, _Server)  # noqa: S101 - made of that class one line above
    server.tls = context
    return server


def _waits_s(environ: WSGIEnvironment) -> float | None:
    """How long Prometheus waits, less the way back; None where it does not say."""
    try:
        waits_s = float(environ.get("HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS", ""))
    except ValueError:
        return None
    return max(waits_s - _WAY_BACK_S, waits_s / 2)


def _send(start: StartResponse, status: str, content_type: str, *body: bytes) -> Iterable[bytes]:
    length = sum(len(part) for part in body)
    start(status, [("Content-Type", content_type), ("Content-Length", str(length)), *_HEADERS])
    return body


def _landing_page(collectors: Sequence[str]) -> str:
    rows = "".join(
        f"<dt><code>{html.escape(metric.name)}{html.escape('{' + ','.join(metric.labels) + '}')}</code></dt>"
        f"<dd>{html.escape(metric.help)}</dd>"
        for metric in names.ALL
    )
    running = ", ".join(collectors)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Warren exporter</title>'
        f"<h1>Warren exporter</h1><p>Collectors: {html.escape(running)}.</p>"
        f'<p><a href="/metrics">Metrics</a>, <a href="/-/healthy">health</a>.</p><dl>{rows}</dl></html>\n'
    )
