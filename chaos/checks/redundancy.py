"""Every node runs and every queue has a leader and all its members again when all is over."""

from __future__ import annotations

from chaos.evidence import Evidence
from chaos.finding import Finding, judged, unjudged


def check(evidence: Evidence) -> Finding:
    left = evidence.left
    if left.queues is None:
        return unjudged(left.trouble or "the broker was not asked")
    missing = [
        f"{queue.vhost}:{queue.name}"
        for queue in left.queues
        if queue.members and (not queue.leader or set(queue.members) - set(queue.online))
    ]
    looks = [look.members_missing for look in evidence.seen.looks if look.members_missing is not None]
    figures = {"queues": len(left.queues), "members_missing_most": max(looks, default=0)}
    if missing:
        return judged(False, f"a leader or a member is missing of {', '.join(missing)}", **figures)
    return judged(True, "every queue has its leader and all its members", **figures)
