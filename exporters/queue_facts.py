"""What a queue is, as the management API tells it (``GET /api/queues``); pure.

https://www.rabbitmq.com/docs/http-api-reference
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from sys import intern
from typing import Any

#: A queue's identity.
QueueKey = tuple[str, str]
#: The keys that `read_queue` reads; the rest of ten thousand queues is 10 MB.
QUEUE_COLUMNS = (
    "vhost", "name", "type", "state", "exclusive", "owner_pid_details", "leader", "node", "members", "online",
    "consumers", "consumer_capacity", "messages_ready", "message_bytes_ready", "messages_dlx",
    "message_bytes_dlx", "delivery_limit", "arguments", "effective_policy_definition",
    "messages_ready_returned", "messages_delayed", "next_delayed_at", "messages_by_priority",
    "single_active_consumer_tag",
)  # fmt: skip
#: States of a queue whose process does not run; ``node`` names where it was
#: (``rabbit_mgmt_wm_queues:list_queues``).
_AWAY = frozenset({"down", "stopped", "crashed"})
#: What limits a queue, by its name in policies, and by that among the queue's arguments.
_LIMITING = (
    "max-length", "max-length-bytes", "message-ttl", "dead-letter-exchange", "dead-letter-routing-key",
    "overflow", "target-group-size",
)  # fmt: skip
_ARGUMENTS = (*(f"x-{name}" for name in _LIMITING[:-1]), "x-quorum-target-group-size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What holds for a queue from its arguments and policies; None where nothing is set. A full queue
    ``refuses`` publishes, or else drops its oldest messages."""

    max_length: int | None = None
    max_length_bytes: int | None = None
    message_ttl_ms: int | None = None
    dead_letter_exchange: str | None = None
    dead_letter_routing_key: str | None = None
    target_group_size: int | None = None
    refuses: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFacts:
    """One queue as the management API describes it; ``leader``, ``members``, ``online`` are host names.

    A figure that the API leaves out is None, never zero. ``messages_dlx`` are messages on their way to the
    dead-letter exchange; ``messages_ready`` does not count them. It does count ``messages_returned``, which
    were delivered before. ``messages_delayed`` wait for their delayed retry, the next of them until
    ``next_delayed_at_s`` (Unix time). ``single_active`` says whether a queue with a single active consumer
    has one (None for any other queue). Of priorities a quorum queue gives those that hold messages; those
    without a priority are in 4, as AMQP 1.0 has it.
    """

    vhost: str
    name: str
    type: str
    state: str
    exclusive: bool
    leader: str | None
    members: tuple[str, ...]
    online: tuple[str, ...]
    consumers: int | None
    consumer_capacity: float | None
    messages_ready: int | None
    message_bytes_ready: int | None
    messages_dlx: int | None
    message_bytes_dlx: int | None
    delivery_limit: int | None
    limits: Limits
    messages_returned: int | None = None
    messages_delayed: int | None = None
    next_delayed_at_s: float | None = None
    messages_by_priority: tuple[tuple[str, int], ...] = ()
    single_active: bool | None = None
    #: Made once: it is asked for by every figure of a scrape.
    key: QueueKey = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", (self.vhost, self.name))

    @property
    def replicated(self) -> bool:
        """Whether it lives by a majority of its members."""
        return self.type in ("quorum", "stream") and bool(self.members)

    @property
    def under_replicated(self) -> bool:
        """A member does not run, or there are fewer than the policy's target."""
        wanted = max(len(self.members), self.limits.target_group_size or 0)
        return len(self.online) < wanted

    @property
    def critical_members(self) -> tuple[str, ...]:
        """The members without any one of which no majority would be left; all that run, or none.

        ``rabbitmq-queues check_if_node_is_quorum_critical`` asks the same of one node
        (https://www.rabbitmq.com/docs/upgrade#maintaining-quorum).
        """
        majority = len(self.members) // 2 + 1
        return self.online if self.replicated and len(self.online) == majority else ()

    @property
    def length_ratio(self) -> float | None:
        """Messages ready or being dead-lettered, over the length limit, which counts no unacknowledged ones
        (https://www.rabbitmq.com/docs/maxlength, ``rabbit_fifo:is_over_limit``)."""
        return _ratio(self.messages_ready, self.messages_dlx, self.limits.max_length)

    @property
    def bytes_ratio(self) -> float | None:
        """Bytes of the same messages over the limit in bytes."""
        return _ratio(self.message_bytes_ready, self.message_bytes_dlx, self.limits.max_length_bytes)


