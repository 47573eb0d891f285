"""crash: what a dead worker had in its hands comes back flagged, and each order is done.

A worker that kills itself has at least the delivery that killed it unsettled, so at least as many flagged
deliveries come as workers died. An order is done twice where its worker died after doing it and before the
broker had the ack; the second delivery must say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.expectation import Expectation
from loadgen.ledger import Kind
from loadgen.roles import deaths
from loadgen.spec import LoadSpec


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``redone``: how many workers died, what came back of theirs, what was done once and what again."""
    del expected, totals
    planned = sum(map(deaths, spec.takers))
    died = sum("~" in str(part.meaning.get("worker", "")) for part in evidence.logs)
    flagged = evidence.noted(Kind.REDELIVERED)
    once = again = unflagged = 0
    for queue, publisher in evidence.units():
        seen = twice = 0
        for part in evidence.done.get((queue, publisher), ()):
            twice |= seen & part
            seen |= part
        again += twice.bit_count()
        once += (seen & ~twice).bit_count()
        unflagged += (twice & ~flagged.get((queue, publisher), 0)).bit_count()
    redelivered = sum(1 for _ in evidence.events(Kind.REDELIVERED))
    figures = {
        "planned": planned,
        "died": died,
        "redelivered": redelivered,
        "done_once": once,
        "done_again_flagged": again - unflagged,
        "done_again_unflagged": unflagged,
    }
    faults = []
    if died > planned:
        faults.append(f"{died} workers died, {planned} were to")
    if redelivered < died:
        faults.append(f"{died} workers died and only {redelivered} deliveries came back flagged")
    if unflagged:
        faults.append(f"{unflagged} orders were done twice without a flag")
    if faults:
        return {"redone": {"passed": False, "why": "; ".join(faults), **figures}}
    if died < planned:
        return {"redone": {"passed": None, "why": "too few orders for every crash", **figures}}
    return {"redone": {"passed": True, **figures}}
