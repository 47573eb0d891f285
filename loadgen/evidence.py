"""The parts of a ledger, put together: what each message's fate was, per publisher and queue.

Sequence sets are whole numbers with bit ``seq`` set, so that sets of millions are joined and counted in
milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadgen.ledger import UNFINISHED, BitmapPart, Bits, Event, Kind, LogPart, read_bitmap, read_log

#: (queue, publisher)
Unit = tuple[str, int]


@dataclass(slots=True, kw_only=True)
class Evidence:
    """All parts of one run.

    ``published`` counts each publisher's messages; ``done`` and ``dead`` hold, per (queue, publisher)
    and (queue, publisher, reason), one set per part, so that a message in two parts shows.
    """

    published: dict[int, int] = field(default_factory=dict)
    confirmed: dict[int, int] = field(default_factory=dict)
    done: dict[Unit, list[int]] = field(default_factory=dict)
    dead: dict[tuple[str, int, str], list[int]] = field(default_factory=dict)
    logs: list[LogPart] = field(default_factory=list)
    #: Whose parts hold what was done or dead of a unit.
    takers: dict[Unit, set[str]] = field(default_factory=dict)

    def events(self, *kinds: Kind) -> Iterator[tuple[str, Event]]:
        """Events of the given kinds with the queue that they concern (empty for publishers')."""
        for log in self.logs:
            queue = str(log.meaning.get("queue", ""))
            for event in log.events:
                if event.kind in kinds:
                    yield queue, event

    def sequences(self, *kinds: Kind) -> dict[int, int]:
        """Per publisher, the set of messages that have an event of one of ``kinds``."""
        return {publisher: number(bits) for publisher, bits in self.marked(*kinds).items()}

    def marked(self, *kinds: Kind) -> dict[int, bytearray]:
        """Like `sequences`, as bytes: for asking about one message at a time (`holds`)."""
        found: dict[int, bytearray] = {}
        for _, event in self.events(*kinds):
            add(found.setdefault(event.publisher, bytearray()), event.seq)
        return found

    def noted(self, *kinds: Kind) -> dict[Unit, int]:
        """Per unit, the messages that have an event of one of ``kinds`` by one of those who took from there:
        what the consumer of another queue noted of a message says nothing of this one."""
        seen: dict[tuple[str, int], bytearray] = {}
        for log in self.logs:
            worker = str(log.meaning.get("worker", ""))
            for event in log.events:
                if event.kind in kinds:
                    add(seen.setdefault((worker, event.publisher), bytearray()), event.seq)
        sets = {key: number(bits) for key, bits in seen.items()}
        return {
            (queue, publisher): union(sets.get((worker, publisher), 0) for worker in workers)
            for (queue, publisher), workers in self.takers.items()
        }

    def returned(self) -> dict[int, int]:
        """Per publisher, the messages that came back when they were last sent.

        One that came back, was in doubt and was sent again is where that took it.
        """
        found: dict[int, bytearray] = {}
        for _, event in self.events(Kind.RETURNED, Kind.REPUBLISHED):
            bits = found.setdefault(event.publisher, bytearray())
            if event.kind is Kind.RETURNED:
                add(bits, event.seq)
            elif holds(bits, event.seq):
                bits[event.seq >> 3] &= ~(1 << (event.seq & 7))
        return {publisher: number(bits) for publisher, bits in found.items()}

    def final(self, queue: str, publisher: int) -> int:
        """The messages of ``publisher`` that ``queue`` brought to a final state."""
        return self.done_bits(queue, publisher) | self.dead_bits(queue, publisher)

    def done_bits(self, queue: str, publisher: int) -> int:
        return union(self.done.get((queue, publisher), ()))

    def dead_bits(self, queue: str, publisher: int, reason: str | None = None) -> int:
        return union(
            bits
            for (origin, owner, why), parts in self.dead.items()
            if (origin, owner) == (queue, publisher) and reason in (None, why)
            for bits in parts
        )

    def lost_sight(self) -> bool:
        """Whether a connection was lost or a worker died and was replaced: the broker may have delivered
        what nobody saw."""
        replaced = any("~" in str(log.meaning.get("worker", "")) for log in self.logs)
        return replaced or any(True for _ in self.events(Kind.CONNECTION_LOST))

    def units(self) -> set[Unit]:
        """Every (queue, publisher) that a consumer saw."""
        return set(self.done) | {(queue, publisher) for queue, publisher, _ in self.dead}


def add(bits: bytearray, seq: int) -> None:
    """Add ``seq`` to a set under construction."""
    at = seq >> 3
    if at >= len(bits):
        bits.extend(bytes(at + 1 - len(bits)))
    bits[at] |= 1 << (seq & 7)


def holds(bits: bytearray | None, seq: int) -> bool:
    """Whether ``seq`` is in a set held as bytes."""
    return bits is not None and seq >> 3 < len(bits) and bool(bits[seq >> 3] >> (seq & 7) & 1)


def number(bits: bytearray) -> int:
    """A set held as bytes as a whole number."""
    return int.from_bytes(bits, "little")


def union(sets: Iterable[int]) -> int:
    joined = 0
    for each in sets:
        joined |= each
    return joined


def members(bits: int, limit: int | None = None) -> Iterator[int]:
    """The sequence numbers in a set, ascending; at most ``limit`` of them."""
    count = 0
    base = 0
    raw = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
    for base, byte in enumerate(raw):
        if not byte:
            continue
        for bit in range(8):
            if byte >> bit & 1:
                if limit is not None and count >= limit:
                    return
                count += 1
                yield base * 8 + bit


def below(count: int) -> int:
    """The set of all sequence numbers less than ``count``."""
    return (1 << count) - 1


def gather(bitmaps: Iterable[BitmapPart], logs: Iterable[LogPart]) -> Evidence:
    """Put parts together; they may come from processes that shared nothing."""
    found = Evidence(logs=list(logs))
    for part in bitmaps:
        _place(found, part)
    return found


def _place(found: Evidence, part: BitmapPart) -> None:
    meaning: Mapping[str, object] = part.meaning
    publisher = int(str(meaning["publisher"]))
    kind = Bits(str(meaning["kind"]))
    if kind is not Bits.CONFIRMED:
        unit = (str(meaning["queue"]), publisher)
        found.takers.setdefault(unit, set()).add(str(meaning.get("worker", "")))
    if kind is Bits.CONFIRMED:
        found.published[publisher] = found.published.get(publisher, 0) + part.counter
        found.confirmed[publisher] = found.confirmed.get(publisher, 0) | part.bits
    elif kind is Bits.DONE:
        found.done.setdefault((str(meaning["queue"]), publisher), []).append(part.bits)
    else:
        key = (str(meaning["queue"]), publisher, str(meaning["reason"]))
        found.dead.setdefault(key, []).append(part.bits)


def read_evidence(folder: Path, *, logs_of: Sequence[str] | None = None) -> Evidence:
    """Read every part in ``folder``; with ``logs_of`` only the logs of those workers, which is enough to
    tell what is missing. Raises BadInputError for a file that is no part of a ledger.
    """
    logs = [
        read_log(path) for path in sorted(folder.glob("*.log")) if logs_of is None or path.stem in logs_of
    ]
    others = (path for path in sorted(folder.iterdir()) if path.suffix not in (".log", UNFINISHED))
    maps = [read_bitmap(path) for path in others]
    return gather(maps, logs)