def read_queue(row: Mapping[str, Any]) -> QueueFacts:
    """One element of ``/api/queues``. Erlang names are cut to the host, which is what targets are called."""
    state, kind = intern(str(row.get("state", "unknown"))), intern(str(row.get("type", "classic")))
    alone = [row["node"]] if row.get("node") and kind == "classic" else []
    leader = row.get("leader") or next(iter(alone), None)
    members = row.get("members") or alone
    online = row.get("online", [] if state in _AWAY else alone)
    return QueueFacts(
        vhost=intern(str(row["vhost"])),
        name=str(row["name"]),
        type=kind,
        state=state,
        exclusive=bool(row.get("exclusive")) or row.get("owner_pid_details") is not None,
        leader=_host(str(leader)) if leader else None,
        members=tuple(_host(str(member)) for member in members),
        online=tuple(_host(str(member)) for member in online),
        consumers=_whole(row.get("consumers")),
        consumer_capacity=_number(row.get("consumer_capacity")),
        messages_ready=_whole(row.get("messages_ready")),
        message_bytes_ready=_whole(row.get("message_bytes_ready")),
        messages_dlx=_whole(row.get("messages_dlx")),
        message_bytes_dlx=_whole(row.get("message_bytes_dlx")),
        delivery_limit=_limit(row.get("delivery_limit")),
        limits=_limits(row),
        messages_returned=_whole(row.get("messages_ready_returned")),
        messages_delayed=_whole(row.get("messages_delayed")),
        next_delayed_at_s=_seconds(row.get("next_delayed_at")),
        messages_by_priority=_by_priority(row.get("messages_by_priority")),
        single_active=_single_active(row),
    )


def critical_queues(queues: Iterable[QueueFacts]) -> Counter[str]:
    """How many of ``queues`` each node is critical for; nodes that are for none may be missing."""
    return Counter(member for queue in queues for member in queue.critical_members)


def _limits(row: Mapping[str, Any]) -> Limits:
    arguments = row.get("arguments") or {}
    policy = row.get("effective_policy_definition") or {}
    policy = policy if isinstance(policy, Mapping) else {}
    said = (*map(arguments.get, _ARGUMENTS), *map(policy.get, _LIMITING))
    try:
        return _limits_of(*said)
    except TypeError:  # a list or a table where a number or a name should be
        return _limits_of.__wrapped__(*said)


@lru_cache(maxsize=4096, typed=True)  # most queues are alike
def _limits_of(*said: object) -> Limits:
    """What `_ARGUMENTS` and policies say; of two numbers the lesser holds, of two names the argument's,
    and of two targets of members the greater (``rabbit_quorum_queue_periodic_membership_reconciliation``).

    https://www.rabbitmq.com/docs/policies#operator-policies
    """
    arguments, definitions = said[: len(_ARGUMENTS)], said[len(_ARGUMENTS) :]
    both = dict(zip(_LIMITING, zip(arguments, definitions, strict=True), strict=True))

    def numbers(key: str) -> list[int]:
        return [each for each in map(_whole, both[key]) if each is not None]

    def name(key: str) -> str | None:
        argument, definition = both[key]
        value = definition if argument is None else argument
        return None if value is None else str(value)

    return Limits(
        max_length=min(numbers("max-length"), default=None),
        max_length_bytes=min(numbers("max-length-bytes"), default=None),
        message_ttl_ms=min(numbers("message-ttl"), default=None),
        dead_letter_exchange=name("dead-letter-exchange"),
        dead_letter_routing_key=name("dead-letter-routing-key"),
        target_group_size=max(numbers("target-group-size"), default=None),
        refuses=(name("overflow") or "").startswith("reject-publish"),
    )


def _single_active(row: Mapping[str, Any]) -> bool | None:
    if not (row.get("arguments") or {}).get("x-single-active-consumer"):
        return None
    return bool(row.get("single_active_consumer_tag"))


def _by_priority(counts: object) -> tuple[tuple[str, int], ...]:
    """Nothing where no message waits; the API then writes an empty object, or an empty list."""
    if not isinstance(counts, Mapping):
        return ()
    return tuple((str(priority), int(count)) for priority, count in counts.items())


def _seconds(milliseconds: object) -> float | None:
    number = _number(milliseconds)
    return None if number is None else number / 1000


@lru_cache(maxsize=256)  # one object for each host, however many queues it holds
def _host(erlang_name: str) -> str:
    return erlang_name.rpartition("@")[2]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _limit(value: object) -> int | None:
    """A delivery limit; ``unlimited`` and a negative one are none."""
    number = _whole(value)
    return None if number is None or number < 0 else number


def _ratio(amount: int | None, more: int | None, limit: int | None) -> float | None:
    return None if amount is None or not limit else (amount + (more or 0)) / limit
