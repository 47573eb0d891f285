"""Whoever stands between a client of ours and the broker: another authority's certificate, one of yesterday,
or one of another name is refused by everything that speaks to a node, before a word is said."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3

from warren.connection import Credentials, Endpoint, TlsMaterial, parameters, tls_context
from warren.connection_errors import describe
from warren.errors import WarrenError
from warren.https import HttpEndpoint
from warren.management import ManagementClient
from warren.node_metrics import NodeMetrics
from warren.pki import Pki
from warren.prometheus import PrometheusClient

NOW = datetime.now(UTC)
PASSWORD = b"a-password-that-nobody-may-see"


class Impostor:
    """Shows a certificate to whoever comes, and keeps what it is told."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.heard = b""
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.settimeout(2.0)
                with (
                    closing(client),
                    suppress(OSError),
                    self._tls.wrap_socket(client, server_side=True) as tls,
                ):
                    self.heard += tls.recv(4096)
                    tls.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        self._listener.close()


def _pki(folder: Path, now: datetime = NOW) -> Pki:
    folder.mkdir(exist_ok=True)
    pki = Pki(folder, now)
    pki.ensure_authorities()
    return pki


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return _pki(tmp_path_factory.mktemp("ours"))


KINDS = ("another authority", "yesterday", "another name", "a client's")


@pytest.fixture(params=(*KINDS, "right"))
def impostor(request: pytest.FixtureRequest, ours: Pki, tmp_path: Path) -> Iterator[tuple[str, Impostor]]:
    kind = str(request.param)
    pki, hosts = ours, ["rmq1", "127.0.0.1"]
    if kind == "another authority":
        pki = _pki(tmp_path / "other")
    if kind == "yesterday":
        pki = Pki(ours.folder, NOW - timedelta(days=400))
    if kind == "another name":
        hosts = ["rmq2"]
    purpose = "client" if kind == "a client's" else "server"
    pem = tmp_path / "shown.pem"
    pem.write_text(pki.pem("cluster", "shown", hosts=hosts, purpose=purpose))  # type: ignore[arg-type]
    shown = Impostor(pem, pem)
    yield kind, shown
    shown.close()


def _amqp(port: int, ca: Path) -> None:
    import pika  # noqa: PLC0415 - its own errors are those to see

    tls = tls_context(TlsMaterial(ca_path=ca))
    wanted = parameters(
        Endpoint(name="rmq1", host="127.0.0.1", port=port), vhost="/", tls=tls, connection_name="x",
        credentials=Credentials(username="ann", password=PASSWORD.decode()),
    )  # fmt: skip
    try:
        pika.BlockingConnection(wanted)
    except pika.exceptions.AMQPError as error:
        raise OSError(describe(error)) from error


def _management(port: int, ca: Path) -> None:
    place = HttpEndpoint(node="rmq1", host="127.0.0.1", port=port, server_name="rmq1")
    ManagementClient([place], user="ann", password=PASSWORD.decode(), ca=ca, timeout_s=5).overview()


def _metrics(port: int, ca: Path) -> None:
    place = HttpEndpoint(node="rmq1", host="127.0.0.1", port=port, server_name="rmq1")
    reader = NodeMetrics([place], user="ann", password=PASSWORD.decode(), ca=ca)
    reader.page("rmq1")


def _prometheus(port: int, ca: Path) -> None:
    PrometheusClient(
        f"https://127.0.0.1:{port}", user="ann", password=PASSWORD.decode(), ca=ca
    ).query("up")  # fmt: skip


@pytest.mark.parametrize("speak", [_amqp, _management, _metrics, _prometheus])
def test_impostor_is_told_nothing(
    impostor: tuple[str, Impostor], ours: Pki, speak: Callable[[int, Path], None]
) -> None:
    """The right certificate shows that the same client would speak."""
    kind, shown = impostor
    with pytest.raises((WarrenError, OSError, urllib3.exceptions.HTTPError)):
        speak(shown.port, ours.authority("cluster").certificate)
    assert bool(shown.heard) == (kind == "right")
