"""priority: VIP orders do not wait behind normal ones.

An inversion is certain, and counted, only where the broker had a VIP order in the queue and sent a normal
one nevertheless: the VIP was confirmed before the consumer that got the normal order was free to take one,
and was itself sent only after that order had arrived. At prefetch 1 a consumer is free from its last ack on;
with a larger prefetch what the broker chose from is not known, and nothing is judged. Orders that came
back after a lost consumer return without their priority and in their old order (https://www.rabbitmq.com/
docs/quorum-queues#priorities), so inversions in which one side was redelivered are legal and counted apart.
Where a class had no order there was nothing to see, and nothing passed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.expectation import Expectation
from loadgen.histogram import percentiles
from loadgen.ledger import Kind
from loadgen.spec import LoadSpec, MessageClass

_CLASS_ORDER = 2
#: What a quorum queue takes a message for that says nothing: the source above.
_PLAIN = 4
#: Evidence that the workers are to write down for this oracle.
NEEDS = frozenset({"served", "confirm_times"})


@dataclass(frozen=True, slots=True)
class Served:
    """One delivery: when the consumer was free for it, and when it came (monotonic ns)."""

    free_ns: int
    arrived_ns: int
    confirmed_ns: int
    flagged: bool


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``waiting_time`` by class, and ``inversions``. Classes are judged by their priority, highest first."""
    del expected
    classes = spec.publishers[0].classes
    waits = {each.name: _figures(totals, each.name) for each in classes}
    ranked = sorted(range(len(classes)), key=lambda at: -_rank(classes[at]))
    found: dict[str, Any] = {"waiting_time_s": _waiting(waits, [classes[at].name for at in ranked])}
    one_at_a_time = all(role.prefetch == 1 for role in spec.consumers if role.does == "work")
    if len(classes) != _CLASS_ORDER or not one_at_a_time:
        found["inversions"] = {"passed": None, "why": "judged with two classes and prefetch 1 only"}
        return found
    vips, normals = (_served(evidence, at) for at in ranked)
    served = zip(ranked, (vips, normals), strict=True)
    if missing := [classes[at].name for at, orders in served if not orders]:
        found["inversions"] = {"passed": None, "why": _none_came(missing)}
        return found
    count = inversions(
        [each for each in vips if not each.flagged], [each for each in normals if not each.flagged]
    )
    every = inversions(vips, normals)
    why = f"{count} normal orders were sent while a VIP order waited"
    found["inversions"] = {
        "passed": count == 0,
        **({"why": why} if count else {}),
        "count": count,
        "legal_after_redelivery": every - count,
        "vip": len(vips),
        "normal": len(normals),
    }
    return found


def _rank(kind: MessageClass) -> int:
    return _PLAIN if kind.priority is None else kind.priority


def _figures(totals: Totals, name: str) -> dict[str, Any]:
    found = percentiles(totals.end_to_end(name))
    return {"count": found.count, "p50": found.p50, "p99": found.p99, "max": found.max}


def _waiting(waits: Mapping[str, Mapping[str, Any]], ranked: Sequence[str]) -> dict[str, Any]:
    """Passed when the higher class waits less at the median; not judged where nobody had to wait."""
    first, last = waits[ranked[0]], waits[ranked[-1]]
    if missing := [name for name in (ranked[0], ranked[-1]) if not waits[name]["count"]]:
        return {"passed": None, "why": _none_came(missing), **waits}
    if last["p50"] < 10 * max(first["p50"], 1e-3) and last["p50"] < 1.0:
        return {"passed": None, "why": "the queue was never long: raise the rate", **waits}
    better = first["p50"] < last["p50"]
    why = f"{ranked[0]} orders waited {first['p50']:g} s at the median, {ranked[-1]} {last['p50']:g} s"
    return {"passed": better, **({} if better else {"why": why}), **waits}


def _none_came(names: Sequence[str]) -> str:
    return f"no {' and no '.join(names)} order came: run it for longer, or give the class a larger share"


def _served(evidence: Evidence, kind: int) -> list[Served]:
    """First deliveries of one class with the time of their confirm."""
    confirmed = {
        (event.publisher, event.seq): event.at_ns
        for _, event in evidence.events(Kind.CONFIRMED_AT)
        if event.detail == kind
    }
    first: dict[tuple[int, int], Served] = {}
    for _, event in evidence.events(Kind.SERVED):
        key = (event.publisher, event.seq)
        if (
            event.detail == kind
            and key in confirmed
            and not (key in first and first[key].arrived_ns < event.at_ns)
        ):
            first[key] = Served(event.aux, event.at_ns, confirmed[key], bool(event.aux2))
    return list(first.values())


def inversions(vips: Sequence[Served], normals: Sequence[Served]) -> int:
    """How many of ``normals`` were certainly sent while one of ``vips`` was in the queue."""
    waiting = sorted(vips, key=lambda each: each.confirmed_ns)
    confirmed = [each.confirmed_ns for each in waiting]
    latest_free = list(accumulate((each.free_ns for each in waiting), max))
    count = 0
    for normal in normals:
        before = bisect_left(confirmed, normal.free_ns)
        if before and latest_free[before - 1] > normal.arrived_ns:
            count += 1
    return count
