"""Settings in the broker's own terms (arguments, policies, limits): types, ranges and traps, told before the
broker is asked. Each check yields (key path, reason, remedy).

https://www.rabbitmq.com/docs/policies, https://www.rabbitmq.com/docs/queues#optional-arguments and
https://www.rabbitmq.com/docs/vhosts#limits
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from warren import bounded, routing
from warren.topology import Policy, Queue, Vhost

Fault = tuple[str, str, str]

#: Setting -> least value. As a queue argument each has ``x-`` in front.
_NUMBERS = {
    "message-ttl": 0,
    "expires": 1,
    "max-length": 0,
    "max-length-bytes": 0,
    "delivery-limit": -1,
    "target-group-size": 1,
    "max-priority": 1,
    "consumer-timeout": 1,
    "quorum-initial-group-size": 1,
    "quorum-target-group-size": 1,
    "initial-cluster-size": 1,
}
#: Setting -> the words that it takes; none listed: any text.
_TEXTS: Mapping[str, tuple[str, ...]] = {
    "overflow": ("drop-head", "reject-publish", "reject-publish-dlx"),
    "dead-letter-strategy": ("at-most-once", "at-least-once"),
    "queue-leader-locator": ("balanced", "client-local"),
    "dead-letter-exchange": (),
    "dead-letter-routing-key": (),
    "alternate-exchange": (),
    "max-age": (),
}
#: Setting -> the series that has it first. An older broker refuses it as an argument, and takes it in silence
#: or refuses it in a policy: https://www.rabbitmq.com/docs/quorum-queues#delayed-retry
_SINCE: Mapping[str, tuple[int, int]] = {
    "delayed-retry-type": (4, 3),
    "delayed-retry-min": (4, 3),
    "delayed-retry-max": (4, 3),
    "consumer-disconnected-timeout": (4, 3),
}
_LIMITS = ("max-connections", "max-queues")


def faults(path: str, vhost: Vhost) -> Iterator[Fault]:
    """Every fault in the settings of ``vhost``; ``path`` is its key path."""
    yield from _limits(f"{path}.limits", vhost.limits)
    for queue in vhost.queues:
        yield from _queue(f"{path}.queues[{queue.name}]", queue)
    for exchange in vhost.exchanges:
        yield from settings(f"{path}.exchanges[{exchange.name}].arguments", exchange.arguments)
    for kind, policies in (("policies", vhost.policies), ("operator_policies", vhost.operator_policies)):
        for policy in policies:
            yield from settings(f"{path}.{kind}[{policy.name}].definition", policy.definition)
            if not policy.definition:
                yield f"{path}.{kind}[{policy.name}].definition", "sets nothing", "drop the policy"
        yield from _ties(f"{path}.{kind}", vhost, policies)


def too_new(path: str, vhost: Vhost, series: tuple[int, int]) -> Iterator[Fault]:
    """Settings of ``vhost`` that a broker of ``series`` (major, minor) does not have yet."""
    tables = {f"queues[{each.name}].arguments": each.arguments for each in vhost.queues}
    for kind, policies in (("policies", vhost.policies), ("operator_policies", vhost.operator_policies)):
        tables |= {f"{kind}[{each.name}].definition": each.definition for each in policies}
    for where, table in tables.items():
        for key in table:
            since = _SINCE.get(key.removeprefix("x-"), series)
            if since > series:
                have = ".".join(map(str, series))
                what = f"came with RabbitMQ {'.'.join(map(str, since))}, and the broker is {have}"
                yield f"{path}.{where}.{key}", what, "leave it out, or take a later broker"


def settings(path: str, table: Mapping[str, Any]) -> Iterator[Fault]:
    """Known settings of ``table`` that have a value which the broker would refuse."""
    for key, value in table.items():
        name = key.removeprefix("x-")
        if name in _NUMBERS:
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or value < _NUMBERS[name]:
                what = f"must be a whole number of at least {_NUMBERS[name]}, not {value!r}"
                yield (
                    f"{path}.{key}",
                    what,
                    "give it in messages, bytes or milliseconds, as the setting has it",
                )
        elif name in _TEXTS:
            words = _TEXTS[name]
            if not isinstance(value, str):
                yield f"{path}.{key}", f"must be text, not {value!r}", "put it in quotes"
            elif words and value not in words:
                yield f"{path}.{key}", f"'{value}' is not known", f"choose one of {', '.join(words)}"


def compile_fault(pattern: str) -> str:
    """Why ``pattern`` is no regular expression, or nothing."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return ""


def slow(path: str, vhost: Vhost) -> Iterator[Fault]:
    """Patterns of policies that go back and forth over a name for seconds. The broker's own matcher gives up
    at a bound, and the policy holds for nobody: match_limit in https://www.erlang.org/doc/apps/stdlib/re.html
    """
    names = [*(each.name for each in vhost.queues), *(each.name for each in vhost.exchanges)]
    for kind, policies in (("policies", vhost.policies), ("operator_policies", vhost.operator_policies)):
        for policy in policies:
            if not compile_fault(policy.pattern) and bounded.is_slow(policy.pattern, names):
                pattern = bounded.short(policy.pattern)
                what = f"{pattern} takes seconds to be held against the names in this vhost"
                remedy = "write it without a repetition inside a repetition"
                yield f"{path}.{kind}[{policy.name}].pattern", what, remedy


def _limits(path: str, limits: Mapping[str, Any]) -> Iterator[Fault]:
    for name, value in limits.items():
        if name not in _LIMITS:
            yield f"{path}.{name}", "unknown limit", f"known: {', '.join(_LIMITS)}"
        elif not isinstance(value, int) or isinstance(value, bool) or value < 0:
            yield f"{path}.{name}", f"must be a whole number of at least 0, not {value!r}", "give a count"


def _queue(path: str, queue: Queue) -> Iterator[Fault]:
    yield from settings(f"{path}.arguments", queue.arguments)
    if "x-queue-type" in queue.arguments:
        yield f"{path}.arguments.x-queue-type", "the type has a key of its own", f"write type: {queue.type}"
    if not queue.durable:
        yield f"{path}.durable", "transient queues that clients share are gone from RabbitMQ", "drop the key"


def _ties(path: str, vhost: Vhost, policies: tuple[Policy, ...]) -> Iterator[Fault]:
    """Of two policies of the same priority that match one queue, either may hold: the broker does not say."""
    if any(compile_fault(policy.pattern) for policy in policies):
        return  # told at the pattern
    told: set[tuple[str, ...]] = set()
    for queue in vhost.queues:
        by_priority: dict[int, list[str]] = defaultdict(list)
        for policy in policies:
            if routing.applies(policy, queue):
                by_priority[policy.priority].append(policy.name)
        names = tuple(by_priority[max(by_priority)]) if by_priority else ()
        if len(names) > 1 and names not in told:
            told.add(names)
            what = f"{' and '.join(names)} both match queue '{queue.name}' at the same priority"
            yield f"{path}[{names[1]}].priority", what, "give one of them a higher priority"
