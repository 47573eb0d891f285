"""The evidence of a run: files that each process maps and writes before it acknowledges anything.

Two kinds of parts lie in the run's ``ledger`` folder, each with its meaning in its own first page, so
that parts of processes which share nothing can be judged together:

- a bitmap: one bit per sequence number of one publisher (``confirmed``, ``done``, ``dead``, ``returned``
  …), a sparse memory-mapped file, so a killed process takes nothing with it and 100 million messages
  cost 12.5 MB a bitmap;
- a log of rare events (redelivery, nack, in doubt, …), 40 bytes each, written through before the acks
  of the same turn leave.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

from warren.errors import BadInputError

HEADER_BYTES = 4096
#: Ends the name of a part that is being made: whoever reads meanwhile passes it over.
UNFINISHED = ".new"
#: Where the header page holds a live counter (u64): the messages published, written before they are sent.
_COUNTER_AT = HEADER_BYTES - 8
_GROW_BYTES = 1 << 20
_COUNTER = struct.Struct("<Q")
#: kind u8, detail u8, publisher u16, queue u32, seq u64, at_ns u64, aux u64, aux2 u64
_RECORD = struct.Struct("<BBHIQQQQ")


class Bits(StrEnum):
    """What a bit says of a message."""

    CONFIRMED = "confirmed"
    DONE = "done"
    DEAD = "dead"


class Kind(IntEnum):
    """Events of the log. ``aux`` and ``aux2`` as said; times in monotonic nanoseconds."""

    NACKED = 1
    RETURNED = 2
    IN_DOUBT = 3
    REPUBLISHED = 4
    REDELIVERED = 5  # a flagged delivery that is not a scheduled retry
    DUPLICATE = 6  # this process had it already; detail: 1 flagged, 0 not
    REORDERED = 7  # aux: the highest sequence seen before; detail: 1 flagged, 0 not
    FOREIGN = 8
    REJECTED = 9  # aux: the try (0 first), at_ns: when the reject left; detail: 1 back into its queue
    TRIED = 10  # aux: the try, at_ns: when it arrived; detail: 1 flagged
    CONFIRMED_AT = 11  # detail: the class, at_ns: when the confirm was read
    SERVED = 12  # detail: the class, at_ns: arrival, aux: when the consumer was last free, aux2: flagged
    UNREADABLE = 13
    CONFIRMED_LATE = 14  # past the publish deadline
    CONNECTION_LOST = 15
    RELAYED_AGAIN = 16  # a relay published what it may have published before
    ARRIVED = 17  # detail: the class, at_ns: arrival, aux: intended time, aux2: 1 flagged
    OFFSET_GAP = 18  # of a stream; aux: the offset expected, aux2: found; detail: 1 back, 0 ahead
    OFFSETS = 19  # of a stream, at the end; aux: the first offset read, aux2: the last
    SENT_AT = 20  # detail: the class, at_ns: when it left for the socket; one for each time it was sent
    FLAGGED = 21  # a scheduled retry that was done and is flagged: the flag is an old one, or it came twice
    READ = 30  # of a stream; at_ns: arrival, aux: the offset, aux2: intended time
    RENEWED = 31  # closed as planned; aux: messages sent or taken so far; detail: 0 connection, 1 channel
    BLOCKED = 33  # the broker lets this connection publish no more, until UNBLOCKED
    UNBLOCKED = 34
    # Of one of several readers of a stream of which one is to be active.
    ACTIVE = 35  # the broker says so; aux: the first offset wanted; detail: 1 behind one that was stored
    STORED_ALREADY = 37  # in doubt, and by the broker's last publishing id (aux) stored before it came again
    INACTIVE = 36  # aux: the last offset read
    TALLY = 32  # at the end of a consumer: aux: messages taken in all
    # Of requests; detail: the attempt, 0 first.
    REPLY_TIMEOUT = 40  # confirmed, and no answer in time: asked again
    REPLY_LATE = 41  # answered after it had been asked again
    REPLY_AGAIN = 42  # answered before; detail: 1 flagged, 0 not
    REPLY_WRONG = 43  # an answer that is not to the request that its correlation id names
    UNANSWERED = 44  # past the deadline: not asked again


#: Which other fields than ``at_ns`` hold a time, by kind: what joins parts of several hosts moves them too.
AUX_TIMES: Mapping[Kind, tuple[str, ...]] = {
    Kind.SERVED: ("aux",),
    Kind.ARRIVED: ("aux",),
    Kind.READ: ("aux2",),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One event; ``queue`` is an index into the part's own ``queues``."""

    kind: Kind
    publisher: int
    seq: int
    at_ns: int = 0
    detail: int = 0
    queue: int = 0
    aux: int = 0
    aux2: int = 0


