"""Where a dead-lettered message came from, and how to publish it back there. Pure.

By default a message goes back the way it came, exchange and key, where that leads to the queue that it died
in and to no other; a retry ladder then begins at its first rung. Where it would reach other queues too (a
fanout), they would get it a second time: it goes to its own queue through the default exchange.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from warren import routing
from warren.management import QueueInfo
from warren.queues.message import Death, Message
from warren.topology import Binding, Exchange, Queue, Vhost

Way = Literal["origin", "exchange", "queue", "last"]
WAYS: tuple[Way, ...] = ("origin", "exchange", "queue", "last")
#: Exchange types whose routing is known here.
_KNOWN = frozenset({"direct", "fanout", "topic", "headers"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to publish: ``keys`` beside the first go into the header CC. ``queues`` are those it will reach,
    as far as is known."""

    exchange: str
    keys: tuple[str, ...]
    queues: tuple[str, ...]

    def __str__(self) -> str:
        if self.exchange == routing.DEFAULT_EXCHANGE:
            return self.keys[0]
        return f"{self.exchange} ({', '.join(self.keys)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """Why a message is left where it is."""

    why: str


def view(
    name: str,
    exchanges: Iterable[Mapping[str, Any]],
    queues: Iterable[QueueInfo],
    bindings: Iterable[Mapping[str, Any]],
) -> Vhost:
    """A virtual host as it is now, of the rows of the management API, as `warren.routing` reads it.

    Each queue's arguments are what holds for it: policies are already in them.
    """
    return Vhost(
        name=name,
        description="",
        default_queue_type="quorum",
        protected=False,
        limits={},
        exchanges=tuple(
            Exchange(
                name=row["name"],
                type=row["type"],
                durable=bool(row.get("durable")),
                internal=bool(row.get("internal")),
                arguments=dict(row.get("arguments") or {}),
            )
            for row in exchanges
        ),
        queues=tuple(_queue(each) for each in queues),
        bindings=tuple(
            Binding(
                source=row["source"],
                destination=row["destination"],
                destination_type="queue" if row["destination_type"] == "queue" else "exchange",
                routing_key=row.get("routing_key", ""),
                arguments=dict(row.get("arguments") or {}),
            )
            for row in bindings
            if row["source"] != routing.DEFAULT_EXCHANGE
        ),
        policies=(),
        operator_policies=(),
        permissions=(),
        topic_permissions=(),
    )


def _queue(info: QueueInfo) -> Queue:
    policy = {f"x-{key}": value for key, value in info.effective_policy.items()}
    return Queue(
        name=info.name,
        type=info.type,
        durable=info.durable,
        arguments={**policy, **info.arguments},
        objective=None,
    )


def target(
    message: Message, headers: Mapping[str, Any], vhost: Vhost, way: Way, queue: str = ""
) -> Target | Stay:
    """Where ``message`` goes with the ``headers`` that it will have, or why it stays. ``queue`` names one
    queue for all of them; it takes precedence over ``way``."""
    if queue:
        return _straight(vhost, queue)
    first, last = message.first_death, message.last_death
    if first is None or last is None:
        return Stay(why="has no death on record: say where to with --to-queue")
    if way in ("queue", "last"):
        return _straight(vhost, (first if way == "queue" else last).queue)
    there = _same_way(first, headers, vhost)
    if way == "exchange" or (isinstance(there, Target) and there.queues == (first.queue,)):
        return there
    straight = _straight(vhost, first.queue)
    if isinstance(straight, Stay) or _dies_well(vhost, first.queue):
        return straight
    return Stay(
        why=f"goes to other queues too by its exchange, and straight to {first.queue} it could not be "
        "dead-lettered again: choose by --to"
    )


def _straight(vhost: Vhost, queue: str) -> Target | Stay:
    if all(each.name != queue for each in vhost.queues):
        return Stay(why=f"its queue {queue} is gone: say where to with --to-queue")
    return Target(exchange=routing.DEFAULT_EXCHANGE, keys=(queue,), queues=(queue,))


def _same_way(first: Death, headers: Mapping[str, Any], vhost: Vhost) -> Target | Stay:
    if not first.keys:
        return Stay(why="has no routing key on record: say where to with --to-queue")
    if first.exchange == routing.DEFAULT_EXCHANGE:
        reached = set().union(*(routing.route(vhost, "", key) for key in first.keys))
        return _target(first, reached)
    exchanges = {each.name: each for each in vhost.exchanges}
    if first.exchange not in exchanges:
        return Stay(why=f"its exchange {first.exchange} is gone: say where to with --to-queue")
    if exchanges[first.exchange].internal:
        return Stay(why=f"its exchange {first.exchange} is internal: say where to with --to-queue")
    if any(exchanges[name].type not in _KNOWN for name in _reachable(vhost, first.exchange) & set(exchanges)):
        return Target(exchange=first.exchange, keys=first.keys, queues=())
    reached = set().union(*(routing.route(vhost, first.exchange, key, headers) for key in first.keys))
    return _target(first, reached)


def _target(first: Death, reached: set[str]) -> Target | Stay:
    if not reached:
        return Stay(why=f"reaches no queue by exchange {first.exchange or '(default)'} any more")
    return Target(exchange=first.exchange, keys=first.keys, queues=tuple(sorted(reached)))


def _reachable(vhost: Vhost, exchange: str) -> set[str]:
    seen, ahead = {exchange}, [exchange]
    while ahead:
        source = ahead.pop()
        for each in vhost.bindings:
            if each.source == source and each.destination_type == "exchange" and each.destination not in seen:
                seen.add(each.destination)
                ahead.append(each.destination)
    return seen


def _dies_well(vhost: Vhost, name: str) -> bool:
    """Whether a message that reached queue ``name`` by the queue's own name is routed when it is rejected
    again: dead-lettered without a key of its own it keeps that name as its key."""
    queue = vhost.queue(name)
    settings = routing.effective(vhost, queue)
    exchange, key = settings.get("dead-letter-exchange"), settings.get("dead-letter-routing-key")
    if exchange is None:
        return True
    died = {"x-last-death-reason": "rejected", "x-last-death-queue": name, "x-first-death-queue": name}
    return bool(routing.route(vhost, str(exchange), str(key if key is not None else name), died))
