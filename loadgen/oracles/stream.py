"""stream: offsets have no gap, every reader finds the same messages at them, every confirmed one is there.

Readers note which message they read at which offset. Those that ``work`` follow the stream from its start
and are the original; those that ``replay`` are held to it, message by message, from where they were to begin:
at an offset exactly, at a moment by the rule of https://www.rabbitmq.com/docs/streams#consuming (the broker
attaches to the chunk that holds the moment, so it may give a little of what is before it, and nothing of
what is after may be missing). An offset at which no reader found anything is the broker's own: it notes what
producers and consumers it knows at the start of each segment (osiris_log.erl). Were it a message's, `stored`
would miss that. A message that its publisher sent again is in the stream twice: without a
producer's name the broker cannot know it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from loadgen import stream
from loadgen.collect import Totals
from loadgen.evidence import Evidence, add, number
from loadgen.expectation import Expectation
from loadgen.ledger import Event, Kind, LogPart
from loadgen.spec import ConsumerRole, LoadSpec

#: Evidence that the workers are to write down for this oracle.
NEEDS = frozenset({"offsets", "confirm_times"})
#: What is told apart by time: clocks of several nodes agree to this.
_CLOCKS_NS = 100_000_000
#: What the broker may give from before the moment that was asked for.
_BEFORE_NS = 2_000_000_000
#: A confirm that was never read: nothing is known of when the message was stored.
_NEVER_NS = 1 << 63

#: offset -> (publisher, number)
Contents = dict[int, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One reader process: what it read, in order, and the moment that it asked for (monotonic ns)."""

    name: str
    role: ConsumerRole
    read: tuple[Event, ...]
    renewed: int
    from_ns: int | None


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``offsets``, ``stored`` and ``replay``, each over all readers."""
    del expected, totals
    readers = [each for part in evidence.logs if (each := _reader(spec, part)) is not None]
    original: Contents = {}
    for reader in (each for each in readers if each.role.does == "work"):
        original |= {event.aux: (event.publisher, event.seq) for event in reader.read}
    return {
        "offsets": _offsets(readers),
        "stored": _stored(evidence, original),
        "replay": _replay(readers, original, evidence),
    }


def _reader(spec: LoadSpec, part: LogPart) -> Reader | None:
    name = str(part.meaning.get("worker", ""))
    roles = (each for each in spec.consumers if each.stream and each.name == name.rpartition("-")[0])
    role = next(roles, None)
    if role is None:
        return None
    moment = part.meaning.get("from_ns")
    return Reader(
        name=name,
        role=role,
        read=tuple(event for event in part.events if event.kind is Kind.READ),
        renewed=sum(event.kind is Kind.RENEWED for event in part.events),
        from_ns=None if moment is None else int(moment),
    )


def _offsets(readers: Sequence[Reader]) -> Mapping[str, Any]:
    """Each reader's offsets ascend, over its reconnects too, and leave out none that holds a message."""
    held = {event.aux for reader in readers for event in reader.read}
    gaps = back = 0
    for reader in readers:
        for before, after in pairwise(event.aux for event in reader.read):
            gaps += sum(offset in held for offset in range(before + 1, after))
            back += after <= before
    why = f"{gaps} offsets left out, {back} steps back"
    own = max(held) - min(held) + 1 - len(held) if held else 0
    return {
        "passed": gaps + back == 0,
        **({"why": why} if gaps + back else {}),
        "readers": len(readers),
        "read": sum(len(each.read) for each in readers),
        "gaps": gaps,
        "back": back,
        "brokers_own": own,
        "resumed": sum(each.renewed for each in readers),
    }


