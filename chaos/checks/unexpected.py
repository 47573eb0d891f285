"""Nothing arrived that nobody published there."""

from __future__ import annotations

from chaos.evidence import Evidence
from chaos.finding import Finding, judged, unjudged


def check(evidence: Evidence) -> Finding:
    if evidence.load is None:
        return unjudged()
    found = evidence.load.ledger.unexpected
    why = f"{found} messages came that nobody published there" if found else "nothing unexpected came"
    return judged(not found, why, unexpected=found)
