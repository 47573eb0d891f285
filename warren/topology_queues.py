"""What must hold of a queue and of where it dead-letters to; each check yields (key path, reason, remedy)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from warren import routing
from warren.topology import Queue, Vhost

Fault = tuple[str, str, str]

#: A failed queue must hold this many times what all its sources may hold together: an at-least-once
#: dead-letter into a full queue stops its source without a word.
FAILED_QUEUE_FACTOR = 10


def faults(path: str, vhost: Vhost) -> Iterator[Fault]:
    """Every fault of the queues of ``vhost``; ``path`` is its key path. Settings are checked before."""
    try:
        sources = _dead_letter_sources(vhost)
    except (re.error, OverflowError, RecursionError):
        sources = None  # told at the policy
    names = frozenset(queue.name for queue in vhost.queues)
    for queue in vhost.queues:
        place = f"{path}.queues[{queue.name}]"
        yield from _arguments(place, queue)
        if sources is not None:
            yield from _dead_letters(place, vhost, queue, names, sources[queue.name])


def _dead_letter_sources(vhost: Vhost) -> defaultdict[str, list[Queue]]:
    """By a queue's name, the other queues that dead-letter into it. What leads where is looked up once for
    each exchange: vhosts have thousands of queues, and few exchanges for dead letters."""
    found: defaultdict[str, list[Queue]] = defaultdict(list)
    reached: dict[tuple[str, str], tuple[str, ...]] = {}
    for source in vhost.queues:
        settings = routing.effective(vhost, source)
        exchange = settings.get("dead-letter-exchange")
        if exchange is None:
            continue
        key = settings.get("dead-letter-routing-key") if exchange == routing.DEFAULT_EXCHANGE else None
        way = str(exchange), str(key)
        if way not in reached:
            reached[way] = tuple(each.name for each in routing.dead_letter_targets(vhost, source))
        for name in reached[way]:
            if name != source.name:
                found[name].append(source)
    return found


def _arguments(path: str, queue: Queue) -> Iterator[Fault]:
    for key in queue.arguments:
        if not key.startswith("x-"):
            yield f"{path}.arguments.{key}", "queue arguments begin with x-", f"write x-{key}"
    if "x-dead-letter-routing-key" in queue.arguments and "x-dead-letter-exchange" not in queue.arguments:
        yield (
            f"{path}.arguments.x-dead-letter-routing-key",
            "the broker refuses this argument without x-dead-letter-exchange beside it, policy or not",
            "add x-dead-letter-exchange to the arguments",
        )


def _dead_letters(
    path: str, vhost: Vhost, queue: Queue, names: Collection[str], sources: list[Queue]
) -> Iterator[Fault]:
    """``names`` are those of all queues of ``vhost``, ``sources`` those that dead-letter into this one."""
    settings = routing.effective(vhost, queue)
    exchange, name = settings.get("dead-letter-exchange"), settings.get("dead-letter-routing-key")
    if exchange == routing.DEFAULT_EXCHANGE:
        if name is not None and name not in names:
            yield (
                path,
                f"dead-letters by name, and there is no queue '{name}' in this vhost",
                those_known(names),
            )
            return
    elif exchange is not None and exchange not in {each.name for each in vhost.exchanges}:
        known = those_known(each.name for each in vhost.exchanges)
        yield path, f"dead-letters into exchange '{exchange}', which is not in this vhost", known
        return
    if (
        settings.get("dead-letter-strategy") == "at-least-once"
        and settings.get("overflow") != "reject-publish"
    ):
        yield (
            path,
            "without overflow: reject-publish, at-least-once dead-lettering silently is at-most-once",
            "set overflow: reject-publish in its policy",
        )
    if sources and exchange is None:
        yield from _failed_queue_holds_enough(path, vhost, queue, sources)


def _failed_queue_holds_enough(
    path: str, vhost: Vhost, queue: Queue, sources: list[Queue]
) -> Iterator[Fault]:
    own = routing.effective(vhost, queue)
    for key in ("max-length", "max-length-bytes"):
        limits = [routing.effective(vhost, source).get(key) for source in sources]
        total = sum(limit for limit in limits if isinstance(limit, int))
        if isinstance(own.get(key), int) and own[key] < FAILED_QUEUE_FACTOR * total:
            yield (
                path,
                f"{key} {own[key]} is less than {FAILED_QUEUE_FACTOR} times that of its sources ({total}):"
                " when it is full, its sources stop",
                f"raise it to {FAILED_QUEUE_FACTOR * total}",
            )


def those_known(names: Iterable[str]) -> str:
    """A remedy that names what there is."""
    return f"known: {', '.join(sorted(names)) or 'none'}"
