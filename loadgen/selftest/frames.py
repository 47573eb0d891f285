"""AMQP 0-9-1 as a middleman sees it: bytes into frames, frames into messages, and either written anew.

Layouts: AMQP 0-9-1 specification, sections 2.3.5 (frames) and 4.2.6 (content), and its XML for the methods'
arguments: https://www.rabbitmq.com/amqp-0-9-1-protocol
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from warren.errors import NotReadyError

METHOD, HEADER = 1, 2
#: The first byte of a protocol header, which is no frame: eight bytes long, from either side.
PROTOCOL = ord("A")
_PROTOCOL_SIZE = 8
_END = 0xCE
#: What a frame costs beyond its payload.
_OVERHEAD = 8

CHANNEL_OPEN = 20 << 16 | 10
PUBLISH, RETURN, DELIVER, GET_OK = (60 << 16 | number for number in (40, 50, 60, 71))
ACK, REJECT, NACK = (60 << 16 | number for number in (80, 90, 120))
SELECT_OK = 85 << 16 | 11
#: Methods that a header and a body follow.
WITH_CONTENT = frozenset((PUBLISH, RETURN, DELIVER, GET_OK))

_FRAME = struct.Struct(">BHI")
_ID = struct.Struct(">I")
_SIZE = struct.Struct(">Q")
_TAG = struct.Struct(">Q")
_SETTLE = struct.Struct(">IQB")
_RETURN_CODE = struct.Struct(">IH")
_NO_ROUTE, _NO_ROUTE_TEXT = 312, b"NO_ROUTE"
#: Where a delivery's method has its consumer tag, and a publish its exchange, in the payload.
_CONSUMER_TAG_AT, _EXCHANGE_AT = 4, 6


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came. ``kind`` is the protocol's frame type, or `PROTOCOL`."""

    kind: int
    channel: int
    raw: bytes

    @property
    def payload(self) -> bytes:
        return self.raw[7:-1]

    @property
    def method(self) -> int:
        """Class and method id as one number; 0 for frames of other types."""
        return int(_ID.unpack_from(self.raw, 7)[0]) if self.kind == METHOD else 0


def method(channel: int, payload: bytes) -> bytes:
    """A whole method frame."""
    return _frame(METHOD, channel, payload)


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return b"".join((_FRAME.pack(kind, channel, len(payload)), payload, bytes((_END,))))


class Splitter:
    """Cuts a stream into frames, however it arrives."""

    def __init__(self) -> None:
        self._left = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are whole now. Raises NotReadyError where the stream is no AMQP."""
        buffer = self._left
        buffer += data
        found: list[Frame] = []
        at = 0
        while len(buffer) - at >= _OVERHEAD:
            kind, channel, size = _FRAME.unpack_from(buffer, at)
            if kind == PROTOCOL:
                kind, channel, stop = PROTOCOL, 0, at + _PROTOCOL_SIZE
            else:
                stop = at + size + _OVERHEAD
                if stop > len(buffer):
                    break
                if buffer[stop - 1] != _END:
                    raise NotReadyError("middleman", "the stream is not AMQP 0-9-1: a frame has no end")
            found.append(Frame(kind, channel, bytes(buffer[at:stop])))
            at = stop
        del buffer[:at]
        return found


@dataclass(slots=True)
class Message:
    """A method with its content: its frames, method and header first."""

    frames: list[Frame]

    @property
    def channel(self) -> int:
        return self.frames[0].channel

    @property
    def method(self) -> int:
        return self.frames[0].method

    @property
    def body(self) -> bytes:
        return b"".join(frame.payload for frame in self.frames[2:])

    @property
    def raw(self) -> bytes:
        return b"".join(frame.raw for frame in self.frames)

    def with_body(self, body: bytes) -> Message:
        """The same message with another body of the same size, cut into frames as it was."""
        if len(body) != len(self.body):
            raise ValueError(f"{len(body)} bytes do not take the place of {len(self.body)}")
        frames = self.frames[:2]
        at = 0
        for frame in self.frames[2:]:
            size = len(frame.payload)
            piece = _frame(frame.kind, frame.channel, body[at : at + size])
            frames.append(Frame(frame.kind, frame.channel, piece))
            at += size
        return Message(frames)

    @property
    def delivery_tag(self) -> int:
        """The tag of a delivery."""
        return int(_TAG.unpack_from(self.frames[0].raw, self._tag_at())[0])

    def with_delivery_tag(self, tag: int) -> Message:
        """The same delivery under another tag."""
        raw = bytearray(self.frames[0].raw)
        _TAG.pack_into(raw, self._tag_at(), tag)
        return Message([Frame(METHOD, self.channel, bytes(raw)), *self.frames[1:]])

    def _tag_at(self) -> int:
        return 7 + _CONSUMER_TAG_AT + 1 + self.frames[0].raw[7 + _CONSUMER_TAG_AT]

    def returned(self) -> Message:
        """A publish as the broker would hand it back: unroutable, mandatory."""
        route = self.frames[0].payload[_EXCHANGE_AT:-1]
        text = bytes((len(_NO_ROUTE_TEXT),)) + _NO_ROUTE_TEXT
        raw = method(self.channel, _RETURN_CODE.pack(RETURN, _NO_ROUTE) + text + route)
        return Message([Frame(METHOD, self.channel, raw), *self.frames[1:]])


@dataclass(slots=True)
class _Pending:
    frames: list[Frame]
    missing: int | None = None


@dataclass(slots=True)
class Assembler:
    """Puts methods and their content together, each channel by itself."""

    _pending: dict[int, _Pending] = field(default_factory=dict)

    def take(self, frame: Frame) -> Frame | Message | None:
        """A frame that stands alone, a message that this frame completes, or None while one is incomplete."""
        if frame.method in WITH_CONTENT:
            self._pending[frame.channel] = _Pending([frame])
            return None
        pending = self._pending.get(frame.channel)
        if pending is None or frame.kind == METHOD:
            return frame
        pending.frames.append(frame)
        if pending.missing is None:
            pending.missing = int(_SIZE.unpack_from(frame.payload, 4)[0])
        else:
            pending.missing -= len(frame.payload)
        if pending.missing > 0:
            return None
        del self._pending[frame.channel]
        return Message(pending.frames)


def settlement(frame: Frame) -> tuple[int, int]:
    """(tag, flags) of an ack, a nack or a reject; the lowest flag is ``multiple`` but for rejects."""
    _, tag, flags = _SETTLE.unpack_from(frame.payload)
    return tag, flags


def settle(channel: int, what: int, tag: int, flags: int) -> bytes:
    """An ack, a nack or a reject."""
    return method(channel, _SETTLE.pack(what, tag, flags))
