"""A queue's unacknowledged messages against those of all channels: what no channel owns,
nobody can acknowledge. It comes back only when the queue is told that its consumer is gone.

Seen after elections in an unstable network: https://github.com/rabbitmq/rabbitmq-server/issues/15473
"""

from __future__ import annotations

from collections import Counter

from chaos.evidence import Evidence
from chaos.finding import Finding, judged, unjudged


def check(evidence: Evidence) -> Finding:
    """By virtual host, when all is over and the figures have settled; the reader has waited for that."""
    left = evidence.left
    if left.queues is None or left.channels_unacked is None:
        return unjudged(left.trouble or "the broker was not asked")
    queues: Counter[str] = Counter()
    for queue in left.queues:
        queues[queue.vhost] += queue.unacked or 0
    orphaned = {
        vhost: count - left.channels_unacked.get(vhost, 0)
        for vhost, count in queues.items()
        if count > left.channels_unacked.get(vhost, 0)
    }
    figures = {
        "queues_unacked": sum(queues.values()),
        "channels_unacked": sum(left.channels_unacked.values()),
    }
    if not orphaned:
        return judged(True, "every unacknowledged message has a channel that owns it", **figures)
    named = [
        f"{queue.vhost}:{queue.name}" for queue in left.queues if queue.vhost in orphaned and queue.unacked
    ]
    why = f"{sum(orphaned.values())} unacknowledged messages of {', '.join(named)} belong to no channel"
    return judged(False, why, **figures)
