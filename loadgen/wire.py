"""AMQP 0-9-1 frames of the hot path, built and read without an object per frame.

Frame layout (AMQP 0-9-1 specification, section 2.3.5): type u8, channel u16, size u32, payload, 0xCE.
Only `basic.publish`, `.deliver`, `.ack`, `.nack` and `.reject` are known here; everything else is pika's.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pika import frame, spec

FRAME_END = b"\xce"
FRAME_METHOD = 1
#: class and method ids of the frames that are read here, as one u32 each
DELIVER = 60 << 16 | 60
ACK = 60 << 16 | 80
NACK = 60 << 16 | 120
#: Frame header and end marker: what a frame costs beyond its payload.
OVERHEAD = 8

#: pika's own, for those who hand it on.
Properties = spec.BasicProperties

_FRAME = struct.Struct(">BHI")
_METHOD = struct.Struct(">BHII")
_SETTLE = struct.Struct(">BHIIQBB")
_TAG = struct.Struct(">QB")
#: A content header's frame: type u8, channel u16, size u32, class and weight as one u32, body size u64
_HEADER = struct.Struct(">BHIIQ")
_ACK_METHOD = 60 << 16 | 80
_REJECT_METHOD = 60 << 16 | 90


@dataclass(slots=True)
class Delivery:
    """A delivery; ``header`` holds the encoded properties, decoded only on demand.

    Not frozen: one is made per message, and a frozen one takes three times as long to make.
    """

    tag: int
    redelivered: bool
    header: bytes
    body: bytes

    def properties(self) -> spec.BasicProperties:
        """The message's properties (a costly call: not for every message)."""
        decoded = spec.BasicProperties()
        decoded.decode(self.header)
        return decoded

    def headers(self) -> dict[str, Any]:
        return self.properties().headers or {}


def properties(
    headers: Mapping[str, Any], *, priority: int | None = None, expiration_ms: int | None = None
) -> spec.BasicProperties:
    """The properties of a persistent message; an expiration is a text of milliseconds on the wire."""
    expiration = None if expiration_ms is None else str(expiration_ms)
    table = dict(headers) or None
    return spec.BasicProperties(delivery_mode=2, headers=table, priority=priority, expiration=expiration)


class Template:
    """The method and header frames of one kind of publish, marshalled once by pika."""

    __slots__ = ("_body_max", "_channel", "body_size", "head", "tail_split")

    def __init__(
        self,
        *,
        channel: int,
        frame_max: int,
        exchange: str,
        routing_key: str,
        properties: spec.BasicProperties,
        mandatory: bool,
        body_size: int,
    ) -> None:
        method = spec.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory)
        self._channel = channel
        self._body_max = frame_max - OVERHEAD
        self.body_size = body_size
        self.tail_split = body_size > self._body_max
        self.head = (
            frame.Method(channel, method).marshal() + frame.Header(channel, body_size, properties).marshal()
        )
        if not self.tail_split:
            self.head += _FRAME.pack(3, channel, body_size)

    def frames(self, start: bytes, rest: bytes) -> bytes:
        """All frames of one message with the body ``start + rest``, of the size given at the start."""
        if not self.tail_split:
            return b"".join((self.head, start, rest, FRAME_END))
        body = start + rest
        parts = [self.head]
        for at in range(0, len(body), self._body_max):
            piece = body[at : at + self._body_max]
            parts += (_FRAME.pack(3, self._channel, len(piece)), piece, FRAME_END)
        return b"".join(parts)


def ack(channel: int, tag: int, *, multiple: bool) -> bytes:
    """A ``basic.ack`` frame."""
    return _SETTLE.pack(FRAME_METHOD, channel, 13, _ACK_METHOD, tag, multiple, 0xCE)


def reject(channel: int, tag: int, *, requeue: bool) -> bytes:
    """A ``basic.reject`` frame."""
    return _SETTLE.pack(FRAME_METHOD, channel, 13, _REJECT_METHOD, tag, requeue, 0xCE)


def read_confirm(buffer: bytes | bytearray, at: int) -> tuple[int, bool]:
    """(delivery tag, multiple) of the ack or nack frame that begins at ``at``."""
    tag, flags = _TAG.unpack_from(buffer, at + 11)
    return tag, bool(flags & 1)


def read_delivery(buffer: bytes | bytearray, at: int, size: int, end: int) -> tuple[int, Delivery] | None:
    """The delivery whose method frame, of ``size``, begins at ``at``, and where it ends; None while it is
    incomplete."""
    header_at = at + size + 8
    if header_at + 19 > end:
        return None
    _, _, header_size, _, body_size = _HEADER.unpack_from(buffer, header_at)
    body_at = header_at + header_size + 8
    stop = body_at + body_size + 8
    if body_size and stop <= end and _FRAME.unpack_from(buffer, body_at)[2] == body_size:
        body = bytes(buffer[body_at + 7 : stop - 1])
    elif body_at > end or (body_size and stop > end):
        # Not looked at in pieces before it can be whole: a large body comes in a thousand reads.
        return None
    else:
        found = _read_body(buffer, body_at, end, body_size)
        if found is None:
            return None
        stop, body = found
    tag, redelivered = _TAG.unpack_from(buffer, at + 12 + buffer[at + 11])
    return stop, Delivery(tag, bool(redelivered), bytes(buffer[header_at + 19 : body_at - 1]), body)


def _read_body(buffer: bytes | bytearray, at: int, end: int, size: int) -> tuple[int, bytes] | None:
    """A body of several frames, or of none, and where it ends; None while it is incomplete."""
    pieces: list[bytes] = []
    while size > 0:
        if at + 7 > end:
            return None
        piece = _FRAME.unpack_from(buffer, at)[2]
        if at + piece + 8 > end:
            return None
        pieces.append(bytes(buffer[at + 7 : at + 7 + piece]))
        at += piece + 8
        size -= piece
    return at, b"".join(pieces)


def head_at(buffer: bytes | bytearray, at: int, end: int) -> tuple[int, int, int]:
    """(frame type, payload size, method id) of the frame at ``at``; a type of 0 while that is not there.

    The method id is 0 for frames of other types.
    """
    if at + 11 <= end:
        kind, _, size, method = _METHOD.unpack_from(buffer, at)
        return kind, size, method if kind == FRAME_METHOD else 0
    if at + 8 <= end:
        kind, _, size = _FRAME.unpack_from(buffer, at)
        return kind, size, 0
    return 0, 0, 0
