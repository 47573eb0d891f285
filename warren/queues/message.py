"""A message as the queue commands see it, and the history of its dead-lettering.

Shapes of ``x-death`` and its companions: https://www.rabbitmq.com/docs/dlx#effects
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

#: How often we have moved a message back; with its message id it tells a second copy from the first.
REDRIVEN = "warren-redriven"
#: What a moved message says of the queue that it was moved out of, and of its deaths up to then.
REDRIVEN_FROM = "warren-redriven-from"
DIED = "warren-died"
#: Who published a message first, where its ``user_id`` may not be repeated by us.
USER_ID = "warren-user-id"

_BROKERS = ("x-death", "x-delivery-count", "x-acquired-count")
_BROKERS_PREFIXES = ("x-first-death-", "x-last-death-")
#: Routing keys beside the first: repeated as they are, they would reach other queues again.
_KEYS = ("CC", "BCC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """One entry of ``x-death``: ``count`` deaths in ``queue`` for ``reason``. ``exchange`` and ``keys`` are
    how the message had come there the first time. ``at`` is Unix time in whole seconds, None where none is
    given."""

    queue: str
    reason: str
    exchange: str
    keys: tuple[str, ...]
    count: int
    at: float | None

    def __str__(self) -> str:
        return f"{self.reason} in {self.queue}" + (f" x{self.count}" if self.count > 1 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. ``properties`` are those that were given, under their AMQP names, without the headers.

    ``encoded`` are the headers' bytes as they came. ``body`` may be cut: ``size_bytes`` is its true length.
    ``failed`` counts deliveries that failed (held against the delivery limit), ``acquired`` those that were
    given back; neither is known of a classic queue.
    """

    exchange: str
    routing_key: str
    properties: Mapping[str, Any]
    headers: Mapping[str, Any]
    body: bytes = field(repr=False)
    size_bytes: int
    encoded: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    failed: int = 0
    acquired: int = 0

    @property
    def message_id(self) -> str:
        return str(self.properties.get("message_id") or "")

    @property
    def deaths(self) -> tuple[Death, ...]:
        """The entries of ``x-death``, most recent first; empty where there are none that can be read."""
        entries = self.headers.get("x-death")
        if not isinstance(entries, list | tuple):
            return ()
        return tuple(_death(each) for each in entries if isinstance(each, Mapping))

    @property
    def first_death(self) -> Death | None:
        """The death by which it left the queue it was published to, by the broker's own word."""
        named = (self.headers.get("x-first-death-queue"), self.headers.get("x-first-death-reason"))
        for each in self.deaths:
            if (each.queue, each.reason) == named:
                return each
        return self.deaths[-1] if self.deaths else None

    @property
    def last_death(self) -> Death | None:
        """The death that brought it where it is."""
        named = (self.headers.get("x-last-death-queue"), self.headers.get("x-last-death-reason"))
        for each in self.deaths:
            if (each.queue, each.reason) == named:
                return each
        return self.deaths[0] if self.deaths else None

    @property
    def died_at(self) -> float | None:
        """When it last died, in Unix seconds; of a death that happened often, the first time."""
        times = [each.at for each in self.deaths if each.at is not None]
        return max(times, default=None)

    @property
    def redriven(self) -> int:
        """How often it was moved back before."""
        count = self.headers.get(REDRIVEN)
        return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0


def _death(entry: Mapping[str, Any]) -> Death:
    keys, count = entry.get("routing-keys"), entry.get("count")
    return Death(
        queue=str(entry.get("queue", "")),
        reason=str(entry.get("reason", "")),
        exchange=str(entry.get("exchange", "")),
        keys=tuple(str(key) for key in keys) if isinstance(keys, list | tuple) else (),
        count=count if isinstance(count, int) else 1,
        at=_unix(entry.get("time")),
    )


def _unix(value: Any) -> float | None:
    if isinstance(value, datetime):
        return value.timestamp()
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def headers_again(message: Message, *, queue: str, user: str) -> dict[str, Any]:
    """The headers that ``message`` is published with when it is moved out of ``queue`` by ``user``.

    What belongs to the broker is taken out: a broker of 4.0 or later passes an ``x-death`` that a client
    publishes on as it is, so that the next death would show the old history (seen on 4.3.6). It is kept as
    text in ``warren-died``. All of it follows from the message alone: a second copy looks like the first.
    """
    kept = {
        name: value
        for name, value in message.headers.items()
        if name not in (*_BROKERS, *_KEYS) and not str(name).startswith(_BROKERS_PREFIXES)
    }
    kept[REDRIVEN] = message.redriven + 1
    kept[REDRIVEN_FROM] = queue
    if message.deaths:
        kept[DIED] = ", ".join(str(each) for each in message.deaths)
    publisher = message.properties.get("user_id")
    if publisher and publisher != user:
        kept[USER_ID] = publisher
    return kept


def encoded_again(message: Message, headers: Mapping[str, Any]) -> dict[str, bytes]:
    """The bytes of those ``headers`` that are still what they were in ``message``."""
    ours = (REDRIVEN, REDRIVEN_FROM, DIED, USER_ID)
    return {name: raw for name, raw in message.encoded.items() if name in headers and name not in ours}


def properties_again(message: Message, *, user: str) -> dict[str, Any]:
    """Its properties likewise. A ``user_id`` that is not ours would be refused
    (https://www.rabbitmq.com/docs/validated-user-id)."""
    return {name: value for name, value in message.properties.items() if name != "user_id" or value == user}
