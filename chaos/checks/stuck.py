"""Nothing waits for ever: a message that came only when the consumers had connected anew was given out, and
the broker never took what was said of it (docs/surprises.md)."""

from __future__ import annotations

from chaos.evidence import Evidence
from chaos.finding import Finding, judged, unjudged


def check(evidence: Evidence) -> Finding:
    if evidence.load is None:
        return unjudged()
    count = evidence.load.ledger.stuck
    if count:
        return judged(
            False, f"{count} confirmed messages came only when the consumers connected anew", stuck=count
        )
    return judged(True, "no message waited for its consumer to connect anew", stuck=0)
