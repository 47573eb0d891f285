"""Nothing waits for ever: a message that came only when the consumers had connected anew was given out, and
the broker never took what was said of it; or it was on its way to a dead-letter exchange, and came when its
queue had another leader (docs/surprises.md)."""

from __future__ import annotations

from chaos.evidence import Evidence
from chaos.finding import Finding, judged, unjudged


def check(evidence: Evidence) -> Finding:
    if evidence.load is None:
        return unjudged()
    count = evidence.load.ledger.stuck
    if count:
        what = "came only when consumers had connected anew or a queue had another leader"
        return judged(False, f"{count} confirmed messages {what}", stuck=count)
    return judged(True, "no message waited in vain", stuck=0)
