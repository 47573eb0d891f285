"""delayed: no message comes before its delay is over, and every one comes.

A delay is the time to live of the queue in which a message waits. It runs from its sending to its arrival at
the consumer of the queue to which it is dead-lettered. How late they come is told and not judged: a fault
makes them late, and late is not lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadgen import expiry
from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.expectation import Expectation
from loadgen.ledger import Kind
from loadgen.spec import LoadSpec

#: Evidence that the workers are to write down for this oracle.
NEEDS = frozenset({"arrivals", "sent_times"})


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``delays``: for each class what was said and by how much each was missed, in seconds; ``arrived``: how
    many confirmed messages came, and how many did not."""
    del totals
    return {"delays": _delays(spec, evidence), "arrived": _arrived(evidence, expected)}


def _delays(spec: LoadSpec, evidence: Evidence) -> dict[str, Any]:
    queues = [role.queue for role in spec.consumers if role.settles == "origin"]
    late = expiry.overdue(spec, evidence, queues, since=Kind.SENT_AT)
    return expiry.none_early(spec, ((name, late_s) for _, name, late_s in late), "came")


def _arrived(evidence: Evidence, expected: Expectation) -> dict[str, Any]:
    arrived = missing = 0
    for publisher, queues in expected.destinations.items():
        for queue in queues:
            owed = expected.owed(queue, publisher, evidence.published.get(publisher, 0))
            came = evidence.final(queue, publisher)
            arrived += (owed & came).bit_count()
            missing += (owed & evidence.confirmed.get(publisher, 0) & ~came).bit_count()
    why = f"{missing} messages never came out of their delay"
    return {
        "passed": missing == 0,
        **({"why": why} if missing else {}),
        "arrived": arrived,
        "missing": missing,
    }
