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


def _long_ones(families: Sequence[Metric]) -> Iterator[bytes]:
    written: dict[tuple[str, ...], dict[Sequence[str], str]] = {}
    for family in families:
        if isinstance(family, Family) and _is_long(family):
            yield "".join(_lines(family, written.setdefault(family.labels, {}))).encode()


def _lines(family: Family, written: dict[Sequence[str], str]) -> Iterator[str]:
    """``written`` keeps the labels of each queue, which come again in the next family."""
    name = family.name
    yield f"# HELP {name} {family.documentation}\n# TYPE {name} gauge\n"
    for row, value in family.rows:
        values = tuple(row)
        labels = written.get(values)
        if labels is None:
            labels = written[values] = _labels(family.labels, values)
        yield f"{name}{{{labels}}} {_number(value)}\n"


def _labels(keys: Sequence[str], values: Sequence[str]) -> str:
    return ",".join(f'{key}="{value.translate(_ESCAPES)}"' for key, value in zip(keys, values, strict=True))


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
