"""What a profile says of how long its messages may wait, and when they came and left.

A message's time to live is the lesser of its queue's and its own; it begins when the queue takes the message
(https://www.rabbitmq.com/docs/ttl), which is after it was sent and before its confirm was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from loadgen import roster
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


def overdue(
    spec: LoadSpec, evidence: Evidence, queues: Sequence[str], *, since: Kind
) -> Iterator[tuple[Event, str, float]]:
    """Every delivery of one of ``queues`` whose class has a time to live: the class, and by how many seconds
    more than that it comes after the message's first event of the kind ``since`` (negative: earlier)."""
    names, lives_s, begun = roster.class_names(spec), said(spec), first(evidence, since)
    for _, event in arrivals(evidence, queues):
        name, at_ns = names[event.detail], begun.get((event.publisher, event.seq))
        if name in lives_s and at_ns is not None:
            yield event, name, (event.at_ns - at_ns) / SECOND_NS - lives_s[name]


def none_early(spec: LoadSpec, late_s: Iterable[tuple[str, float]], did: str) -> dict[str, Any]:
    """A check that fails where one of ``late_s`` (class, seconds) is early: for each class what was said, and
    how late its messages were. ``did`` is what an early one did."""
    lives_s = said(spec)
    by_class: dict[str, list[float]] = {name: [] for name in lives_s}
    for name, each in late_s:
        by_class[name].append(each)
    found = {name: {"said_s": lives_s[name], **lateness(each)} for name, each in by_class.items()}
    early = sum(each["early"] for each in found.values())
    why = f"{early} messages {did} before their time"
    return {"passed": early == 0, **({"why": why} if early else {}), "early": early, **found}


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
