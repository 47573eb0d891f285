"""A run's figures for Prometheus, over HTTPS to holders of a certificate of the scrape authority only."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from loadgen import names
from loadgen.collect import Totals
from loadgen.histogram import Counts, cumulative, total_s


class LoadCollector(Collector):
    """Turns the coordinator's totals into metrics at each scrape."""

    def __init__(self, totals: Totals, *, profile: str, run_id: str) -> None:
        self._totals = totals
        self._labels = [profile, run_id]

    def collect(self) -> Iterator[Metric]:
        totals = self._totals
        for name, (key, text) in names.COUNTERS.items():
            counter = CounterMetricFamily(name.removesuffix("_total"), text, labels=names.LABELS)
            counter.add_metric(self._labels, totals.counts.get(key, 0))
            yield counter
        cpu = CounterMetricFamily(
            names.CLIENT_CPU.removesuffix("_total"), names.CPU_HELP, labels=names.LABELS
        )
        cpu.add_metric(self._labels, totals.cpu_s)
        yield cpu
        in_flight = GaugeMetricFamily(names.IN_FLIGHT, names.GAUGES[names.IN_FLIGHT], labels=names.LABELS)
        in_flight.add_metric(self._labels, sum(totals.in_flight.values()))
        yield in_flight
        for name, (key, text) in names.HISTOGRAMS.items():
            counts = totals.end_to_end() if key == "end_to_end" else totals.histograms.get(key, {})
            yield self._histogram(name, text, dict(counts))

    def _histogram(self, name: str, text: str, counts: Counts) -> Metric:
        buckets = [
            (str(bound), float(count))
            for bound, count in zip(names.BUCKETS_S, cumulative(counts, names.BUCKETS_S), strict=True)
        ]
        buckets.append(("+Inf", float(sum(counts.values()))))
        family = HistogramMetricFamily(name, text, labels=names.LABELS)
        family.add_metric(self._labels, buckets, total_s(counts))
        return family


@contextmanager
def serve(collector: Collector, *, port: int, tls: Mapping[str, str]) -> Iterator[None]:
    """Serve ``collector`` on ``port`` while the context lasts.

    ``tls`` holds PEM text: ``certificate``, ``key`` and ``client_ca``, by which clients must show who
    they are. The files that the server wants are in a private folder until they have been read.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    with tempfile.TemporaryDirectory(prefix="warren-load-") as folder:
        paths = {name: _write(Path(folder), name, text) for name, text in tls.items()}
        server, thread = start_http_server(
            port,
            registry=registry,
            certfile=paths["certificate"],
            keyfile=paths["key"],
            client_cafile=paths["client_ca"],
            client_auth_required=True,
        )
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=2)


def _write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return str(path)
