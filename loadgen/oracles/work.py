"""work: every order is done once, or dead-lettered for the right reason, as the plan has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadgen import plan
from loadgen.collect import Totals
from loadgen.evidence import Evidence, add, members, number
from loadgen.expectation import Expectation
from loadgen.spec import ConsumerRole, LoadSpec


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``done_or_dead_lettered``: counts of orders in the state that the plan gave them, and of others."""
    del totals
    counts = {
        "done": 0,
        "dead_lettered": 0,
        "done_against_plan": 0,
        "failed_against_plan": 0,
        "wrong_reason": 0,
    }
    for role in (each for each in spec.consumers if each.does == "work"):
        for publisher, queues in expected.destinations.items():
            if role.queue in queues:
                _count(counts, spec, evidence, role, publisher)
    wrong = counts["done_against_plan"] + counts["failed_against_plan"] + counts["wrong_reason"]
    why = f"{wrong} orders ended otherwise than planned"
    return {"done_or_dead_lettered": {"passed": wrong == 0, **({"why": why} if wrong else {}), **counts}}


def _count(
    counts: dict[str, int], spec: LoadSpec, evidence: Evidence, role: ConsumerRole, publisher: int
) -> None:
    done = evidence.done_bits(role.queue, publisher)
    dead = evidence.dead_bits(role.queue, publisher)
    rejected = evidence.dead_bits(role.queue, publisher, "rejected")
    doomed = doomed_of(done | dead, role, spec.seed, publisher)
    counts["done"] += done.bit_count()
    counts["dead_lettered"] += rejected.bit_count()
    counts["done_against_plan"] += (done & doomed).bit_count()
    counts["failed_against_plan"] += (rejected & ~doomed).bit_count()
    counts["wrong_reason"] += (dead & ~rejected).bit_count()


def doomed_of(messages: int, role: ConsumerRole, seed: int, publisher: int) -> int:
    """Those of ``messages`` that the plan lets fail at every try."""
    choice = plan.failures(role.failures, seed)
    if choice.trivial:
        return 0
    found = bytearray()
    for seq in members(messages):
        if choice.of(publisher, seq) >= role.tries:
            add(found, seq)
    return number(found)
