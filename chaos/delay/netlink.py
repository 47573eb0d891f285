"""Messages of netlink's netfilter family, as bytes. Pure, but for `connect`.

https://docs.kernel.org/userspace-api/netlink/intro.html; the numbers are those of the kernel's own headers,
include/uapi/linux/netlink.h and include/uapi/linux/netfilter/nfnetlink.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

_NETFILTER = 12
_SO_RCVBUFFORCE = 33
_HEADER, _FAMILY, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("!BBH"), struct.Struct("=HH")
#: Where attributes begin in a message.
BODY = _HEADER.size + _FAMILY.size
_NESTED = 0x8000
REQUEST, ACK, CREATE, APPEND = 0x1, 0x4, 0x400, 0x800
_ERROR = 2


def be32(value: int) -> bytes:
    return struct.pack("!I", value & 0xFFFFFFFF)


def attribute(kind: int, value: bytes | str) -> bytes:
    """One attribute, padded; text ends with a zero."""
    content = value.encode() + b"\0" if isinstance(value, str) else value
    size = _ATTRIBUTE.size + len(content)
    return _ATTRIBUTE.pack(size, kind) + content + bytes(-size % 4)


def nested(kind: int, *parts: bytes) -> bytes:
    """An attribute that holds others."""
    return attribute(kind | _NESTED, b"".join(parts))


def message(
    subsystem: int,
    kind: int,
    *parts: bytes,
    flags: int = 0,
    family: int = 0,
    resource: int = 0,
    number: int = 0,
) -> bytes:
    """One message to netfilter's ``subsystem``; ``number`` is its own among those of a batch."""
    body = _FAMILY.pack(family, 0, resource) + b"".join(parts)
    head = _HEADER.pack(_HEADER.size + len(body), subsystem << 8 | kind, REQUEST | flags, number, 0)
    return head + body


def attributes(packet: bytes | memoryview, start: int = BODY) -> Iterator[tuple[int, int, int]]:
    """Kind, first and last (exclusive) byte of each attribute of one message."""
    end = len(packet)
    while start + _ATTRIBUTE.size <= end:
        size, kind = _ATTRIBUTE.unpack_from(packet, start)
        if size < _ATTRIBUTE.size:
            return
        yield kind & ~_NESTED, start + _ATTRIBUTE.size, start + size
        start += size + -size % 4


def connect(receive_bytes: int) -> socket.socket:
    """A socket to the kernel with room for ``receive_bytes`` of messages; needs NET_ADMIN."""
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
    link.bind((0, 0))
    link.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, receive_bytes)
    link.settimeout(5.0)
    return link


def ask(link: socket.socket, messages: bytes, number: int) -> None:
    """Send ``messages`` and wait for the answer to message ``number``, which must have asked for one.

    Raises OSError with the kernel's own reason for the first that it refused.
    """
    link.send(messages)
    while True:
        answer = link.recv(65536)
        place = 0
        while place + _HEADER.size <= len(answer):
            size, kind, _, about, _ = _HEADER.unpack_from(answer, place)
            if kind == _ERROR:
                (code,) = struct.unpack_from("=i", answer, place + _HEADER.size)
                if code:
                    raise OSError(-code, os.strerror(-code))
                if about == number:
                    return
            place += size + -size % 4
