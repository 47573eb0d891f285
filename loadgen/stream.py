"""Reading a stream: each message has its offset, and they follow one another.

Over AMQP 0-9-1 a delivery carries it in a header: https://www.rabbitmq.com/docs/streams#consuming
(``x-stream-offset``). Over the stream protocol it follows from the chunk's first.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from loadgen.ledger import EventLog, Kind

if TYPE_CHECKING:  # readers over the stream protocol start without AMQP's library
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

    __slots__ = ("_from_epoch_s", "first", "last")

    def __init__(self, from_epoch_s: int | None = None) -> None:
        """``from_epoch_s`` is where to begin, by the time of storing, instead of what the arguments say."""
        self._from_epoch_s = from_epoch_s
        self.first = 0
        self.last: int | None = None

    def resume(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments to consume with: as given at first, later from the next unread offset on."""
        if self.last is not None:
            return {**arguments, KEY: self.last + 1}
        if self._from_epoch_s is not None:
            return {**arguments, KEY: datetime.fromtimestamp(self._from_epoch_s, UTC)}
        return dict(arguments)

    def check(self, delivery: Delivery, log: EventLog, now_ns: int) -> int | None:
        """Take in one delivery and return its offset; a gap and a step back are logged."""
        found = offset_of(delivery)
        if found is not None:
            self.follow(found, log, now_ns)
        return found

    def follow(self, found: int, log: EventLog, now_ns: int) -> None:
        """Take in one offset; a gap and a step back are logged."""
        if self.last is None:
            self.first = found
        elif found != self.last + 1:
            back = found <= self.last
            log.add(Kind.OFFSET_GAP, 0, 0, now_ns, detail=int(back), aux=self.last + 1, aux2=found)
        self.last = found if self.last is None else max(self.last, found)

    def tell(self, log: EventLog, now_ns: int) -> None:
        """Log what was read in all, for an oracle."""
        if self.last is not None:
            log.add(Kind.OFFSETS, 0, 0, now_ns, aux=self.first, aux2=self.last)


def before(arguments: Mapping[str, Any]) -> int:
    """The offset before the first that consuming with ``arguments`` asks for, where it asks for one."""
    asked = arguments.get(KEY)
    return asked - 1 if isinstance(asked, int) else -1


def from_ns(from_epoch_s: int | None) -> int | None:
    """A place in a stream by time as this machine's monotonic time."""
    if from_epoch_s is None:
        return None
    return from_epoch_s * 1_000_000_000 - (time.time_ns() - time.monotonic_ns())
