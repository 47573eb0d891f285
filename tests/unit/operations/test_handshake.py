"""Certificates shown to real listeners on the loopback: which are taken, and which are refused."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from warren.errors import NotReadyError
from warren.operating import certificates, handshake
from warren.pki import Pair, Pki
from warren.succession import WITNESS, Succession

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    found = Pki(tmp_path, datetime.now(UTC) - timedelta(minutes=1))
    found.ensure_authorities()
    found.ensure_leaf("cluster", "rmq1", hosts=("rmq1",), purpose="server")
    return found


@contextmanager
def broker(pki: Pki, trusted: Path, version: ssl.TLSVersion, *, speaks: bool = True) -> Iterator[int]:
    """The port of a listener that verifies what it is shown by ``trusted`` and asks for it, as a node does.

    One that ``speaks`` answers the first thing that is said; Erlang's distribution says nothing.
    """
    own = pki.leaf("cluster", "rmq1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(own.certificate, own.key)
    context.load_verify_locations(trusted)
    context.verify_mode = ssl.CERT_OPTIONAL
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=_serve, args=(listener, context, speaks), daemon=True).start()
        yield listener.getsockname()[1]


def _serve(listener: socket.socket, context: ssl.SSLContext, speaks: bool) -> None:
    with suppress(OSError):
        while True:
            plain, _ = listener.accept()
            with suppress(OSError), context.wrap_socket(plain, server_side=True) as secured:
                if secured.recv(8) and speaks:
                    secured.sendall(b"\x01")
            plain.close()


def taken(pki: Pki, port: int, pair: Pair) -> bool:
    return handshake.takes(pki.authority("cluster").certificate, "127.0.0.1", port, "rmq1", pair)


def taken_inside(port: int, pair: Pair) -> str:
    """What the script prints that is run on a node's network."""
    pem = pair.certificate.read_bytes() + pair.key.read_bytes()
    argv = [sys.executable, "-c", certificates._TAKES, "127.0.0.1", str(port)]
    done = subprocess.run(argv, input=pem, capture_output=True, timeout=30, check=False)
    return done.stdout.decode().strip() or done.stderr.decode().splitlines()[-1]


@pytest.mark.parametrize("version", VERSIONS)
def test_witness_is_taken_from_when_both_are_trusted_until_the_former_is_dropped(
    pki: Pki, version: ssl.TLSVersion
) -> None:
    one, before = Succession(pki, "clients"), pki.folder / "before.pem"
    trusted = pki.authority("clients").certificate
    before.write_bytes(trusted.read_bytes())
    one.begin()
    one.make_witness()
    witness = pki.leaf("clients", WITNESS)
    with broker(pki, before, version) as port:
        assert not taken(pki, port, witness)
    with broker(pki, trusted, version) as port:
        assert taken(pki, port, witness)
    one.promote()
    one.make_witness()  # of the former from now on
    with broker(pki, trusted, version) as port:
        assert taken(pki, port, witness)
    one.drop()
    one.make_witness()  # nothing is left that could sign another
    with broker(pki, trusted, version) as port:
        assert not taken(pki, port, witness)
    one.remove_witness()
    assert not list(pki.folder.rglob(f"{WITNESS}*"))


@pytest.mark.parametrize("version", VERSIONS)
def test_same_is_seen_on_a_port_that_says_nothing(pki: Pki, version: ssl.TLSVersion) -> None:
    one, before = Succession(pki, "inter-node"), pki.folder / "before.pem"
    trusted = pki.authority("inter-node").certificate
    before.write_bytes(trusted.read_bytes())
    one.begin()
    one.make_witness()
    witness = pki.leaf("inter-node", WITNESS)
    with broker(pki, trusted, version, speaks=False) as port:
        assert taken_inside(port, witness) == "taken=yes"
    with broker(pki, before, version, speaks=False) as port:
        assert taken_inside(port, witness) == "taken=no"


def test_where_nobody_answers_nothing_is_said_of_the_certificate(pki: Pki) -> None:
    pair = pki.ensure_leaf("clients", "somebody", hosts=("somebody",), purpose="client")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotReadyError, match="no handshake"):
        taken(pki, port, pair)
    assert "refused" in taken_inside(port, pair)
    other = pki.authority("clients").certificate
    with (
        broker(pki, other, ssl.TLSVersion.TLSv1_3) as port,
        pytest.raises(NotReadyError, match="its certificate is refused"),
    ):
        handshake.takes(other, "127.0.0.1", port, "rmq1", pair)
