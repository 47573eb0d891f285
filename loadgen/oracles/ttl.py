"""ttl: nothing expires early, nothing is delivered after its time, and all that is not delivered expired.

A message lives from the moment at which the queue takes it, somewhere between its sending and its confirm. So
one that was dead-lettered less than its time after it was *sent* expired early, and one that came to a worker
more than its time after its *confirm*, and the way to the worker, was delivered too late. A quorum queue
looks at its head only: a message with a short time of its own waits behind others and is dead-lettered late,
but not delivered for all that (https://www.rabbitmq.com/docs/ttl#quorum-queues). Lateness is told, not
judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadgen import expiry
from loadgen.collect import Totals
from loadgen.evidence import Evidence, holds
from loadgen.expectation import Expectation
from loadgen.ledger import Kind
from loadgen.spec import LoadSpec

#: Evidence that the workers are to write down for this oracle.
NEEDS = frozenset({"arrivals", "sent_times", "confirm_times"})
#: How long a message may be on its way from the broker to a worker that shares its processor with it.
_WAY_S = 1.0
_REASON = "expired"


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``expiry``: for each class its time, and how late its messages were dead-lettered; ``in_time``: how
    many were delivered, the most that one was over its time, its way included, and how many were too much
    over; ``ends``: how many were delivered, how many expired, and how many ended in another way."""
    del totals
    return {
        "expiry": _expiry(spec, evidence, expected),
        "in_time": _in_time(spec, evidence),
        "ends": _ends(evidence, expected),
    }


def _expiry(spec: LoadSpec, evidence: Evidence, expected: Expectation) -> dict[str, Any]:
    died = _expired(evidence, expected)
    buried = [role.queue for role in spec.consumers if role.does == "finish"]
    late = (
        (name, late_s)
        for event, name, late_s in expiry.overdue(spec, evidence, buried, since=Kind.SENT_AT)
        if holds(died.get(event.publisher), event.seq)
    )
    return expiry.none_early(spec, late, "expired")


def _in_time(spec: LoadSpec, evidence: Evidence) -> dict[str, Any]:
    """The ages of deliveries at their arrival, beyond what each may have lived."""
    working = [role.queue for role in spec.consumers if role.does == "work"]
    over = [each for _, _, each in expiry.overdue(spec, evidence, working, since=Kind.CONFIRMED_AT)]
    after = sum(1 for each in over if each > _WAY_S)
    why = f"{after} messages were delivered more than {_WAY_S:g} s after their time"
    return {
        "passed": after == 0,
        **({"why": why} if after else {}),
        "delivered": len(over),
        "after_expiry": after,
        **({"furthest_over_s": round(max(over), 4)} if over else {}),
    }


def _ends(evidence: Evidence, expected: Expectation) -> dict[str, Any]:
    counts = {"delivered": 0, _REASON: 0, "otherwise": 0}
    for publisher, queues in expected.destinations.items():
        for queue in queues:
            expired = evidence.dead_bits(queue, publisher, _REASON)
            counts["delivered"] += evidence.done_bits(queue, publisher).bit_count()
            counts[_REASON] += expired.bit_count()
            counts["otherwise"] += (evidence.dead_bits(queue, publisher) & ~expired).bit_count()
    if counts["otherwise"]:
        why = f"{counts['otherwise']} messages were dead-lettered, but not since they had expired"
        return {"passed": False, "why": why, **counts}
    if not counts["delivered"] or not counts[_REASON]:
        return {"passed": None, "why": "not both happened: delivery and expiry", **counts}
    return {"passed": True, **counts}


def _expired(evidence: Evidence, expected: Expectation) -> Mapping[int, bytearray]:
    """Per publisher, the messages that ended as expired, as bytes: for asking about one at a time."""
    found: dict[int, bytearray] = {}
    for publisher, queues in expected.destinations.items():
        bits = 0
        for queue in queues:
            bits |= evidence.dead_bits(queue, publisher, _REASON)
        found[publisher] = bytearray(bits.to_bytes((bits.bit_length() + 7) // 8, "little"))
    return found
