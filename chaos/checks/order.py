"""Order within a queue, judged where one consumer is active: what a redelivery or a reconnection explains is
no fault of the broker."""

from __future__ import annotations

from chaos.evidence import Evidence
from chaos.finding import Finding, judged, unjudged


def check(evidence: Evidence) -> Finding:
    if evidence.load is None:
        return unjudged()
    ledger = evidence.load.ledger
    if ledger.reordered is None:
        return unjudged("several consumers took from each queue, so order is nobody's promise")
    figures = {
        "reordered": ledger.reordered,
        "after_redelivery": ledger.reordered_after_redelivery,
        "after_reconnect": ledger.reordered_after_reconnect,
    }
    if ledger.reordered:
        return judged(False, f"{ledger.reordered} messages came before earlier ones", **figures)
    return judged(True, "in order, but for what came again", **figures)
