"""Reading a message's dead-letter history, of a delivery's headers.

``x-death`` lists, most recent first, one entry per (queue, reason) with a count; ``x-first-death-queue``
and ``x-last-death-…`` sum it up. Source: https://www.rabbitmq.com/docs/dlx#effects
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Cheap test on encoded headers: without these bytes there is no history to decode.
MARK = b"x-death"
#: The same for either of that and ``x-delivery-count``.
EITHER_MARK = b"x-de"


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """``queue`` is where the message was first dead-lettered, ``reason`` why it was the last time."""

    queue: str
    reason: str


def read_death(headers: Mapping[str, Any]) -> Death | None:
    """The message's death, or None when it was never dead-lettered."""
    entries = headers.get("x-death") or []
    if not entries:
        return None
    newest, oldest = entries[0], entries[-1]
    return Death(
        queue=str(headers.get("x-first-death-queue") or oldest.get("queue")),
        reason=str(headers.get("x-last-death-reason") or newest.get("reason")),
    )


def failed_deliveries(headers: Mapping[str, Any]) -> int:
    """How many deliveries of a message have failed, by a reject or a crash of its consumer.

    It counts on where the message is dead-lettered, from queue to queue (tried on 4.3.6); ``basic.nack`` does
    not count (https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling).
    """
    return int(headers.get("x-delivery-count") or 0)


def tries_before(headers: Mapping[str, Any], queue: str) -> int:
    """How often a worker of ``queue`` has rejected this message already."""
    entries = headers.get("x-death") or []
    return sum(
        int(entry.get("count", 1))
        for entry in entries
        if entry.get("queue") == queue and entry.get("reason") == "rejected"
    )
