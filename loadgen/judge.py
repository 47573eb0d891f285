"""From evidence to the ledger's figures: pure, by the definitions of `DESIGN.md`, "The face"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loadgen.evidence import Evidence, below, members, union
from loadgen.ledger import Kind
from warren.results import Ledger

_EXAMPLES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a run should show: per publisher, the queues that each of its messages reaches."""

    destinations: Mapping[int, tuple[str, ...]]
    judge_order: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    redelivered: int = 0
    unflagged: int = 0
    own_retry: int = 0


def missing(evidence: Evidence, expected: Expectation) -> dict[tuple[str, int], int]:
    """Per (queue, publisher), the set of confirmed messages that are in no final state (yet)."""
    returned = evidence.sequences(Kind.RETURNED)
    found: dict[tuple[str, int], int] = {}
    for publisher, queues in expected.destinations.items():
        owed = evidence.confirmed.get(publisher, 0) & ~returned.get(publisher, 0)
        for queue in queues:
            gone = owed & ~evidence.final(queue, publisher)
            if gone:
                found[queue, publisher] = gone
    return found


def judge(evidence: Evidence, expected: Expectation, *, deliveries: int = 0) -> Ledger:
    """The ledger after the drain; ``deliveries`` is what the consumers counted, repeats included."""
    published = sum(evidence.published.values())
    confirmed = sum(bits.bit_count() for bits in evidence.confirmed.values())
    nacked = _nacked(evidence)
    lost = missing(evidence, expected)
    doubles = _duplicates(evidence)
    plain, after = _reordered(evidence) if expected.judge_order else (None, None)
    nacked_count = sum(bits.bit_count() for bits in nacked.values())
    return Ledger(
        published=published,
        confirmed=confirmed,
        nacked=nacked_count,
        in_doubt=published - confirmed - nacked_count,
        returned=_count(evidence.sequences(Kind.RETURNED)),
        nacked_delivered=_seen_of(evidence, expected, nacked),
        recovered=_seen_of(evidence, expected, _in_doubt(evidence, nacked)),
        received=_received(evidence, expected),
        lost=_count(lost),
        unexpected=_unexpected(evidence, expected),
        duplicates_redelivered=doubles.redelivered,
        duplicates_unflagged=doubles.unflagged,
        duplicates_own_retry=doubles.own_retry,
        reordered=plain,
        reordered_after_redelivery=after,
        dead_lettered=_dead_lettered(evidence, expected),
        foreign=sum(1 for _ in evidence.events(Kind.FOREIGN)),
        republished=sum(1 for _ in evidence.events(Kind.REPUBLISHED)),
        deliveries=deliveries,
        lost_examples=_examples(lost),
    )


def _count(sets: Mapping[object, int] | Mapping[int, int]) -> int:
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
    found: dict[int, int] = {}
    for (publisher, seq), count in nacks.items():
        if count > attempts.get((publisher, seq), 0) and not evidence.confirmed.get(publisher, 0) >> seq & 1:
            found[publisher] = found.get(publisher, 0) | 1 << seq
    return found


def _in_doubt(evidence: Evidence, nacked: Mapping[int, int]) -> dict[int, int]:
    return {
        publisher: below(count) & ~evidence.confirmed.get(publisher, 0) & ~nacked.get(publisher, 0)
        for publisher, count in evidence.published.items()
    }


def _seen_of(evidence: Evidence, expected: Expectation, wanted: Mapping[int, int]) -> int:
    return sum(
        (bits & evidence.final(queue, publisher)).bit_count()
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
        allowed = 0
        if queue in expected.destinations.get(publisher, ()):
            allowed = below(evidence.published.get(publisher, 0))
        total += (evidence.final(queue, publisher) & ~allowed).bit_count()
    return total


def _duplicates(evidence: Evidence) -> Duplicates:
    """Each delivery of a message beyond the one that brought it to its final state.

    Flagged ones count as redelivered, others as the publisher's own retry if it published the message
    again; what is left is a duplicate that nothing explains.
    """
    flagged = evidence.sequences(Kind.REDELIVERED)
    retried = evidence.sequences(Kind.REPUBLISHED)
    counts = {"redelivered": 0, "unflagged": 0, "own_retry": 0}

    def note(publisher: int, bits: int, *, is_flagged: int) -> None:
        own = bits & ~is_flagged & retried.get(publisher, 0)
        counts["redelivered"] += (bits & is_flagged).bit_count()
        counts["own_retry"] += own.bit_count()
        counts["unflagged"] += (bits & ~is_flagged & ~own).bit_count()

    for _, event in evidence.events(Kind.DUPLICATE):
        bit = 1 << event.seq
        note(event.publisher, bit, is_flagged=bit if event.detail else 0)
    for queue, publisher in evidence.units():
        seen = 0
        for part in _final_parts(evidence, queue, publisher):
            note(publisher, seen & part, is_flagged=flagged.get(publisher, 0))
            seen |= part
    return Duplicates(**counts)


def _final_parts(evidence: Evidence, queue: str, publisher: int) -> list[int]:
    dead = [
        bits
        for (origin, owner, _), parts in evidence.dead.items()
        if (origin, owner) == (queue, publisher)
        for bits in parts
    ]
    return [*evidence.done.get((queue, publisher), ()), *dead]


def _reordered(evidence: Evidence) -> tuple[int, int]:
    """(plain, after a redelivery): late first deliveries, but for those that were published again."""
    retried = evidence.sequences(Kind.REPUBLISHED)
    plain = after = 0
    for _, event in evidence.events(Kind.REORDERED):
        if retried.get(event.publisher, 0) >> event.seq & 1:
            continue
        if event.detail:
            after += 1
        else:
            plain += 1
    return plain, after


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


__all__ = ["Duplicates", "Expectation", "judge", "missing", "union"]
