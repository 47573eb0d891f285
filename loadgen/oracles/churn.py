"""churn: connections and channels come and go as often as planned, and not once more.

Each worker notes when it closes what it has; publishers' messages are numbered, consumers say at the end
how many they took, so what was planned follows from the counts. That nothing is lost over it is the
ledger's to say, and that nothing comes twice without a reason is the tolerance ``unflagged_duplicates``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadgen.collect import Totals
from loadgen.evidence import Evidence
from loadgen.expectation import Expectation
from loadgen.ledger import Kind, LogPart
from loadgen.spec import LoadSpec


def check(spec: LoadSpec, evidence: Evidence, expected: Expectation, totals: Totals) -> Mapping[str, Any]:
    """``renewals``: how often connections and channels were changed, against the plan; ``unplanned`` counts
    connections that were lost besides, which a fault may explain."""
    del expected
    plans = {role.name: role.reconnect_every for role in spec.publishers}
    plans |= {role.name: role.reconnect_every for role in spec.consumers}
    planned = wrong = 0
    done = [0, 0]
    for part in evidence.logs:
        every = plans.get(str(part.meaning.get("worker", "")).rpartition("-")[0])
        if every is None:
            continue
        owed = _messages(part, evidence) // every
        renewed = [event for event in part.events if event.kind is Kind.RENEWED]
        planned += owed
        wrong += abs(owed - len(renewed))
        for event in renewed:
            done[event.detail] += 1
    figures = {"planned": planned, "connections": done[0], "channels": done[1], "wrong": wrong}
    if not planned:
        return {"renewals": {"passed": None, "why": "too few messages for a single change", **figures}}
    why = {"why": f"{wrong} changes too many or too few"} if wrong else {}
    unplanned = max(0, totals.counts["links_lost"] - done[0])
    return {"renewals": {"passed": wrong == 0, **why, **figures, "unplanned": unplanned}}


def _messages(part: LogPart, evidence: Evidence) -> int:
    """What a worker sent, or took."""
    if "publisher" in part.meaning:
        return evidence.published.get(int(part.meaning["publisher"]), 0)
    return next((event.aux for event in part.events if event.kind is Kind.TALLY), 0)
