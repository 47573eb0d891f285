"""Consumer lag per queue: depth, drain time, and the age of the oldest message off the curve of arrivals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.core import Metric

from exporters import detailed, names
from exporters.arrival_curve import Age, QueueArrivals, Reading
from exporters.collector import Family, Reach, Scrape, family
from exporters.detailed import ByQueue
from exporters.queue_facts import QueueFacts, QueueKey
from exporters.snapshot import Snapshot
from warren.errors import NotReadyError

#: A queue that is not seen for this long is forgotten with its curve; elections take seconds.
_FORGET_S = 600.0
#: A queue that nobody published to on a node. One for all, never changed.
_NONE: Mapping[str, float] = {}
#: From here on a queue may refuse publishes, or drop messages, between two refreshes of its length.
_NEARLY_FULL = 0.95


class LagCollector:
    """Keeps one pair of curves per queue from scrape to scrape; nothing is sampled in between.

    Goes on while the management API is silent: of queues it needs only what seldom changes.
    """

    every_s = 0.0

    def __init__(self) -> None:
        self._queues: dict[QueueKey, QueueArrivals] = {}
        self._seen_s: dict[QueueKey, float] = {}

    def collect(self, scrape: Scrape) -> Iterable[Metric]:
        """Families of every queue of which a leader's figures were read; raises NotReadyError without
        any node's counters or without the list of queues."""
        read = scrape.snapshot()
        if read.queues is None or not read.counters:
            raise NotReadyError("lag", "; ".join(read.errors) or "nothing was read")
        families = {
            metric: family(metric)
            for metric in (
                names.AGE,
                names.AGE_AT_LEAST,
                names.DRAIN,
                names.READY,
                names.UNACKED,
                names.ARRIVALS_SOURCE,
            )
        }
        counted = Counted(read)
        for facts in read.queues:
            reading = counted.of(facts)
            if reading is not None and facts.type != "stream":
                self._one(facts.key, reading, read.at_s, families)
        self._forget(read.at_s)
        return families.values()

    def _one(
        self, key: QueueKey, reading: Reading, at_s: float, families: Mapping[names.MetricName, Family]
    ) -> None:
        arrivals = self._queues.get(key)
        if arrivals is None:
            arrivals = self._queues[key] = QueueArrivals()
        self._seen_s[key] = at_s
        age: Age = arrivals.record(at_s, reading)
        families[names.READY].add_metric(key, reading.ready)
        families[names.UNACKED].add_metric(key, reading.unacked)
        families[names.ARRIVALS_SOURCE].add_metric((*key, age.source.value), 1)
        for metric, value in (
            (names.AGE, age.age_s),
            (names.AGE_AT_LEAST, age.at_least_s),
            (names.DRAIN, arrivals.drain_s()),
        ):
            if value is not None:
                families[metric].add_metric(key, value)

    def _forget(self, at_s: float) -> None:
        for key in [key for key, seen in self._seen_s.items() if at_s - seen > _FORGET_S]:
            del self._seen_s[key], self._queues[key]


class Counted:
    """What a scrape counted, added up by node and queue once, and not for each queue anew."""

    def __init__(self, read: Snapshot) -> None:
        self._read = read
        self._acked = _added(read, detailed.ACKED, detailed.DELIVERED_AUTO, detailed.GOT_AUTO)
        self._delivered = _added(
            read, detailed.DELIVERED_ACK, detailed.DELIVERED_AUTO, detailed.GOT_ACK, detailed.GOT_AUTO
        )

    def of(self, facts: QueueFacts) -> Reading | None:
        """What the estimator needs of one queue; None where no node says how long it is.

        Ready and unacknowledged come from the leader's node. After a change of leader the old one may show
        its last figures for a moment, so without a known leader the greatest are taken.
        """
        key = facts.key
        ready, unacked = self._of_leader(facts, detailed.READY), self._of_leader(facts, detailed.UNACKED)
        if ready is None or unacked is None:
            return None
        full = max(facts.length_ratio or 0.0, facts.bytes_ratio or 0.0) >= _NEARLY_FULL
        return Reading(
            ready=ready,
            unacked=unacked,
            published={node: published.get(key, _NONE) for node, published in self._read.published.items()},
            acked={node: counted.get(key, 0.0) for node, counted in self._acked.items()},
            delivered={node: counted.get(key, 0.0) for node, counted in self._delivered.items()},
            unseen_arrivals=key in self._read.dead_letter_targets,
            unseen_departures=facts.limits.message_ttl_ms is not None or (full and not facts.limits.refuses),
            refusing=full and facts.limits.refuses,
        )

    def _of_leader(self, facts: QueueFacts, name: str) -> float | None:
        counters, key = self._read.counters, facts.key
        led = counters.get(facts.leader) if facts.leader is not None else None
        if led is not None and (value := led[name].get(key)) is not None:
            return value
        return max((each[name][key] for each in counters.values() if key in each[name]), default=None)


def _added(read: Snapshot, *which: str) -> dict[str, ByQueue]:
    added: dict[str, ByQueue] = {}
    for node, metrics in read.counters.items():
        total: dict[QueueKey, float] = {}
        for name in which:
            for key, value in metrics[name].items():
                total[key] = total.get(key, 0.0) + value
        added[node] = total
    return added


def collector(_reach: Reach) -> LagCollector:
    return LagCollector()
