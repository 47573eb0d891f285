"""Duplicates by kind. At-least-once delivery allows those that carry the redelivered flag, and those that the
publisher made by sending again what was in doubt; one without a flag or a cause is a fault of the broker.

https://www.rabbitmq.com/docs/reliability#consumer-side
"""

from __future__ import annotations

from chaos.evidence import Evidence
from chaos.finding import Finding, judged, unjudged


def check(evidence: Evidence) -> Finding:
    if evidence.load is None:
        return unjudged()
    ledger = evidence.load.ledger
    figures = {
        "redelivered": ledger.duplicates_redelivered,
        "unflagged": ledger.duplicates_unflagged,
        "own_retry": ledger.duplicates_own_retry,
    }
    if ledger.duplicates_unflagged:
        return judged(False, f"{ledger.duplicates_unflagged} duplicates carry no redelivered flag", **figures)
    return judged(True, "each duplicate has its cause", **figures)
