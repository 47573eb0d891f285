"""Where a message goes: the broker's routing rules and policy merging over a topology, without a broker.

Used for the ledger's destinations, the topology's checks and the drift report.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from warren.topology import Binding, Policy, Queue, Vhost

#: Every vhost has it, and it knows each queue by its name: https://www.rabbitmq.com/docs/exchanges
DEFAULT_EXCHANGE = ""
#: Policy keys that are a queue argument with an ``x-`` in front. https://www.rabbitmq.com/docs/policies
_APPLIES = {
    "all": ("quorum", "classic", "stream"),
    "queues": ("quorum", "classic", "stream"),
    "classic_queues": ("classic",),
    "quorum_queues": ("quorum",),
    "streams": ("stream",),
    "exchanges": (),
}
#: Keys whose greater value wins between a policy and an operator policy; for other numbers the lesser one.
_GREATER_WINS = frozenset({"target-group-size"})


def topic_matches(pattern: str, routing_key: str) -> bool:
    """AMQP 0-9-1 topic matching: ``*`` is one word, ``#`` none or more; words are parted by dots."""
    return _words_match(_words(pattern), _words(routing_key))


def _words(key: str) -> list[str]:
    return key.split(".") if key else []


def _words_match(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    head, rest = pattern[0], pattern[1:]
    if head == "#":
        return any(_words_match(rest, words[index:]) for index in range(len(words) + 1))
    return bool(words) and head in ("*", words[0]) and _words_match(rest, words[1:])


def headers_match(arguments: Mapping[str, Any], headers: Mapping[str, Any]) -> bool:
    """Matching of the headers exchange; ``-with-x`` variants also regard keys that begin with ``x-``.

    https://www.rabbitmq.com/tutorials/amqp-concepts#exchange-headers
    """
    mode = str(arguments.get("x-match", "all"))
    wanted = {
        key: value
        for key, value in arguments.items()
        if key != "x-match" and (mode.endswith("-with-x") or not key.startswith("x-"))
    }
    results = [key in headers and (value is None or headers[key] == value) for key, value in wanted.items()]
    return any(results) if mode.startswith("any") else all(results)


def _follows(kind: str, binding: Binding, routing_key: str, headers: Mapping[str, Any]) -> bool:
    if kind == "fanout":
        return True
    if kind == "topic":
        return topic_matches(binding.routing_key, routing_key)
    if kind == "headers":
        return headers_match(binding.arguments, headers)
    return binding.routing_key == routing_key


def route(
    vhost: Vhost, exchange: str, routing_key: str, headers: Mapping[str, Any] | None = None
) -> frozenset[str]:
    """Names of the queues that a message published to ``exchange`` reaches; empty when it is unroutable.

    An exchange that follows no binding hands on to its alternate exchange, where its arguments name one
    (https://www.rabbitmq.com/docs/ae).
    """
    if exchange == DEFAULT_EXCHANGE:
        return frozenset(queue.name for queue in vhost.queues if queue.name == routing_key)
    exchanges = {each.name: each for each in vhost.exchanges}
    reached: set[str] = set()
    seen: set[str] = set()
    ahead = [exchange]
    while ahead:
        source = ahead.pop()
        if source in seen:
            continue
        seen.add(source)
        kind = exchanges[source].type if source in exchanges else "direct"
        followed = [
            binding
            for binding in vhost.bindings
            if binding.source == source and _follows(kind, binding, routing_key, headers or {})
        ]
        reached |= {each.destination for each in followed if each.destination_type == "queue"}
        ahead += [each.destination for each in followed if each.destination_type == "exchange"]
        alternate = exchanges[source].arguments.get("alternate-exchange") if source in exchanges else None
        if not followed and isinstance(alternate, str):
            ahead.append(alternate)
    return frozenset(reached)


def applies(policy: Policy, queue: Queue) -> bool:
    """Whether ``policy`` is for queues of this type and matches the queue's name."""
    return queue.type in _APPLIES[policy.apply_to] and re.search(policy.pattern, queue.name) is not None


def _matching(policies: tuple[Policy, ...], queue: Queue) -> Policy | None:
    fitting = [policy for policy in policies if applies(policy, queue)]
    return max(fitting, key=lambda policy: policy.priority, default=None)


def matching_policies(vhost: Vhost, queue: Queue) -> tuple[Policy | None, Policy | None]:
    """The policy and the operator policy that the broker would apply: the one of greatest priority each."""
    return _matching(vhost.policies, queue), _matching(vhost.operator_policies, queue)


def effective(vhost: Vhost, queue: Queue) -> dict[str, Any]:
    """What holds for ``queue``: arguments (without ``x-``) over policy, bounded by the operator policy.

    https://www.rabbitmq.com/docs/policies#operator-policies: of two numbers the lesser holds, of
    ``target-group-size`` the greater.
    """
    policy, guard = matching_policies(vhost, queue)
    merged: dict[str, Any] = dict(policy.definition) if policy else {}
    for key, value in queue.arguments.items():
        name = key.removeprefix("x-")
        both = isinstance(value, (int, float)) and isinstance(merged.get(name), (int, float))
        merged[name] = min(value, merged[name]) if both else value
    for key, value in (guard.definition if guard else {}).items():
        if key in merged and isinstance(value, (int, float)):
            merged[key] = max(merged[key], value) if key in _GREATER_WINS else min(merged[key], value)
        else:
            merged[key] = value
    return merged


def dead_letter_targets(vhost: Vhost, queue: Queue) -> Iterator[Queue]:
    """Every queue that a message dead-lettered by ``queue`` may reach, whatever its key and reason."""
    settings = effective(vhost, queue)
    exchange = settings.get("dead-letter-exchange")
    if exchange is None:
        return
    if exchange == DEFAULT_EXCHANGE:  # the key is the name of a queue
        key = settings.get("dead-letter-routing-key")
        yield from (each for each in vhost.queues if each.name == key)
        return
    ahead, seen = [exchange], set()
    names: set[str] = set()
    while ahead:
        source = ahead.pop()
        seen.add(source)
        for binding in vhost.bindings:
            if binding.source != source:
                continue
            if binding.destination_type == "queue":
                names.add(binding.destination)
            elif binding.destination not in seen:
                ahead.append(binding.destination)
    yield from (each for each in vhost.queues if each.name in names)
