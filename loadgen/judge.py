"""From evidence to the ledger's figures: pure, by the definitions of docs/results.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loadgen.evidence import Evidence, add, below, holds, members, number
from loadgen.expectation import Expectation
from loadgen.ledger import Kind
from warren.results import Ledger

__all__ = ["Duplicates", "Expectation", "judge", "missing", "waits_for"]

_EXAMPLES = 10
#: Why a message may come late.
_LATE = ("plain", "redelivery", "reconnect")


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    redelivered: int = 0
    unflagged: int = 0
    own_retry: int = 0


def missing(evidence: Evidence, expected: Expectation) -> dict[tuple[str, int], int]:
    """Per (queue, publisher), the set of confirmed messages that are in no final state (yet)."""
    returned = evidence.returned()
    found: dict[tuple[str, int], int] = {}
    for publisher, queues in expected.destinations.items():
        held = evidence.confirmed.get(publisher, 0) & ~returned.get(publisher, 0)
        count = evidence.published.get(publisher, 0)
        for queue in queues:
            gone = held & expected.owed(queue, publisher, count) & ~evidence.final(queue, publisher)
            if gone:
                found[queue, publisher] = gone
    return found


def waits_for(gone: Mapping[tuple[str, int], int], unread: int, hold_back_s: float, left_s: float) -> str:
    """What `missing` found, in words: the drain waits for it, for ``left_s`` more if nothing comes."""
    queues: dict[str, int] = {}
    for (queue, _), bits in gone.items():
        queues[queue] = queues.get(queue, 0) + bits.bit_count()
    if unread:
        queues["what is read again"] = unread
    what = ", ".join(f"{count} of {queue}" for queue, count in sorted(queues.items()))
    own = f"the profile itself delays up to {hold_back_s:g} s; " if hold_back_s else ""
    return f"{what} ({own}the broker may hold back a lost consumer's messages; gives up in {left_s:.0f} s)"


def judge(evidence: Evidence, expected: Expectation, *, deliveries: int = 0) -> Ledger:
    """The ledger after the drain; ``deliveries`` is what the consumers counted, repeats included."""
    published = sum(evidence.published.values())
    confirmed = sum(bits.bit_count() for bits in evidence.confirmed.values())
    nacked = _nacked(evidence)
    lost = missing(evidence, expected)
    doubles = _duplicates(evidence)
    late = _reordered(evidence) if expected.judge_order else dict.fromkeys(_LATE)
    dead = _dead_lettered(evidence, expected)
    nacked_count = sum(bits.bit_count() for bits in nacked.values())
    return Ledger(
        published=published,
        confirmed=confirmed,
        nacked=nacked_count,
        in_doubt=published - confirmed - nacked_count,
        returned=_count(evidence.returned()),
        nacked_delivered=_seen_of(evidence, expected, nacked),
        recovered=_seen_of(evidence, expected, _in_doubt(evidence, nacked)),
        received=_received(evidence, expected),
        lost=_count(lost),
        unexpected=_unexpected(evidence, expected),
        duplicates_redelivered=doubles.redelivered,
        duplicates_unflagged=doubles.unflagged,
        duplicates_own_retry=doubles.own_retry,
        reordered=late["plain"],
        reordered_after_redelivery=late["redelivery"],
        reordered_after_reconnect=late["reconnect"],
        dead_lettered=dead,
        expired=dead.get("expired", 0),
        foreign=sum(1 for _ in evidence.events(Kind.FOREIGN)),
        republished=sum(1 for _ in evidence.events(Kind.REPUBLISHED)),
        deliveries=deliveries,
        lost_examples=_examples(lost),
    )


def _count(sets: Mapping[Any, int]) -> int:
    return sum(bits.bit_count() for bits in sets.values())


def _nacked(evidence: Evidence) -> dict[int, int]:
    """Per publisher, the unconfirmed messages whose every attempt was answered by a nack.

    A nack followed by another attempt that got no answer leaves a message in doubt.
    """
    attempts: dict[tuple[int, int], int] = {}
    nacks: dict[tuple[int, int], int] = {}
    for _, event in evidence.events(Kind.NACKED, Kind.REPUBLISHED):
        key = (event.publisher, event.seq)
        if event.kind is Kind.NACKED:
            nacks[key] = nacks.get(key, 0) + 1
        else:
            attempts[key] = attempts.get(key, 0) + 1
    found: dict[int, bytearray] = {}
    for (publisher, seq), count in nacks.items():
        if count > attempts.get((publisher, seq), 0):
            add(found.setdefault(publisher, bytearray()), seq)
    return {
        publisher: number(bits) & ~evidence.confirmed.get(publisher, 0) for publisher, bits in found.items()
    }


def _in_doubt(evidence: Evidence, nacked: Mapping[int, int]) -> dict[int, int]:
    return {
        publisher: below(count) & ~evidence.confirmed.get(publisher, 0) & ~nacked.get(publisher, 0)
        for publisher, count in evidence.published.items()
    }


def _seen_of(evidence: Evidence, expected: Expectation, wanted: Mapping[int, int]) -> int:
    return sum(
        (bits & evidence.final(queue, publisher) & _owed(evidence, expected, queue, publisher)).bit_count()
        for publisher, bits in wanted.items()
        for queue in expected.destinations.get(publisher, ())
    )


def _received(evidence: Evidence, expected: Expectation) -> int:
    return _seen_of(
        evidence, expected, {publisher: below(count) for publisher, count in evidence.published.items()}
    )


def _unexpected(evidence: Evidence, expected: Expectation) -> int:
    """Messages never published, or in a queue that no binding leads them to, or unreadable."""
    total = sum(1 for _ in evidence.events(Kind.UNREADABLE))
    for queue, publisher in evidence.units():
        allowed = _owed(evidence, expected, queue, publisher)
        total += (evidence.final(queue, publisher) & ~allowed).bit_count()
    return total


def _owed(evidence: Evidence, expected: Expectation, queue: str, publisher: int) -> int:
    return expected.owed(queue, publisher, evidence.published.get(publisher, 0))


def _duplicates(evidence: Evidence) -> Duplicates:
    """Each delivery of a message beyond the one that brought it to its final state.

    Flagged ones count as redelivered, others as the publisher's own retry if it published the message
    again; what is left is a duplicate that nothing explains.
    """
    retried = evidence.marked(Kind.REPUBLISHED, Kind.RELAYED_AGAIN)
    redelivered = own_retry = unflagged = 0
    for _, event in evidence.events(Kind.DUPLICATE):
        if event.detail:
            redelivered += 1
        elif holds(retried.get(event.publisher), event.seq):
            own_retry += 1
        else:
            unflagged += 1
    flagged = evidence.noted(Kind.REDELIVERED, Kind.FLAGGED)
    again = {publisher: number(bits) for publisher, bits in retried.items()}
    for queue, publisher in evidence.units():
        seen = 0
        for part in _final_parts(evidence, queue, publisher):
            double, seen = seen & part, seen | part
            excused = double & flagged.get((queue, publisher), 0)
            own = double & ~excused & again.get(publisher, 0)
            redelivered += excused.bit_count()
            own_retry += own.bit_count()
            unflagged += (double & ~excused & ~own).bit_count()
    return Duplicates(redelivered=redelivered, unflagged=unflagged, own_retry=own_retry)


def _final_parts(evidence: Evidence, queue: str, publisher: int) -> list[int]:
    dead = [
        bits
        for (origin, owner, _), parts in evidence.dead.items()
        if (origin, owner) == (queue, publisher)
        for bits in parts
    ]
    return [*evidence.done.get((queue, publisher), ()), *dead]


def _reordered(evidence: Evidence) -> dict[str, int | None]:
    """Late first deliveries by their cause: the broker gave them back, the publisher sent them again after it
    had lost its connection or got a nack, or none of these. Those that are late only behind a message that
    nobody published are left out."""
    retried = evidence.marked(Kind.REPUBLISHED, Kind.RELAYED_AGAIN)
    counts = dict.fromkeys(_LATE, 0)
    for _, event in evidence.events(Kind.REORDERED):
        if event.aux >= evidence.published.get(event.publisher, 0):
            continue
        again = holds(retried.get(event.publisher), event.seq)
        counts["reconnect" if again else "redelivery" if event.detail else "plain"] += 1
    return {**counts}


def _dead_lettered(evidence: Evidence, expected: Expectation) -> dict[str, int]:
    found: dict[str, int] = {}
    for publisher, queues in expected.destinations.items():
        for reason in sorted({why for _, owner, why in evidence.dead if owner == publisher}):
            dead = sum(evidence.dead_bits(queue, publisher, reason).bit_count() for queue in queues)
            if dead:
                found[reason] = found.get(reason, 0) + dead
    return found


def _examples(lost: Mapping[tuple[str, int], int]) -> tuple[str, ...]:
    named = [
        f"{queue}: publisher {publisher}, message {seq}"
        for (queue, publisher), bits in sorted(lost.items())
        for seq in members(bits, _EXAMPLES)
    ]
    return tuple(named[:_EXAMPLES])
