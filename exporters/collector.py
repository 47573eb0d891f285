"""The seam: a collector turns the snapshot of one scrape into metric families, one file each.

A collector lives in ``exporters/collectors/<name>.py`` and is found by that name; its module has a function
``collector()`` that makes one. It asks nobody and keeps no clock: what it needs is in the snapshot.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as PrometheusCollector

import exporters.collectors as collectors_package
from exporters import names
from exporters.broker import Broker
from exporters.names import MetricName
from exporters.snapshot import Snapshot
from warren.errors import BadInputError, NotReadyError

Family = GaugeMetricFamily | CounterMetricFamily


class Collector(Protocol):
    """Turns snapshots into families. May keep state from scrape to scrape; calls come one at a time."""

    def collect(self, snapshot: Snapshot) -> Iterable[Metric]:
        """The families of this scrape; raises NotReadyError when the snapshot lacks what it needs."""


def available() -> tuple[str, ...]:
    """Names of the collectors there are."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(collectors_package.__path__)))


def make(name: str) -> Collector:
    """The collector called ``name``; raises BadInputError naming those there are."""
    if name not in available():
        raise BadInputError(
            "--collect", f"there is no collector '{name}'", f"one of {', '.join(available())}"
        )
    module = importlib.import_module(f"{collectors_package.__name__}.{name}")
    made: Collector = module.collector()
    return made


def family(metric: MetricName) -> Family:
    """An empty family for ``metric``."""
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(metric.name, metric.help, labels=metric.labels)


def gauge(metric: MetricName, value: float) -> Metric:
    """A family of one sample without labels."""
    single = family(metric)
    single.add_metric([], value)
    return single


class Exporter:
    """All collectors over one broker. Scrapes are answered one at a time, since collectors keep state."""

    def __init__(self, broker: Broker, collectors: Sequence[tuple[str, Collector]]) -> None:
        self._broker = broker
        self._collectors = tuple(collectors)
        self._lock = Lock()

    def scrape(self, deadline_s: float) -> list[Metric]:
        """Read the broker and return every family; a collector that fails costs its own families only."""
        with self._lock:
            snapshot = self._broker.snapshot(deadline_s)
            families, up = [], family(names.COLLECTOR_UP)
            for name, collector in self._collectors:
                try:
                    families.extend(list(collector.collect(snapshot)))
                    up.add_metric([name], 1)
                except NotReadyError:
                    up.add_metric([name], 0)
        return [*_about(snapshot), up, *families]


class OneScrape(PrometheusCollector):
    """The families of a scrape already done, as prometheus_client's exposition wants them."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _about(snapshot: Snapshot) -> Iterable[Metric]:
    yield gauge(names.UP, float(bool(snapshot.counters) or snapshot.fresh))
    node_up = family(names.NODE_UP)
    for node in snapshot.nodes:
        node_up.add_metric([node], float(node in snapshot.counters))
    yield node_up
    yield gauge(names.SCRAPE_DURATION, snapshot.duration_s)
    if snapshot.queues is not None and snapshot.fresh:
        yield gauge(names.SCRAPED_QUEUES, len(snapshot.queues))
        yield gauge(names.LEFT_OUT, snapshot.left_out)
