"""The envelope of a message in a stream: what AMQP clients read and write is stored as AMQP 1.0 sections.

A stream holds bytes. Clients of the stream protocol agree with the broker on AMQP 1.0's encoding, into which
the broker also puts what comes over AMQP 0-9-1; a body that is to be read over either protocol stands in a
data section. Source: AMQP 1.0, 3.2 (message format) and 1.6 (type codes),
https://www.rabbitmq.com/docs/streams#interoperability
"""

from __future__ import annotations

import struct

_DESCRIBED, _SMALL_ULONG = 0x00, 0x53
_DATA = 0x75
#: header, delivery annotations, message annotations, properties, application properties, in their order.
_BEFORE_DATA = frozenset((0x70, 0x71, 0x72, 0x73, 0x74))
_BINARY8, _BINARY32 = 0xA0, 0xB0
#: Lists and maps by their code: how many bytes say how many follow. list0 is empty.
_LIST0 = 0x45
_COMPOUND = {0xC0: 1, 0xC1: 1, 0xD0: 4, 0xD1: 4}
_OPEN = bytes((_DESCRIBED, _SMALL_ULONG, _DATA, _BINARY32))
_LENGTH = struct.Struct(">I")


def opening(size_bytes: int) -> bytes:
    """What stands before a body of ``size_bytes``."""
    return _OPEN + _LENGTH.pack(size_bytes)


def body_of(message: bytes) -> bytes | None:
    """The body of a stored message, None where it has no single data section that can be read."""
    try:
        at = _data_at(message)
        if at is None:
            return None
        if message[at] == _BINARY32:
            start, size = at + 5, _LENGTH.unpack_from(message, at + 1)[0]
        elif message[at] == _BINARY8:
            start, size = at + 2, message[at + 1]
        else:
            return None
    except (IndexError, struct.error):
        return None
    return message[start:] if len(message) == start + size else None


def _data_at(message: bytes) -> int | None:
    """Where the value of the data section begins, other sections passed over."""
    at = 0
    while message[at] == _DESCRIBED and message[at + 1] == _SMALL_ULONG:
        section, at = message[at + 2], at + 3
        if section == _DATA:
            return at
        if section not in _BEFORE_DATA:
            return None
        at = _after(message, at)
    return None


def _after(message: bytes, at: int) -> int:
    """Where what follows the list or map at ``at`` begins. Raises IndexError for anything else."""
    code = message[at]
    if code == _LIST0:
        return at + 1
    width = _COMPOUND.get(code)
    if width is None:
        raise IndexError(code)
    return at + 1 + width + int.from_bytes(message[at + 1 : at + 1 + width], "big")
