"""Nothing that was confirmed is lost: the ledger after the drain."""

from __future__ import annotations

from chaos.evidence import Evidence
from chaos.finding import Finding, judged, unjudged


def check(evidence: Evidence) -> Finding:
    if evidence.load is None:
        return unjudged()
    ledger = evidence.load.ledger
    figures = {"confirmed": ledger.confirmed, "lost": ledger.lost}
    if not ledger.confirmed:
        return unjudged("nothing was confirmed", **figures)
    if ledger.lost:
        examples = "; ".join(ledger.lost_examples[:3])
        return judged(False, f"{ledger.lost} confirmed messages are lost, e.g. {examples}", **figures)
    return judged(True, f"{ledger.confirmed} confirmed, none lost", **figures)
