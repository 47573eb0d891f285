"""Reading a stream over AMQP 0-9-1: each delivery carries its offset, and they follow one another.

Source: https://www.rabbitmq.com/docs/streams#consuming (``x-stream-offset``).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from loadgen.ledger import EventLog, Kind
from loadgen.wire import Delivery

KEY = "x-stream-offset"
#: The key as a table encodes it, and the type of a signed 64-bit number after it.
_MARK = bytes([len(KEY)]) + KEY.encode() + b"l"
_NUMBER = struct.Struct(">q")


def offset_of(delivery: Delivery) -> int | None:
    """The offset of a delivery, read without decoding its other headers."""
    at = delivery.header.find(_MARK)
    return None if at < 0 else int(_NUMBER.unpack_from(delivery.header, at + len(_MARK))[0])


class Offsets:
    """Follows the offsets of one reader over its reconnects."""

    __slots__ = ("first", "last")

    def __init__(self) -> None:
        self.first = 0
        self.last: int | None = None

    def resume(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments to consume with: as given at first, later from the next unread offset on."""
        if self.last is None:
            return dict(arguments)
        return {**arguments, KEY: self.last + 1}

    def check(self, delivery: Delivery, log: EventLog, now_ns: int) -> None:
        """Take in one delivery; a gap and a step back are logged."""
        found = offset_of(delivery)
        if found is None:
            return
        if self.last is None:
            self.first = found
        elif found != self.last + 1:
            back = found <= self.last
            log.add(Kind.OFFSET_GAP, 0, 0, now_ns, detail=int(back), aux=self.last + 1, aux2=found)
        self.last = found if self.last is None else max(self.last, found)
