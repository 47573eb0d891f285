"""Who flies where: a pair of nodes in a virtual host, its queue, and how a flight may end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

#: Begins the name of everything that the canary declares. `warren.topology.RESERVED_PREFIX` begins it, so
#: that none of it is anybody's drift or objective.
PREFIX = "warren.canary"
#: Its own exchange: a right to write on the default one would reach every queue of the virtual host.
EXCHANGE = PREFIX
#: A queue that nobody flies through any more vanishes, and holds little until then: quorum queues know both
#: (https://www.rabbitmq.com/docs/quorum-queues#feature-matrix). Its consumer keeps one in use alive. It is
#: led where it is declared, at the origin, so that every node gets as many leaders: their spread stays even.
QUEUE_ARGUMENTS = {
    "x-queue-type": "quorum",
    "x-queue-leader-locator": "client-local",
    "x-expires": 600_000,
    "x-max-length": 100,
}


class Outcome(StrEnum):
    """How a flight ended. One that was not OK says how far it came."""

    OK = "ok"
    #: One of the two nodes gave no connection.
    NOT_CONNECTED = "not_connected"
    #: Both did, and the queue could not be declared, bound or consumed from.
    NOT_DECLARED = "not_declared"
    #: The broker takes no publishes (memory or disk alarm).
    BLOCKED = "blocked"
    #: No queue took the message: it came back.
    RETURNED = "returned"
    #: The broker said that it did not keep the message.
    NACKED = "nacked"
    NOT_CONFIRMED = "not_confirmed"
    #: Confirmed, and not delivered.
    NOT_DELIVERED = "not_delivered"
    #: A connection or a channel ended while the message was under way.
    BROKEN_OFF = "broken_off"


class Event(StrEnum):
    """What happens to a message; counted whether or not a flight still waits for it."""

    PUBLISHED = "published"
    CONFIRMED = "confirmed"
    NACKED = "nacked"
    RETURNED = "returned"
    DELIVERED = "delivered"
    #: Delivered, and of an earlier flight, or nobody's.
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Pair:
    """Publishes on node ``origin``, consumes on node ``target``; both by host name."""

    vhost: str
    origin: str
    target: str

    @property
    def queue(self) -> str:
        """The pair's own queue, bound by its name to `EXCHANGE`."""
        return f"{PREFIX}.{self.origin}.{self.target}"

    @property
    def labels(self) -> tuple[str, str, str]:
        return self.vhost, self.origin, self.target

    def __str__(self) -> str:
        return f"{self.origin} to {self.target} in {self.vhost}"


def pairs(vhosts: Sequence[str], nodes: Sequence[str]) -> tuple[Pair, ...]:
    """Every ordered pair of distinct nodes in every virtual host; a single node flies to itself.

    Neighbours in the list have different origins, so that flights that begin one after the other do not
    all begin on one node.
    """
    if len(nodes) == 1:
        return tuple(Pair(vhost, nodes[0], nodes[0]) for vhost in vhosts)
    return tuple(
        Pair(vhost, origin, nodes[(place + step) % len(nodes)])
        for step in range(1, len(nodes))
        for vhost in vhosts
        for place, origin in enumerate(nodes)
    )
