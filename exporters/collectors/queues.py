"""What the broker's metrics leave out of a queue: members, leader, limits and how full it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.core import Metric

from exporters import names
from exporters.collector import Reach, Scrape, family
from exporters.names import MetricName
from exporters.queue_facts import QueueFacts
from exporters.snapshot import Snapshot
from warren.errors import NotReadyError

_FIGURES: tuple[tuple[MetricName, Callable[[QueueFacts], float | None]], ...] = (
    (names.MEMBERS, lambda queue: len(queue.members) or None),
    (names.ONLINE, lambda queue: len(queue.online) if queue.members else None),
    (names.CONSUMERS, lambda queue: queue.consumers),
    # Of other types the broker says 0, whatever their consumers do (seen on 4.3.6).
    (names.CAPACITY, lambda queue: queue.consumer_capacity if queue.type == "classic" else None),
    (names.UNDER_REPLICATED, lambda queue: float(queue.under_replicated) if queue.replicated else None),
    (names.DLX, lambda queue: queue.messages_dlx),
    (names.RETURNED, lambda queue: queue.messages_returned),
    (names.DELAYED, lambda queue: queue.messages_delayed),
    (names.NEXT_DELAYED, lambda queue: queue.next_delayed_at_s),
    (names.SINGLE_ACTIVE, lambda queue: None if queue.single_active is None else float(queue.single_active)),
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
        leaders, states, priorities = (
            family(each) for each in (names.LEADER, names.STATE, names.BY_PRIORITY)
        )
        for queue in snapshot.queues:
            states.add_metric((*queue.key, queue.state), 1)
            if queue.leader is not None and (queue.leader in queue.online or not queue.members):
                leaders.add_metric((*queue.key, queue.leader), 1)
            for priority, count in queue.messages_by_priority:
                priorities.add_metric((*queue.key, priority), count)
        yield from (leaders, states, priorities, _critical(snapshot))


def _critical(snapshot: Snapshot) -> Metric:
    """For every node, 0 too: only then does an alert on it end."""
    filled = family(names.CRITICAL)
    for node in snapshot.nodes:
        filled.add_metric([node], snapshot.critical.get(node, 0))
    return filled


def collector(_reach: Reach) -> QueuesCollector:
    return QueuesCollector()
