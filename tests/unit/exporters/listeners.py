"""TLS listeners on the loopback, sound and broken, and certificates for them."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from exporters.tls_probe import Target
from warren.pki import Pair, Pki

NAME = "localhost"
EVERY_VERSION = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_3)
ONLY_1_2 = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
ONLY_OLD = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
ONLY_1_3 = (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)
SOUND = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def make_pki(folder: Path, *, days_ago: float = 0) -> Pki:
    """Authorities made ``days_ago``; their servers' certificates last 397 days from then."""
    folder.mkdir(exist_ok=True)
    pki = Pki(folder=folder, now=datetime.now(UTC) - timedelta(days=days_ago))
    pki.ensure_authorities()
    return pki


def make_pair(pki: Pki, name: str = NAME, *, authority: str = "cluster") -> Pair:
    """A server's certificate that names ``name``."""
    return pki.ensure_leaf(authority, name, hosts=(name,), purpose="both")


def server_context(
    pair: Pair,
    *,
    versions: tuple[ssl.TLSVersion, ssl.TLSVersion] = SOUND,
    ciphers: str = "",
    client_ca: Path | None = None,
) -> ssl.SSLContext:
    """``ciphers`` of TLS 1.2 and before, in OpenSSL's words; with ``client_ca`` nobody comes in without a
    certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(f"{ciphers or 'ALL:!aNULL'}:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = versions
    context.load_cert_chain(pair.certificate, pair.key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@dataclass
class Listening:
    """A listener that runs. ``context`` may be changed while it does."""

    port: int
    context: ssl.SSLContext | None = None
    connections: int = 0
    #: Handshakes that the client finished.
    finished: int = 0

    def target(self, listener: str = "amqps", *, name: str = NAME, host: str = "localhost") -> Target:
        return Target(listener=listener, name=name, host=host, port=self.port)


Handle = Callable[[Any], None]


@contextmanager
def listening(context: ssl.SSLContext | None = None, *, handle: Handle | None = None) -> Iterator[Listening]:
    """Shakes hands with whoever comes, or does with the plain connection what ``handle`` says."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            served.connections += 1
            self.request.settimeout(5)
            if handle is not None:
                return handle(self.request)
            assert served.context is not None
            try:
                with served.context.wrap_socket(self.request, server_side=True):
                    served.finished += 1
            except OSError:
                pass
            return None

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("localhost", 0), Handler) as server:
        served = Listening(server.server_address[1], context)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join(timeout=5)
