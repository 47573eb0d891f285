"""What the nodes count by queue, out of the text of ``/metrics/detailed``; pure.

https://www.rabbitmq.com/docs/prometheus
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.parser import text_string_to_metric_families

from exporters.queue_facts import QueueKey

#: A counter or gauge by queue.
ByQueue = Mapping[QueueKey, float]
#: What came into each queue by each exchange.
Published = Mapping[QueueKey, Mapping[str, float]]

#: Families of ``/metrics/detailed`` that are read, by request. While a node is frozen and not yet held for
#: down the broker takes ten seconds for lengths, on every node; for rates it does not (seen on 4.3.6).
LENGTHS = ("queue_coarse_metrics",)
RATES = ("queue_delivery_metrics", "queue_exchange_metrics")
_PREFIX = "rabbitmq_detailed_"
READY = "queue_messages_ready"
UNACKED = "queue_messages_unacked"
PUBLISHED = "queue_exchange_messages_published_total"
ACKED = "queue_messages_acked_total"
DELIVERED_ACK = "queue_messages_delivered_ack_total"
DELIVERED_AUTO = "queue_messages_delivered_total"
GOT_ACK = "queue_get_ack_total"
GOT_AUTO = "queue_get_total"
_TAKEN = frozenset({READY, UNACKED, ACKED, DELIVERED_ACK, DELIVERED_AUTO, GOT_ACK, GOT_AUTO})
_TAKEN_LINES = tuple(f"{_PREFIX}{name}{{" for name in sorted(_TAKEN))
_PUBLISHED_LINE = f"{_PREFIX}{PUBLISHED}{{"
_NAME = r'"([^"\\]*)"'
_LINE = re.compile(rf"{_PREFIX}({'|'.join(sorted(_TAKEN))})\{{vhost={_NAME},queue={_NAME}\}} (\S+)")
_BY_EXCHANGE = re.compile(rf"{_PREFIX}{PUBLISHED}\{{vhost={_NAME},exchange={_NAME},queue={_NAME}\}} (\S+)")


def read_counters(text: str) -> dict[str, dict[QueueKey, float]]:
    """The text of one node's ``/metrics/detailed``: metric → queue → value, of what is counted by queue.

    At ten thousand queues this is a hundred thousand lines, for which the library's parser takes two seconds.
    The broker writes the labels of a queue in one order; a line that is otherwise, or whose names hold an
    escaped character, is left to the library.
    """
    taken: dict[str, dict[QueueKey, float]] = {name: {} for name in _TAKEN}
    keys: dict[QueueKey, QueueKey] = {}
    others: list[str] = []
    for line in text.split("\n"):
        found = _LINE.fullmatch(line)
        if found is not None:
            name, vhost, queue, value = found.groups()
            key = (vhost, queue)
            _add(taken[name], keys.setdefault(key, key), float(value))
        elif line.startswith(_TAKEN_LINES):
            others.append(line)
    for name, labels, number in _by_the_library(others):
        if "queue" in labels:
            _add(taken[name], (labels.get("vhost", ""), labels["queue"]), number)
    return taken


def read_published(text: str) -> dict[QueueKey, dict[str, float]]:
    """From the same text, queue → exchange → messages routed by it; for each apart, since the counters of an
    exchange that is deleted go, and those of others stay (``rabbit_core_metrics_gc``)."""
    taken: dict[QueueKey, dict[str, float]] = {}
    others: list[str] = []
    for line in text.split("\n"):
        if not line.startswith(_PUBLISHED_LINE):
            continue
        found = _BY_EXCHANGE.fullmatch(line)
        if found is None:
            others.append(line)
            continue
        vhost, exchange, queue, value = found.groups()
        taken.setdefault((vhost, queue), {})[exchange] = float(value)
    for _, labels, number in _by_the_library(others):
        if "queue" in labels:
            key = (labels.get("vhost", ""), labels["queue"])
            taken.setdefault(key, {})[labels.get("exchange", "")] = number
    return taken


def _by_the_library(lines: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str], float]]:
    """Name without prefix, labels and value of each sample."""
    for family in text_string_to_metric_families("".join(f"{line}\n" for line in lines)):
        for sample in family.samples:
            yield sample.name.removeprefix(_PREFIX), sample.labels, sample.value


def _add(by_queue: dict[QueueKey, float], key: QueueKey, value: float) -> None:
    by_queue[key] = by_queue.get(key, 0.0) + value
