"""Families as text. Long ones are written here, all others by prometheus_client.

The library sorts and escapes the labels of each sample anew: 0.9 s for the 160,000 of ten thousand queues,
against 0.1 s here, where the labels of a queue are written once for all its families. The two formats that
Prometheus asks for write a gauge alike (https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector as PrometheusCollector

from exporters.collector import Family

#: From here on a family is long.
_LONG = 100
_END = b"# EOF\n"
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class OneScrape(PrometheusCollector):
    """The families of a scrape already done, as prometheus_client's exposition wants them."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def encode(families: Sequence[Metric], accept: str) -> tuple[list[bytes], str]:
    """The body, in parts, and its content type, for a client that sent ``accept``."""
    library, content_type = choose_encoder(accept)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(OneScrape([each for each in families if not _is_long(each)]))
    body = library(registry)
    end = _END if body.endswith(_END) else b""
    return [body.removesuffix(end), *_long_ones(families), end], content_type


def _is_long(family: Metric) -> bool:
    return isinstance(family, Family) and family.type == "gauge" and len(family.rows) >= _LONG


class _Labels(dict[tuple[str, ...], str]):
    """Values of labels as they are written. Each is written once, for all families that have them: those of
    two keys begin those of three."""

    def __init__(self, keys: tuple[str, ...], fewer: dict[tuple[str, ...], _Labels]) -> None:
        super().__init__({(): ""})
        self._key = keys[-1] if keys else ""
        self._before = _labels(keys[:-1], fewer) if keys else self
        self._comma = "," if len(keys) > 1 else ""

    def __missing__(self, values: tuple[str, ...]) -> str:
        if not self._key or not values:
            raise ValueError("a sample and its family differ in how many labels they have")
        before, value = self._before[values[:-1]], values[-1].translate(_ESCAPES)
        written = self[values] = f'{before}{self._comma}{self._key}="{value}"'
        return written


class _Numbers(dict[float, str]):
    """Most are 0 or 1, and all that come again are written once."""

    def __missing__(self, value: float) -> str:
        written = self[value] = _number(value)
        return written


def _labels(keys: tuple[str, ...], known: dict[tuple[str, ...], _Labels]) -> _Labels:
    if keys not in known:
        known[keys] = _Labels(keys, known)
    return known[keys]


def _long_ones(families: Sequence[Metric]) -> Iterator[bytes]:
    known: dict[tuple[str, ...], _Labels] = {}
    numbers = _Numbers()
    for family in families:
        if isinstance(family, Family) and _is_long(family):
            name, labels = family.name, _labels(family.labels, known)
            lines = [f"{name}{{{labels[row]}}} {numbers[value]}\n" for row, value in family.rows]
            head = f"# HELP {name} {family.documentation}\n# TYPE {name} gauge\n"
            yield (head + "".join(lines)).encode()


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
