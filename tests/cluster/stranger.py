"""A stranger at a node's inter-node port: the handshake of Erlang's distribution up to the point where the
cookie decides, and no further.

https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html#distribution-handshake
"""

from __future__ import annotations

import hashlib
import ssl
import struct
from pathlib import Path

from .attack import Port, careless_context, connected

#: What OTP 26 and later demand of a peer, without the flag that makes a node known to all others: references
#: and pids of the extended forms, new funs, floats and exports, bit binaries, maps, UTF-8 atoms, big
#: creations, the handshake of OTP 23, unlink ids and version 4 containers.
_FLAGS = (
    0x4 | 0x10 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x20000 | 0x40000 | (1 << 24) | (1 << 25)
)
_FLAGS |= 1 << 34
_CREATION, _CHALLENGE = 1, 42


def knock(port: Port, *, cookie: str, pair: tuple[Path, Path] | None, host: str) -> str:
    """How far a stranger gets that says it is of ``host``: ``TLS: …``, ``closed`` before a word (in TLS 1.3 a
    missing certificate shows at the first read), ``cookie refused`` or ``joined``, upon which it hangs up at
    once."""
    try:
        with connected(port) as plain, careless_context(pair).wrap_socket(plain) as tls:
            return _shake(tls, cookie, f"stranger@{host}".encode())
    except (OSError, ssl.SSLError) as error:
        return f"TLS: {error}"


def _shake(tls: ssl.SSLSocket, cookie: str, name: bytes) -> str:
    _send(tls, struct.pack(">cQIH", b"N", _FLAGS, _CREATION, len(name)) + name)
    status = _receive(tls)
    if not status:
        return "closed"
    if status != b"sok":
        return f"status: {status.decode(errors='replace')}"
    challenge = _receive(tls)
    if challenge[:1] != b"N":
        return f"status: no challenge but {challenge[:1]!r}"
    (number,) = struct.unpack_from(">I", challenge, 9)
    digest = hashlib.md5(f"{cookie}{number}".encode(), usedforsecurity=False).digest()
    _send(tls, struct.pack(">cI", b"r", _CHALLENGE) + digest)
    return "joined" if _receive(tls)[:1] == b"a" else "cookie refused"


def _send(tls: ssl.SSLSocket, content: bytes) -> None:
    tls.sendall(struct.pack(">I", len(content)) + content)


def _receive(tls: ssl.SSLSocket) -> bytes:
    """One message; empty where the other side has closed. Over TLS its length has four bytes
    (`inet_tls_dist`), where plain TCP has two."""
    buffer = b""
    try:
        while len(buffer) < 4 or len(buffer) < 4 + struct.unpack_from(">I", buffer)[0]:
            part = tls.recv(4096)
            if not part:
                return b""
            buffer += part
    except (ConnectionError, ssl.SSLError):
        return b""
    return buffer[4:]
