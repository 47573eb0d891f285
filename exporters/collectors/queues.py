"""What the broker's metrics leave out of a queue: members, leader, limits and how full it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.core import Metric

from exporters import names
from exporters.collector import Reach, Scrape, family
from exporters.names import MetricName
from exporters.snapshot import QueueFacts
from warren.errors import NotReadyError

_FIGURES: tuple[tuple[MetricName, Callable[[QueueFacts], float | None]], ...] = (
    (names.MEMBERS, lambda queue: len(queue.members) or None),
    (names.ONLINE, lambda queue: len(queue.online) if queue.members else None),
    (names.CONSUMERS, lambda queue: queue.consumers),
    # Of other types the broker says 0, whatever their consumers do (seen on 4.3.6).
    (names.CAPACITY, lambda queue: queue.consumer_capacity if queue.type == "classic" else None),
    (names.DLX, lambda queue: queue.messages_dlx),
    (names.DELIVERY_LIMIT, lambda queue: queue.delivery_limit),
    (names.LENGTH_RATIO, lambda queue: queue.length_ratio),
    (names.BYTES_RATIO, lambda queue: queue.bytes_ratio),
)


class QueuesCollector:
    """Holds nothing between scrapes."""

    every_s = 0.0

    def collect(self, scrape: Scrape) -> Iterable[Metric]:
        """One sample per queue and figure that the management API gives; raises NotReadyError without it."""
        snapshot = scrape.snapshot()
        if snapshot.queues is None or not snapshot.fresh:
            raise NotReadyError("queues", "; ".join(snapshot.errors) or "the management API did not answer")
        for metric, figure in _FIGURES:
            filled = family(metric)
            for queue in snapshot.queues:
                value = figure(queue)
                if value is not None:
                    filled.add_metric(queue.key, value)
            yield filled
        leaders, states = family(names.LEADER), family(names.STATE)
        for queue in snapshot.queues:
            states.add_metric([*queue.key, queue.state], 1)
            if queue.leader is not None and (queue.leader in queue.online or not queue.members):
                leaders.add_metric([*queue.key, queue.leader], 1)
        yield from (leaders, states)


def collector(_reach: Reach) -> QueuesCollector:
    return QueuesCollector()
