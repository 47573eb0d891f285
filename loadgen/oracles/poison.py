"""poison: a message that always fails is delivered as often as its queue's limit says, and then set aside.

A limit of N lets N deliveries fail and dead-letters at the next failure, so there are N + 1 of them, and
the reason is ``delivery_limit`` (https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling).
Rejects for good count as well as those back into the queue, and the count goes with a dead-lettered message:
one that has climbed a rung has that many deliveries fewer left (tried on 4.3.6). Lost connections and workers
make deliveries that nobody saw and count as failures; then numbers of deliveries are told and not judged, and
a good message may reach the limit too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loadgen import plan
from loadgen.collect import Totals
from loadgen.evidence import Evidence, members
from loadgen.expectation import Expectation
from loadgen.ledger import Kind
from loadgen.spec import ConsumerRole, LoadSpec

#: Evidence that the workers are to write down for this oracle.
NEEDS = frozenset({"tries"})
_REASON = "delivery_limit"


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``deliveries``: for each queue how often messages that always fail were delivered,
    how many messages had as many deliveries as planned, fewer or more, and of those that never fail how many
    there are and how many came more than once; ``ends``: how many ended as planned, by the crashes of
    workers, and otherwise."""
    del totals
    broken = evidence.lost_sight()
    queues: dict[str, Any] = {}
    ends = Counter({"done": 0, _REASON: 0, "by_crashes": 0, "wrong_end": 0, "wrong_reason": 0})
    off = 0
    for role in (each for each in spec.consumers if "requeue" in each.on_failure):
        tally = _tally(spec, evidence, expected, role, broken=broken)
        ends.update(tally.ends)
        off += tally.counts["too_few"] + tally.counts["too_many"]
        poisoned = {f"delivered_{times}_times": tally.poisoned[times] for times in sorted(tally.poisoned)}
        queues[role.queue] = {"planned": role.tries, "always_failing": poisoned, **tally.counts}
    return {"deliveries": _judged(off, broken, queues), "ends": _ended(ends)}


@dataclass(slots=True)
class _Tally:
    """One queue's messages: ``poisoned`` has the number of deliveries → the messages that always fail."""

    poisoned: Counter[int] = field(default_factory=Counter)
    counts: Counter[str] = field(
        default_factory=lambda: Counter(
            {"right": 0, "too_few": 0, "too_many": 0, "good": 0, "good_repeated": 0}
        )
    )
    ends: Counter[str] = field(default_factory=Counter)


def _tally(
    spec: LoadSpec, evidence: Evidence, expected: Expectation, role: ConsumerRole, *, broken: bool
) -> _Tally:
    found, choice = _Tally(), plan.failures(role.failures, spec.seed)
    seen = Counter(
        (event.publisher, event.seq) for queue, event in evidence.events(Kind.TRIED) if queue == role.queue
    )
    for publisher, queues in expected.destinations.items():
        if role.queue not in queues:
            continue
        done, dead = evidence.done_bits(role.queue, publisher), evidence.dead_bits(role.queue, publisher)
        limited = evidence.dead_bits(role.queue, publisher, _REASON)
        found.ends["wrong_reason"] += (dead & ~limited).bit_count()
        for seq in members(done | dead):
            failures = 0 if choice.trivial else choice.of(publisher, seq)
            times = seen[publisher, seq]
            _count(found, times, failures, role.tries)
            found.ends[_end(failures >= role.tries, buried=bool(dead >> seq & 1), broken=broken)] += 1
    return found


def _end(poisoned: bool, *, buried: bool, broken: bool) -> str:
    if poisoned == buried:
        return _REASON if buried else "done"
    return "by_crashes" if buried and broken else "wrong_end"


def _count(found: _Tally, times: int, failures: int, tries: int) -> None:
    planned = min(failures + 1, tries)
    found.counts["right" if times == planned else "too_few" if times < planned else "too_many"] += 1
    if failures >= tries:
        found.poisoned[times] += 1
    if not failures:
        found.counts["good"] += 1
        found.counts["good_repeated"] += times > 1


def _judged(off: int, broken: bool, queues: Mapping[str, Any]) -> dict[str, Any]:
    if off and broken:
        return {
            "passed": None,
            "why": "connections or workers were lost: not every delivery was seen",
            **queues,
        }
    why = f"{off} messages were delivered more or less often than the limit and the plan say"
    return {"passed": off == 0, **({"why": why} if off else {}), **queues}


def _ended(ends: Counter[str]) -> dict[str, Any]:
    wrong = ends["wrong_end"] + ends["wrong_reason"]
    why = (
        f"{ends['wrong_end']} messages ended otherwise than planned, {ends['wrong_reason']} by another reason"
    )
    return {"passed": wrong == 0, **({"why": why} if wrong else {}), **ends}