def _stored(evidence: Evidence, original: Contents) -> Mapping[str, Any]:
    """Every confirmed message is at some offset; twice only what its publisher sent again."""
    seen: dict[int, bytearray] = {}
    for publisher, seq in original.values():
        add(seen.setdefault(publisher, bytearray()), seq)
    stored = {publisher: number(bits) for publisher, bits in seen.items()}
    missing = sum(
        (bits & ~stored.get(publisher, 0)).bit_count() for publisher, bits in evidence.confirmed.items()
    )
    again = evidence.sequences(Kind.REPUBLISHED)
    counts: dict[tuple[int, int], int] = {}
    for message in original.values():
        counts[message] = counts.get(message, 0) + 1
    twice = [message for message, count in counts.items() if count > 1]
    own = sum(1 for publisher, seq in twice if again.get(publisher, 0) >> seq & 1)
    wrong = missing + len(twice) - own
    why = f"{missing} confirmed messages are at no offset, {len(twice) - own} are there twice for no reason"
    return {
        "passed": wrong == 0,
        **({"why": why} if wrong else {}),
        "offsets": len(original),
        "missing": missing,
        "twice_own_retry": own,
        "twice": len(twice) - own,
    }


def _replay(readers: Sequence[Reader], original: Contents, evidence: Evidence) -> Mapping[str, Any]:
    """Each replaying reader against the original, from its own beginning to the end."""
    replaying = [each for each in readers if each.role.does == "replay"]
    if not replaying or not original:
        return {"passed": None, "why": "nobody read the stream again"}
    counts = {"replayed": 0, "missing": 0, "different": 0, "wrong_start": 0}
    for reader in _whole(replaying):
        found = {event.aux: (event.publisher, event.seq) for event in reader.read}
        start = min(found, default=max(original) + 1)
        owed = _owed_from(reader, original, start)
        counts["replayed"] += len(found)
        counts["missing"] += sum(1 for offset in original if offset >= owed and offset not in found)
        counts["different"] += sum(1 for offset, message in found.items() if original.get(offset) != message)
        counts["wrong_start"] += not _starts_rightly(reader, original, evidence, start)
    wrong = counts["missing"] + counts["different"] + counts["wrong_start"]
    why = ", ".join(f"{counts[key]} {key.replace('_', ' ')}" for key in counts if key != "replayed")
    return {"passed": wrong == 0, **({"why": why} if wrong else {}), "readers": len(replaying), **counts}


def _whole(readers: Sequence[Reader]) -> list[Reader]:
    """A reader and those who took its place after it died, as one."""
    found: dict[str, Reader] = {}
    for each in readers:
        base = each.name.partition("~")[0]
        before = found[base].read if base in found else ()
        found[base] = replace(each, read=(*before, *each.read))
    return list(found.values())


def _owed_from(reader: Reader, original: Contents, start: int) -> int:
    """The first offset that a reader must have: what it asked for, or else where it began."""
    asked = reader.role.arguments.get(stream.KEY)
    if reader.from_ns is not None:
        return start
    if isinstance(asked, int):
        return asked
    return 0 if asked == "first" else min(start, max(original))


def _starts_rightly(reader: Reader, original: Contents, evidence: Evidence, start: int) -> bool:
    """Whether a reader began where it asked to; `_owed_from` sees to what is missing after an offset."""
    if reader.from_ns is None:
        asked = reader.role.arguments.get(stream.KEY)
        return start >= asked if isinstance(asked, int) else True
    confirmed_ns = {
        (event.publisher, event.seq): event.at_ns for _, event in evidence.events(Kind.CONFIRMED_AT)
    }
    if (
        reader.read
        and confirmed_ns.get(original.get(start, (-1, -1)), _NEVER_NS) < reader.from_ns - _BEFORE_NS
    ):
        return False
    left_out = {original[offset] for offset in original if offset < start}
    return not any(meant > reader.from_ns + _CLOCKS_NS for meant in _meant(evidence, left_out))


def _meant(evidence: Evidence, messages: set[tuple[int, int]]) -> list[int]:
    """When each of ``messages`` was to be sent: it cannot have been stored before."""
    return [event.aux2 for _, event in evidence.events(Kind.READ) if (event.publisher, event.seq) in messages]
