"""Headers of a message byte for byte: read without pika, which cuts every float down to a whole number and
ends the connection at one that is none (pika 1.4.4, ``data.decode_value``).

The encoding is that of AMQP 0-9-1 as RabbitMQ speaks it: https://www.rabbitmq.com/amqp-0-9-1-errata
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

_CONTENT_TYPE, _CONTENT_ENCODING, _HEADERS = 1 << 15, 1 << 14, 1 << 13
_FLAGS = struct.Struct(">H")
_LENGTH = struct.Struct(">I")
#: Type octet -> how a value of fixed size is unpacked.
_FIXED: Mapping[bytes, struct.Struct] = {
    b"t": struct.Struct(">?"),
    b"b": struct.Struct(">b"),
    b"B": struct.Struct(">B"),
    b"s": struct.Struct(">h"),
    b"U": struct.Struct(">h"),
    b"u": struct.Struct(">H"),
    b"I": struct.Struct(">i"),
    b"i": struct.Struct(">I"),
    b"l": struct.Struct(">q"),
    b"L": struct.Struct(">q"),
    b"f": struct.Struct(">f"),
    b"d": struct.Struct(">d"),
    b"T": struct.Struct(">Q"),
}


def take_headers_out(encoded: bytes) -> tuple[bytes, bytes]:
    """Encoded properties without their headers, and the headers' table (without its length; empty where there
    are none). Raises ValueError where ``encoded`` is of another shape."""
    try:
        (flags,) = _FLAGS.unpack_from(encoded)
        if not flags & _HEADERS:
            return encoded, b""
        start = _FLAGS.size
        for flag in (_CONTENT_TYPE, _CONTENT_ENCODING):
            if flags & flag:
                start += 1 + encoded[start]
        (length,) = _LENGTH.unpack_from(encoded, start)
        end = start + _LENGTH.size + length
    except (struct.error, IndexError) as error:
        raise ValueError(f"no encoded properties: {error}") from error
    without = _FLAGS.pack(flags & ~_HEADERS) + encoded[_FLAGS.size : start] + encoded[end:]
    return without, encoded[start + _LENGTH.size : end]


def entries(table: bytes) -> dict[str, tuple[Any, bytes]]:
    """Each name of a table with its value, and the value's bytes with the type octet before them.

    A text that is not UTF-8 is given as bytes. Raises ValueError where ``table`` is of another shape.
    """
    found: dict[str, tuple[Any, bytes]] = {}
    place = 0
    try:
        while place < len(table):
            length = table[place]
            name = table[place + 1 : place + 1 + length].decode(errors="surrogateescape")
            start = place + 1 + length
            value, place = _value(table, start)
            found[name] = (value, table[start:place])
    except (struct.error, IndexError, RecursionError) as error:
        raise ValueError(f"no table of headers: {error!r}") from error
    return found


def _value(data: bytes, place: int) -> tuple[Any, int]:
    """The value whose type octet is at ``place``, and where the next one is."""
    kind, place = data[place : place + 1], place + 1
    if kind in _FIXED:
        (value,) = _FIXED[kind].unpack_from(data, place)
        place += _FIXED[kind].size
        return (_moment(value) if kind == b"T" else value), place
    if kind == b"V":
        return None, place
    if kind == b"D":
        scale, raw = struct.unpack_from(">Bi", data, place)
        return Decimal(raw).scaleb(-scale), place + 5
    if kind not in (b"S", b"x", b"F", b"A"):
        raise ValueError(f"no type of AMQP 0-9-1: {kind!r}")
    (length,) = _LENGTH.unpack_from(data, place)
    start, end = place + _LENGTH.size, place + _LENGTH.size + length
    if end > len(data):
        raise ValueError("a value ends behind its table")
    inner = data[start:end]
    if kind == b"F":
        return {name: value for name, (value, _) in entries(inner).items()}, end
    if kind == b"A":
        return _array(inner), end
    return (_text(inner) if kind == b"S" else inner), end


def _array(data: bytes) -> list[Any]:
    found: list[Any] = []
    place = 0
    while place < len(data):
        value, place = _value(data, place)
        found.append(value)
    return found


def _text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _moment(seconds: int) -> Any:
    """A date, or the number itself where it is beyond what a date can be: some clients write milliseconds."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return seconds


def table_of(values: Mapping[str, bytes]) -> bytes:
    """A table, its length before it, of names and encoded values. Raises ValueError for a name that is too
    long."""
    inner = b""
    for name, value in values.items():
        key = name.encode(errors="surrogateescape")
        if len(key) > 255:  # noqa: PLR2004 - a short string
            raise ValueError(f"the name of a header is {len(key)} bytes long")
        inner += bytes([len(key)]) + key + value
    return _LENGTH.pack(len(inner)) + inner
