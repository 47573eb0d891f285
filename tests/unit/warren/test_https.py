"""Kept connections against a listener that closes idle ones, in the moment in which it is asked again."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import urllib3

from warren.https import HttpEndpoint, node_pool
from warren.pki import Pki

#: As a node closes connections, but sooner: a question after it is taken and never answered.
CLOSES_AFTER_S = 0.3


class Closing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answered_s = 0.0

    def do_GET(self) -> None:
        if self.answered_s and time.monotonic() - self.answered_s > CLOSES_AFTER_S:
            self.close_connection = True
            return
        self.answered_s = time.monotonic()
        if self.path == "/drops":
            self.drip()
            return
        self.send_response(200)
        body = str(self.client_address[1]).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def drip(self) -> None:
        """Five seconds of bytes, none of which is long in coming."""
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(100):
                self.wfile.write(b".")
                time.sleep(0.05)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[HttpEndpoint, Path]]:
    pki = Pki(folder=tmp_path, now=datetime.now(UTC))
    pki.ensure_authorities()
    pki.ensure_leaf("cluster", "node", hosts=("localhost",), purpose="server")
    pair = pki.leaf("cluster", "node")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server = ThreadingHTTPServer(("localhost", 0), Closing)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    port = server.server_address[1]
    yield (
        HttpEndpoint(node="n", host="localhost", port=port, server_name="localhost"),
        pki.authority("cluster").certificate,
    )
    server.shutdown()
    server.server_close()


def ask(pool: urllib3.HTTPSConnectionPool) -> bytes:
    answer = pool.request("GET", "/")
    assert answer.status == 200
    return bytes(answer.data)


def test_a_connection_is_kept_between_two_questions(place: tuple[HttpEndpoint, Path]) -> None:
    endpoint, ca = place
    pool = node_pool(endpoint, ca=ca, timeout=urllib3.Timeout(total=5))
    assert ask(pool) == ask(pool)


def test_a_connection_that_was_idle_for_too_long_is_not_asked(place: tuple[HttpEndpoint, Path]) -> None:
    endpoint, ca = place
    pool = node_pool(endpoint, ca=ca, timeout=urllib3.Timeout(total=5), kept_for_s=CLOSES_AFTER_S / 2)
    first = ask(pool)
    time.sleep(CLOSES_AFTER_S * 1.5)
    assert ask(pool) != first


def test_an_answer_that_comes_drop_by_drop_is_given_up(place: tuple[HttpEndpoint, Path]) -> None:
    """No read of it ever takes long; the whole may take thrice what a read may."""
    endpoint, ca = place
    pool = node_pool(endpoint, ca=ca, timeout=urllib3.Timeout(connect=5, read=0.3))
    began = time.monotonic()
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        pool.request("GET", "/drops")
    assert 0.3 < time.monotonic() - began < 2.5
    assert ask(pool)