class Bitmap:
    """A growing memory-mapped bitmap; ``test_and_set`` is the hot path."""

    def __init__(self, path: Path, meaning: Mapping[str, Any]) -> None:
        """Create the file (it must not exist) with ``meaning`` as JSON in its first page."""
        page = json.dumps({"schema": 1, **meaning}).encode() + b"\n"
        if len(page) > _COUNTER_AT:
            raise BadInputError(str(path), "the meaning of this part of the ledger does not fit its page")
        self._fd = _make(path, os.O_RDWR, page.ljust(HEADER_BYTES, b"\0"))
        os.ftruncate(self._fd, HEADER_BYTES + _GROW_BYTES)
        self._map = mmap.mmap(self._fd, HEADER_BYTES + _GROW_BYTES)
        self._capacity = _GROW_BYTES * 8

    def test_and_set(self, seq: int) -> bool:
        """Set the bit of ``seq``; True when it was set already."""
        if seq >= self._capacity:
            self._grow(seq)
        at = HEADER_BYTES + (seq >> 3)
        mask = 1 << (seq & 7)
        held = self._map[at]
        if held & mask:
            return True
        self._map[at] = held | mask
        return False

    def holds(self, seq: int) -> bool:
        """Whether the bit of ``seq`` is set."""
        return seq < self._capacity and bool(self._map[HEADER_BYTES + (seq >> 3)] & 1 << (seq & 7))

    def set_counter(self, value: int) -> None:
        """Store the live counter of this part."""
        _COUNTER.pack_into(self._map, _COUNTER_AT, value)

    def close(self) -> None:
        self._map.close()
        os.close(self._fd)

    def _grow(self, seq: int) -> None:
        size = max(self._capacity // 4, _GROW_BYTES * (seq // (_GROW_BYTES * 8) + 1))
        self._map.resize(HEADER_BYTES + size)
        self._capacity = size * 8


class EventLog:
    """Appends events; they are in the kernel's hands once `flush` returned."""

    def __init__(self, path: Path, meaning: Mapping[str, Any]) -> None:
        page = json.dumps({"schema": 1, **meaning}).encode() + b"\n"
        self._fd = _make(path, os.O_WRONLY | os.O_APPEND, page.ljust(HEADER_BYTES, b"\0"))
        self._pending: list[bytes] = []

    def add(
        self,
        kind: Kind,
        publisher: int,
        seq: int,
        at_ns: int,
        *,
        detail: int = 0,
        queue: int = 0,
        aux: int = 0,
        aux2: int = 0,
    ) -> None:
        self._pending.append(_RECORD.pack(kind, detail, publisher, queue, seq, at_ns, aux, aux2))

    def flush(self) -> None:
        """Write what is pending; to be called before the acks that depend on it leave. Raises OSError where
        not all of it could be written."""
        if self._pending:
            _write(self._fd, b"".join(self._pending))
            self._pending.clear()

    def close(self) -> None:
        self.flush()
        os.close(self._fd)


def _make(path: Path, flags: int, page: bytes) -> int:
    """Create a part: it has its name once it has its first page, since the coordinator reads while workers
    make theirs, and a worker may be killed at any moment. Returns it open; raises FileExistsError."""
    new = path.with_name(path.name + UNFINISHED)
    fd = os.open(new, flags | os.O_CREAT | os.O_EXCL, 0o600)
    if path.exists():
        os.close(fd)
        new.unlink()
        raise FileExistsError(f"{path} is there already")
    _write(fd, page)
    new.rename(path)
    return fd


def _write(fd: int, data: bytes) -> None:
    """Write all of ``data``: on a disk that gets full, one call writes a part of it and says nothing."""
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


@dataclass(frozen=True, slots=True, kw_only=True)
class BitmapPart:
    """A bitmap as read back: ``bits`` has bit ``seq`` set where the meaning holds."""

    meaning: Mapping[str, Any]
    bits: int
    counter: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """A log as read back; a record cut off by a kill is dropped."""

    meaning: Mapping[str, Any]
    events: tuple[Event, ...]


def read_bitmap(path: Path) -> BitmapPart:
    """Read one bitmap; raises BadInputError when it is none."""
    with path.open("rb") as file:
        page = file.read(HEADER_BYTES)
        meaning = _meaning(page, path)
        bits = int.from_bytes(file.read(), "little")
    return BitmapPart(meaning=meaning, bits=bits, counter=_COUNTER.unpack_from(page, _COUNTER_AT)[0])


def read_log(path: Path) -> LogPart:
    """Read one log; raises BadInputError when it is none."""
    raw = path.read_bytes()
    meaning = _meaning(raw[:HEADER_BYTES], path)
    try:
        return LogPart(meaning=meaning, events=tuple(_events(raw[HEADER_BYTES:])))
    except ValueError as error:
        raise BadInputError(str(path), f"holds an event of no kind that is known: {error}") from error


def _events(raw: bytes) -> Iterator[Event]:
    whole = len(raw) - len(raw) % _RECORD.size
    for kind, detail, publisher, queue, seq, at_ns, aux, aux2 in _RECORD.iter_unpack(raw[:whole]):
        yield Event(Kind(kind), publisher, seq, at_ns, detail, queue, aux, aux2)


def _meaning(page: bytes, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(page.split(b"\n", 1)[0])
    except ValueError as error:
        raise BadInputError(str(path), f"is no part of a ledger: {error}") from error
    if not isinstance(found, dict) or found.get("schema") != 1:
        raise BadInputError(str(path), "is no part of a ledger of this version")
    return found
