"""stream-native: what `stream` proves, no message stored twice, and never two active readers of one name.

A publisher's number is its publishing id, so the broker stores what is published again once
(https://www.rabbitmq.com/docs/streams#deduplication-publisher): a message at two offsets is a failure whoever
published it again. Of the readers of a group one is active at a time
(https://www.rabbitmq.com/docs/streams#single-active-consumer). A term of a reader begins when the broker says
that it is active and ends with the last message that it read before it was told otherwise, lost its
connection or died; what it reads at other times is a fault. Terms must not overlap, and each must begin no
further than behind the last offset that the group had read: what is read again is what was read and not
stored, what is left out would be lost to the group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.expectation import Expectation
from loadgen.ledger import Event, Kind, LogPart
from loadgen.oracles import stream
from loadgen.spec import LoadSpec

#: Evidence that the workers are to write down for this oracle.
NEEDS = stream.NEEDS
#: What is told apart by time: clocks of several nodes agree to this; those of one machine are one clock.
_CLOCKS_NS = 100_000_000
_MS = 1_000_000
_ENDS = (Kind.INACTIVE, Kind.CONNECTION_LOST, Kind.ACTIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A time for which one reader of a group was active: ``resumed`` behind a stored offset; ``first`` and
    ``last`` are the offsets that it read (None: nothing came)."""

    reader: str
    began_ns: int
    ended_ns: int
    resumed: bool
    first: int | None
    last: int | None
    offsets: tuple[int, ...]


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``offsets``, ``stored`` and ``replay`` as of `stream`, and ``deduplication`` and ``single_active``."""
    groups = _groups(evidence)
    grouped = {str(part.meaning.get("worker", "")) for parts in groups.values() for part in parts}
    alone = Evidence(
        published=evidence.published,
        confirmed=evidence.confirmed,
        done=evidence.done,
        dead=evidence.dead,
        logs=[part for part in evidence.logs if str(part.meaning.get("worker", "")) not in grouped],
    )
    return {
        **stream.check(spec, alone, expected, totals),
        "deduplication": _deduplication(spec, evidence),
        "single_active": _single_active(spec, groups, _held(evidence)),
    }


def _groups(evidence: Evidence) -> dict[str, list[LogPart]]:
    """The logs of readers that belong to a group, by its name."""
    found: dict[str, list[LogPart]] = {}
    for part in evidence.logs:
        if part.meaning.get("group"):
            found.setdefault(str(part.meaning["group"]), []).append(part)
    return found


def _held(evidence: Evidence) -> set[int]:
    """The offsets at which anybody has read a message."""
    return {event.aux for _, event in evidence.events(Kind.READ)}


def _deduplication(spec: LoadSpec, evidence: Evidence) -> Mapping[str, Any]:
    """How many messages were published again, and at how many offsets beyond its first each is stored."""
    protocols = [role.protocol for role in spec.publishers for _ in range(role.count)] * spec.parts
    named = {index for index, protocol in enumerate(protocols) if protocol == "stream"}
    places: dict[tuple[int, int], set[int]] = {}
    for _, event in evidence.events(Kind.READ):
        if event.publisher in named:
            places.setdefault((event.publisher, event.seq), set()).add(event.aux)
    again = _messages(evidence, Kind.REPUBLISHED, named)
    already = len(_messages(evidence, Kind.STORED_ALREADY, named))
    twice = sum(len(offsets) - 1 for offsets in places.values())
    untested = {"passed": None, "why": "nothing that was stored was published again"}
    failed = {"passed": False, "why": f"{twice} messages are stored once more than they should be"}
    return {
        **(failed if twice else {"passed": True} if already else untested),
        "in_doubt": len(_messages(evidence, Kind.IN_DOUBT, named)),
        "republished": len(again),
        "stored_already": already,
        "stored_once": sum(len(places.get(message, ())) == 1 for message in again),
        "stored_twice": twice,
    }


def _messages(evidence: Evidence, kind: Kind, publishers: set[int]) -> set[tuple[int, int]]:
    found = {(event.publisher, event.seq) for _, event in evidence.events(kind)}
    return {message for message in found if message[0] in publishers}


def _single_active(
    spec: LoadSpec, groups: Mapping[str, Sequence[LogPart]], held: set[int]
) -> Mapping[str, Any]:
    """No two active at once, every takeover from the stored offset, and the gap of each."""
    if not groups:
        return {"passed": None, "why": "no reader has a group"}
    tolerance_ns = _CLOCKS_NS if spec.parts > 1 else 0
    wrong = {"at_once": 0, "while_inactive": 0, "left_out": 0, "steps_back": 0, "unread": 0}
    takeovers: list[dict[str, Any]] = []
    for parts in groups.values():
        terms = sorted(_terms(parts), key=lambda each: each.began_ns)
        wrong["at_once"] += _at_once(terms, tolerance_ns)
        read = sum(event.kind is Kind.READ for part in parts for event in part.events)
        wrong["while_inactive"] += read - sum(len(each.offsets) for each in terms)
        wrong["left_out"] += sum(_left_out(each.offsets, held) for each in terms)
        wrong["steps_back"] += sum(b <= a for each in terms for a, b in pairwise(each.offsets))
        wrong["unread"] += len(held - {offset for each in terms for offset in each.offsets})
        takeovers += _takeovers(terms, held)
    wrong["left_out"] += sum(each["left_out"] for each in takeovers)
    passed = not any(wrong.values())
    why = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in wrong.items() if count)
    gaps = [each["gap_s"] for each in takeovers]
    return {
        "passed": passed,
        **({} if passed else {"why": why}),
        "takeovers": len(takeovers),
        "gap_max_s": max(gaps, default=0.0),
        "reread": sum(each["reread"] for each in takeovers),
        **wrong,
        "each": takeovers,
    }


def _terms(parts: Sequence[LogPart]) -> Iterator[Term]:
    for part in parts:
        name = str(part.meaning.get("worker", ""))
        started: Event | None = None
        read: list[Event] = []
        for event in part.events:
            if event.kind is Kind.READ and started is not None:
                read.append(event)
            elif event.kind in _ENDS and started is not None:
                yield _term(name, started, read)
                started, read = None, []
            if event.kind is Kind.ACTIVE:
                started = event
        if started is not None:
            yield _term(name, started, read)


def _term(name: str, started: Event, read: Sequence[Event]) -> Term:
    return Term(
        reader=name,
        began_ns=started.at_ns,
        ended_ns=max((event.at_ns for event in read), default=started.at_ns),
        resumed=bool(started.detail),
        first=read[0].aux if read else None,
        last=max((event.aux for event in read), default=None),
        offsets=tuple(event.aux for event in read),
    )


def _at_once(terms: Sequence[Term], tolerance_ns: int) -> int:
    """Pairs of terms that lasted at the same time; ``terms`` in the order of their beginnings."""
    return sum(
        later.began_ns + tolerance_ns < earlier.ended_ns
        for place, earlier in enumerate(terms)
        for later in terms[place + 1 :]
    )


def _left_out(offsets: Sequence[int], held: set[int]) -> int:
    """Offsets with a message between two that one term read in a row."""
    return sum(offset in held for a, b in pairwise(offsets) for offset in range(a + 1, b))


def _takeovers(terms: Sequence[Term], held: set[int]) -> list[dict[str, Any]]:
    """Each change from one term to the next: who, how long nobody read, what was read again or left out."""
    found: list[dict[str, Any]] = []
    last: int | None = None
    for before, after in pairwise(terms):
        last = before.last if last is None else max(last, before.last if before.last is not None else last)
        first = after.first
        again = 0 if last is None or first is None else max(0, last + 1 - first)
        skipped = range(0) if last is None or first is None else range(last + 1, first)
        found.append(
            {
                "from": before.reader,
                "to": after.reader,
                "gap_s": round((after.began_ns - before.ended_ns) / (1000 * _MS), 3),
                "reread": again,
                "left_out": sum(offset in held for offset in skipped),
                "from_stored_offset": after.resumed,
            }
        )
    return found
