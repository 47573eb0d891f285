"""A queue's unacknowledged messages against those of all channels: what no channel owns,
nobody can acknowledge. It comes back only when the queue is told that its consumer is gone.

Seen after elections in an unstable network: https://github.com/rabbitmq/rabbitmq-server/issues/15473
"""

from __future__ import annotations

from chaos.evidence import Evidence
from chaos.eyes import of_applications, unowned
from chaos.finding import Finding, judged, unjudged


def check(evidence: Evidence) -> Finding:
    """By virtual host, when all is over and the figures have settled; the reader has waited for that. What no
    channel owned before the day began is an earlier one's."""
    left = evidence.left
    if left.queues is None or left.channels_unacked is None:
        return unjudged(left.trouble or "the broker was not asked")
    found = unowned(left.queues, left.channels_unacked)
    known = {vhost: min(count, left.orphans.get(vhost, 0)) for vhost, count in found.items()}
    orphaned = {vhost: count - known[vhost] for vhost, count in found.items() if count > known[vhost]}
    queues = of_applications(left.queues)
    figures = {
        "queues_unacked": sum(queue.unacked or 0 for queue in queues),
        "channels_unacked": sum(left.channels_unacked.values()),
        "of_before": sum(known.values()),
    }
    but = f", but for {figures['of_before']} of before the day" if figures["of_before"] else ""
    if not orphaned:
        return judged(True, f"every unacknowledged message has a channel that owns it{but}", **figures)
    named = [f"{queue.vhost}:{queue.name}" for queue in queues if queue.vhost in orphaned and queue.unacked]
    count = sum(orphaned.values())
    why = f"{count} unacknowledged messages of {', '.join(named)} belong to no channel{but}"
    return judged(False, why, **figures)
