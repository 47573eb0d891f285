"""retry: every payment gets the tries that the plan gives it, and none comes before its rung's time is over.

A step's delay runs from the moment at which a worker rejects to the arrival of the next try, at whichever
worker; both are noted with the clock that all processes of one machine share. A try is told by the number of
rejections in the message's ``x-death``, since the redelivered flag and ``x-delivery-count`` survive
dead-lettering; the same try arriving twice is a redelivery, not a retry. Where failed payments go back into
their queue it is told by that count: a crash takes one of a payment's tries away, and the number of tries is
then not judged. How late tries came is told and not judged: a fault makes them late, and late is not lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loadgen import plan
from loadgen.collect import Totals
from loadgen.evidence import Evidence, add, members, number
from loadgen.expectation import Expectation
from loadgen.ledger import Event, Kind
from loadgen.spec import ConsumerRole, LoadSpec, RelayRole, TakerRole
from warren.stats import percentile

#: A delay shorter than said by more than this is early: the clocks are one, so this is rounding only.
_EARLY_S = 0.01
#: Evidence that the workers are to write down for this oracle.
NEEDS = frozenset({"tries"})

Message = tuple[int, int]


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``tries``, and ``delays`` with one entry a rung: count, errors in seconds, early ones; ``cost``: what a
    payment takes of deliveries and of the clients' publishes, nothing to be judged. Where several roles
    retry, ``tries`` and ``delays`` end with the name of each."""
    found: dict[str, Any] = {}
    roles = [each for each in spec.takers if each.does == "work" and each.delays_s]
    judged = 0
    for role in roles:
        events = [event for queue, event in evidence.events(Kind.TRIED, Kind.REJECTED) if queue == role.queue]
        tries, whose = _tries(spec, evidence, expected, role, events), f"_{role.name}" * (len(roles) > 1)
        judged += tries["judged"]
        found |= {f"tries{whose}": tries, f"delays{whose}": _delays(role, events)}
    return {**found, "cost": _cost(totals, judged)} if roles else found


def _cost(totals: Totals, payments: int) -> Mapping[str, Any]:
    """Per payment; what the broker moves by itself, by expiry and dead-lettering, no client publishes."""
    each, traffic = max(1, payments), totals.traffic()
    return {
        "passed": None,
        **({"why": "what processes that died had last counted is missing"} if traffic.died else {}),
        "deliveries_per_payment": round(traffic.deliveries / each, 3),
        "publishes_per_payment": round(traffic.sent / each, 3),
    }


def _tries(
    spec: LoadSpec,
    evidence: Evidence,
    expected: Expectation,
    role: TakerRole,
    events: Sequence[Event],
) -> Mapping[str, Any]:
    """Tries seen against tries planned, for every payment that reached its end."""
    seen: dict[Message, set[int]] = {}
    again = 0
    for event in events:
        if event.kind is Kind.TRIED:
            tries = seen.setdefault((event.publisher, event.seq), set())
            again += event.aux in tries
            tries.add(event.aux)
    choice = plan.failures(role.failures, spec.seed)
    counts = {"judged": 0, "right": 0, "too_few": 0, "too_many": 0, "done": 0, "failed": 0, "wrong_end": 0}
    for publisher, queues in expected.destinations.items():
        if role.queue not in queues:
            continue
        done, dead = evidence.done_bits(role.queue, publisher), evidence.dead_bits(role.queue, publisher)
        counts["done"] += done.bit_count()
        counts["failed"] += dead.bit_count()
        doomed = bytearray()
        for seq in members(done | dead):
            failures = choice.of(publisher, seq)
            if failures >= role.tries:
                add(doomed, seq)
            _compare(counts, len(seen.get((publisher, seq), ())), min(failures + 1, role.tries))
        counts["wrong_end"] += (done & number(doomed)).bit_count() + (dead & ~number(doomed)).bit_count()
    wrong = counts["too_few"] + counts["too_many"] + counts["wrong_end"]
    why = f"{wrong} payments had another number of tries, or another end, than planned"
    judged = not (_by_count(role) and evidence.lost_sight())
    passed = wrong == 0 or (False if judged else None)
    return {"passed": passed, **({"why": why} if wrong else {}), **counts, "redelivered_tries": again}


def _by_count(role: TakerRole) -> bool:
    """Whether tries are told by the broker's count of failed deliveries, to which a crash adds one."""
    return isinstance(role, ConsumerRole) and "requeue" in role.on_failure


def _compare(counts: dict[str, int], seen: int, planned: int) -> None:
    counts["judged"] += 1
    counts["right" if seen == planned else "too_few" if seen < planned else "too_many"] += 1


def _delays(role: TakerRole, events: Sequence[Event]) -> Mapping[str, Any]:
    sends_off = isinstance(role, RelayRole)
    rungs = [_rung(events, step, said, sends_off=sends_off) for step, said in enumerate(role.delays_s)]
    early = sum(rung["early"] for rung in rungs)
    names = [f"step_{index + 1}" for index in range(len(rungs))]
    return {
        "passed": early == 0,
        **({"why": f"{early} tries came before their time"} if early else {}),
        **dict(zip(names, rungs, strict=True)),
    }


def _rung(events: Sequence[Event], step: int, said_s: float, *, sends_off: bool) -> dict[str, Any]:
    """The waits between try ``step`` and the first that came of the next.

    Of a payment that was rejected twice at one try (its worker was lost) the broker knows the last reject
    only. It knows both where its own leader was lost: dead-lettering at least once makes two payments of it
    then, and each comes in its time. So of so many arrivals, the first belongs to the last reject but so
    many. A relay sent it off twice, and what comes may be the first of the two.
    """
    left: dict[Message, list[int]] = {}
    arrived: dict[Message, list[int]] = {}
    for event in events:
        key = (event.publisher, event.seq)
        if event.kind is Kind.REJECTED and event.aux == step:
            left.setdefault(key, []).append(event.at_ns)
        elif event.kind is Kind.TRIED and event.aux == step + 1:
            arrived.setdefault(key, []).append(event.at_ns)
    waits = []
    for key, times in arrived.items():
        first = min(times)
        if before := sorted(each for each in left.get(key, ()) if each <= first):
            copies = len(before) if sends_off else min(len(before), len(times))
            waits.append((first - before[-copies]) / 1e9)
    if not waits:
        return {"said_s": said_s, "count": 0, "early": 0}
    errors = [wait - said_s for wait in waits]
    return {
        "said_s": said_s,
        "count": len(waits),
        "early": sum(1 for error in errors if error < -_EARLY_S),
        "error_min_s": round(min(errors), 4),
        "error_p50_s": round(percentile(errors, 0.5), 4),
        "error_p99_s": round(percentile(errors, 0.99), 4),
        "error_max_s": round(max(errors), 4),
    }
