"""What a profile says of how long its messages may wait, and when they came and left.

A message's time to live is the lesser of its queue's and its own; it begins when the queue takes the message
(https://www.rabbitmq.com/docs/ttl), which is after it was sent and before its confirm was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loadgen.curve import SECOND_NS
from loadgen.evidence import Evidence
from loadgen.ledger import Event, Kind
from loadgen.spec import LoadSpec, MessageClass
from warren.stats import percentile

#: (publisher, sequence)
Message = tuple[int, int]

#: Shorter than said by more than this is early: the clocks are one, and the broker counts whole milliseconds.
EARLY_S = 0.01


def ttl_s(spec: LoadSpec, kind: MessageClass, queue: str) -> float | None:
    """How long messages of a class live in ``queue``, one of the profile's own; None for ever."""
    own = [] if kind.expiration_ms is None else [kind.expiration_ms]
    for each in spec.objects.queues if spec.objects is not None else ():
        if each.name == queue and "x-message-ttl" in each.arguments:
            own.append(int(each.arguments["x-message-ttl"]))
    return min(own) / 1000 if own else None


def said(spec: LoadSpec) -> Mapping[str, float]:
    """Class → the shortest time that its messages live, in seconds; without those that never expire."""
    found: dict[str, float] = {}
    for role in spec.publishers:
        for kind in role.classes:
            lives = [ttl for queue in role.reached_by(kind) if (ttl := ttl_s(spec, kind, queue)) is not None]
            if lives:
                found[kind.name] = min(lives)
    return found


def first(evidence: Evidence, kind: Kind) -> Mapping[Message, int]:
    """When each message had its first event of ``kind`` (ns)."""
    found: dict[Message, int] = {}
    for _, event in evidence.events(kind):
        key = (event.publisher, event.seq)
        found[key] = min(event.at_ns, found.get(key, event.at_ns))
    return found


def arrivals(evidence: Evidence, queues: Sequence[str]) -> Iterator[tuple[str, Event]]:
    """Every delivery of one of ``queues``."""
    for queue, event in evidence.events(Kind.ARRIVED):
        if queue in queues:
            yield queue, event


def seconds(ns: int) -> float:
    """Nanoseconds as seconds."""
    return ns / SECOND_NS


def lateness(late_s: Sequence[float]) -> dict[str, Any]:
    """How far after their time (negative: before it) messages came: how many, how many early, how late."""
    if not late_s:
        return {"count": 0, "early": 0}
    return {
        "count": len(late_s),
        "early": sum(1 for each in late_s if each < -EARLY_S),
        "late_min_s": round(min(late_s), 4),
        "late_p50_s": round(percentile(late_s, 0.5), 4),
        "late_p99_s": round(percentile(late_s, 0.99), 4),
        "late_max_s": round(max(late_s), 4),
    }
