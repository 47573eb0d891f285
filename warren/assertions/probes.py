"""Handshakes with a node's published ports, as a client without special rights would try them."""

from __future__ import annotations

import ctypes
import socket
import ssl
import struct
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from warren.assertions.facts import ListenerFacts

#: For a connection, and for an answer; by way of a host's own Python, which has to be started first; and to
#: see whether there is a way at all.
_TIMEOUT_S, _RELAYED_S, _REACHED_S = 5.0, 15.0, 2.0
#: adjtimex(2): the state that means the clock is not synchronised, and room for its structure.
_TIME_ERROR, _TIMEX_BYTES = 5, 512
#: What a client says first, by port name, and is answered before the broker knows who it is: AMQP's header,
#: and a PeerProperties request without properties.
#: https://www.rabbitmq.com/docs/stream-plugin-protocol
GREETINGS: Mapping[str, bytes] = {
    "amqps": b"AMQP\x00\x00\x09\x01",
    "streams": struct.pack(">IHHII", 12, 17, 1, 1, 0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A published port: where it is, and whose name its certificate must have. ``http_path`` is a page that
    needs credentials, empty where the port does not speak HTTP; ``greeting`` is said there instead. With
    ``relay``, a command, its standard streams are the connection."""

    host: str
    port: int
    server_name: str
    http_path: str
    greeting: bytes = b""
    relay: tuple[str, ...] = ()


def is_reached(port: Port) -> bool:
    """Whether this machine may connect to it at all."""
    try:
        socket.create_connection((port.host, port.port), _REACHED_S).close()
    except OSError:
        return False
    return True


@contextmanager
def _connected(port: Port) -> Iterator[socket.socket]:
    if not port.relay:
        with socket.create_connection((port.host, port.port), _TIMEOUT_S) as plain:
            yield plain
        return
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(_RELAYED_S)
        with theirs:
            carrier = subprocess.Popen(
                port.relay,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                process_group=0,
            )
        try:
            yield ours
        finally:
            carrier.kill()
            carrier.wait()


def probe(port: Port, *, ca: Path, client: tuple[Path, Path] | None) -> ListenerFacts:
    """Try a port: verified, with TLS 1.1 and older, and without a certificate.

    ``client`` (certificate, key) is shown in the verified try where clients must show one.
    """
    return ListenerFacts(
        verified=_shake(port, _context(ca, client)),
        old_versions_refused=_old_versions(port),
        without_certificate=_shake(port, _context(ca, None), read=bool(port.greeting)),
        status_without_credentials=_status(port, ca) if port.http_path else None,
    )


def _context(ca: Path, client: tuple[Path, Path] | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(ca)
    if client:
        context.load_cert_chain(*client)
    return context


def _shake(port: Port, context: ssl.SSLContext, *, read: bool = False) -> str:
    """Empty when the handshake succeeds, else the reason. With TLS 1.3 a server refuses a client without a
    certificate only after the handshake, so that ``read`` says the greeting and waits for the answer."""
    try:
        with (
            _connected(port) as plain,
            context.wrap_socket(plain, server_hostname=port.server_name) as secure,
        ):
            if read:
                secure.sendall(port.greeting)
                return "" if secure.recv(1) else "closed"
    except (OSError, ssl.SSLError) as error:
        return str(error)
    return ""


def _old_versions(port: Port) -> str:
    """Empty when the server itself refuses TLS 1.0 and 1.1; security level 0 lets our side offer them."""
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
        context.set_ciphers("ALL:@SECLEVEL=0")
        answer = _shake(port, context)
        if not answer:
            return f"{version.name} is accepted"
        if "alert protocol version" not in answer.lower().replace("_", " "):
            return f"{version.name} could not be tried: {answer}"
    return ""


def _status(port: Port, ca: Path) -> int | None:
    """Of an answer only its first line is read: ``HTTP/1.1 401 Unauthorized``."""
    asked = f"GET {port.http_path} HTTP/1.1\r\nHost: {port.server_name}\r\nConnection: close\r\n\r\n"
    try:
        with (
            _connected(port) as plain,
            _context(ca, None).wrap_socket(plain, server_hostname=port.server_name) as secure,
        ):
            secure.sendall(asked.encode())
            words = secure.recv(64).split()
    except OSError:
        return None
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None


def clock_synchronised() -> bool | None:
    """Whether this machine's kernel says that its clock follows a source; None where it cannot be asked.

    Containers share the kernel's clock, so that this is the nodes' answer too. adjtimex(2) with no modes set
    only reads.
    """
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else bool(state != _TIME_ERROR)
