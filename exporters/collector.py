"""The seam: a collector turns what it finds into metric families, one file each.

A collector lives in ``exporters/collectors/<name>.py`` and is found by that name; its module has a function
``collector(reach)`` that makes one. What it needs of the world is in `Reach`, what this scrape knows of the
broker in `Scrape`, which reads it once, and only if somebody asks.

Work that costs too much for every scrape, or that must go on between scrapes, is done in the background: a
collector with ``every_s`` above 0 is called by a thread of its own, and scrapes are told its last families.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Protocol

from prometheus_client.core import HistogramMetricFamily, Metric, Sample

import exporters.collectors as collectors_package
from exporters.broker import Broker, Node
from exporters.names import MetricName
from exporters.snapshot import Snapshot
from warren import siblings
from warren.connection import Credentials
from warren.errors import BadInputError


class Family(Metric):
    """Gauges or counters of one name. A sample is made when it is written out, and gone after that.

    The library keeps a dictionary of labels for each: 50 MiB at ten thousand queues, never read twice.
    """

    def __init__(self, metric: MetricName) -> None:
        kind = "counter" if metric.kind == "counter" else "gauge"
        self._sample, self.labels = metric.name, metric.labels
        self.rows: list[tuple[tuple[str, ...], float]] = []
        super().__init__(
            metric.name.removesuffix("_total") if kind == "counter" else metric.name, metric.help, kind
        )

    def add_metric(self, labels: Sequence[str], value: float) -> None:
        """Add one sample; ``labels`` are the values in the order of the metric's labels."""
        self.rows.append((tuple(labels), value))

    @property  # type: ignore[override]
    def samples(self) -> Iterator[Sample]:
        for labels, value in self.rows:
            yield Sample(self._sample, dict(zip(self.labels, labels, strict=True)), value)

    @samples.setter
    def samples(self, _none: object) -> None:
        """The library's constructor begins with none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Something that speaks TLS: ``name`` is its label, and ``host`` must be in its certificate."""

    name: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a collector may reach, and as whom. ``topology`` is the file that drift compares with, and
    ``vhosts`` are those that the canary flies in; ``timeout_s`` bounds one attempt of background work.
    ``listeners`` are those that certificates looks at besides the nodes', ``inter_node_ca`` is the authority
    of the nodes among themselves. ``faults`` is the file in which chaos says what is broken."""

    nodes: tuple[Node, ...]
    credentials: Credentials
    ca: Path
    timeout_s: float
    vhosts: tuple[str, ...] = ()
    topology: Path | None = None
    listeners: tuple[Listener, ...] = ()
    inter_node_ca: Path | None = None
    faults: Path | None = None


class Scrape:
    """One scrape: the broker is read when the first collector asks, and never twice."""

    def __init__(self, broker: Broker, deadline_s: float) -> None:
        self._broker, self._deadline_s = broker, deadline_s
        self._lock = Lock()
        self.read: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """What the broker says now; raises nothing: what could not be read is said in the snapshot."""
        with self._lock:
            if self.read is None:
                self.read = self._broker.snapshot(self._deadline_s)
            return self.read


class Collector(Protocol):
    """May keep state from call to call; calls come one at a time."""

    @property
    def every_s(self) -> float:
        """0: called in each scrape. Else called in the background, this many seconds after it last ended."""

    def collect(self, scrape: Scrape) -> Iterable[Metric]:
        """The families there are now; raises NotReadyError when what it needs is not to be had.

        In the background there is no scrape: one that has ``every_s`` must not ask it for a snapshot.
        """


def available() -> tuple[str, ...]:
    """Names of the collectors there are."""
    return siblings.files(collectors_package)


def refuse_unknown(names: Sequence[str]) -> None:
    """Raise BadInputError for the first of ``names`` that is no collector, naming those there are."""
    for name in names:
        if name not in available():
            raise BadInputError(
                "--collect", f"there is no collector '{name}'", f"one of {', '.join(available())}"
            )


def make(name: str, reach: Reach) -> Collector:
    """The collector called ``name``.

    Raises BadInputError when there is none, or when ``reach`` lacks what it needs.
    """
    refuse_unknown([name])
    made: Collector = siblings.module(collectors_package, name).collector(reach)
    return made


def family(metric: MetricName) -> Family:
    """An empty family for ``metric``."""
    return Family(metric)


def histogram(metric: MetricName) -> HistogramMetricFamily:
    """An empty family of histograms for ``metric``."""
    return HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)


def gauge(metric: MetricName, value: float) -> Metric:
    """A family of one sample without labels."""
    single = family(metric)
    single.add_metric([], value)
    return single
