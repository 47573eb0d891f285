"""What the broker itself counted: ``rabbitmq_global_messages_*`` of every node, read at both ends of a run.

They are kept per node since it started, for all virtual hosts together, and are current (no statistics
interval). Source: https://www.rabbitmq.com/docs/prometheus and deps/rabbit/src/rabbit_global_counters.erl.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from warren.errors import WarrenError

PREFIX = "rabbitmq_global_messages_"
#: Not of messages, but needed with them: connections that came, and those that are open, as current as the
#: others. What was opened less what was closed is no number of them: one that is broken off in its handshake,
#: as many are beside a frozen node, is counted as closed alone.
OPENED, OPEN = "connections_opened", "connections"
_CONNECTIONS = {"rabbitmq_connections_opened_total": OPENED, "rabbitmq_connections": OPEN}
_UPTIME = "rabbitmq_erlang_uptime_seconds"
#: One process's clock against another's, and the time that a scrape takes.
_RESTART_SLACK_S = 5.0

#: Deliveries over the stream protocol, which are counted by chunks and have no acknowledgement.
STREAMED = "delivered_over_streams"
_DELIVERED = f"{PREFIX}delivered_total"

#: Asks one node for the text of its ``/metrics``.
Ask = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One node at one moment: counts by name (labels summed, prefix and ``_total`` cut off)."""

    counts: Mapping[str, float]
    uptime_s: float
    at_s: float


#: Node -> its reading, or why there is none.
Readings = Mapping[str, Reading | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What all nodes counted between two readings, and why that may not be all (``gaps``, one a node)."""

    counts: Mapping[str, int]
    gaps: tuple[str, ...] = ()


def parse(text: str, *, at_s: float) -> Reading:
    """A node's page. Raises ValueError where it is none."""
    counts: dict[str, float] = {}
    uptime_s = 0.0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == _UPTIME:
                uptime_s = sample.value
            elif sample.name in _CONNECTIONS:
                name = _CONNECTIONS[sample.name]
                counts[name] = counts.get(name, 0.0) + sample.value
            elif sample.name.startswith(PREFIX) and sample.name.endswith("_total"):
                name = sample.name.removeprefix(PREFIX).removesuffix("_total")
                counts[name] = counts.get(name, 0.0) + sample.value
                if sample.name == _DELIVERED and sample.labels.get("protocol") == "stream":
                    counts[STREAMED] = counts.get(STREAMED, 0.0) + sample.value
    return Reading(counts=counts, uptime_s=uptime_s, at_s=at_s)


def read(nodes: Sequence[str], ask: Ask, now_s: Callable[[], float]) -> Readings:
    """Read every node; one that does not answer is told, not raised: a run may end while it is down."""
    found: dict[str, Reading | str] = {}
    for node in nodes:
        try:
            found[node] = parse(ask(node), at_s=now_s())
        except (WarrenError, ValueError) as error:
            found[node] = error.what if isinstance(error, WarrenError) else str(error)
    return found


def between(before: Readings, after: Readings) -> Counted:
    """The difference of two readings. A node that restarted or did not answer leaves a gap."""
    counts: dict[str, int] = {}
    gaps: list[str] = []
    for node, last in after.items():
        first = before.get(node, "was not asked")
        if isinstance(first, str) or isinstance(last, str):
            gaps.append(f"{node} did not answer: {first if isinstance(first, str) else last}")
            continue
        if last.uptime_s + _RESTART_SLACK_S < last.at_s - first.at_s + first.uptime_s:
            gaps.append(f"{node} restarted, and its counters began anew")
            first = Reading(counts={}, uptime_s=0.0, at_s=first.at_s)
        for name, value in last.counts.items():
            counts[name] = counts.get(name, 0) + round(value - first.counts.get(name, 0.0))
    return Counted(counts=counts, gaps=tuple(gaps))


def open_connections(readings: Readings) -> int:
    """How many clients were connected to the nodes that answered."""
    counts = [each.counts for each in readings.values() if isinstance(each, Reading)]
    return round(sum(each.get(OPEN, 0.0) for each in counts))
