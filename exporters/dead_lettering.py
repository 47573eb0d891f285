"""Which queues dead-lettering may reach; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from exporters.queue_facts import QueueFacts, QueueKey

#: The keys of a binding that are read here.
BINDING_COLUMNS = ("vhost", "source", "destination", "destination_type")


def dead_letter_targets(
    queues: Iterable[QueueFacts], bindings: Iterable[Mapping[str, Any]]
) -> frozenset[QueueKey]:
    """Every queue that dead-lettering may reach by these bindings, whatever the key and the reason."""
    reached: set[QueueKey] = set()
    exchanges: set[tuple[str, str]] = set()
    for queue in queues:
        exchange = queue.limits.dead_letter_exchange
        if exchange == "":
            reached.add((queue.vhost, queue.limits.dead_letter_routing_key or queue.name))
        elif exchange is not None:
            exchanges.add((queue.vhost, exchange))
    return frozenset(reached | _reached(exchanges, bindings))


def _reached(exchanges: set[tuple[str, str]], bindings: Iterable[Mapping[str, Any]]) -> set[QueueKey]:
    """Queues behind any of ``exchanges`` (virtual host, name), through other exchanges too."""
    onward: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for binding in bindings:
        onward.setdefault((binding["vhost"], binding["source"]), []).append(binding)
    reached: set[QueueKey] = set()
    seen, ahead = set(exchanges), list(exchanges)
    while ahead:
        source = ahead.pop()
        for binding in onward.get(source, ()):
            target = (source[0], str(binding["destination"]))
            if binding["destination_type"] == "queue":
                reached.add(target)
            elif target not in seen:
                seen.add(target)
                ahead.append(target)
    return reached
