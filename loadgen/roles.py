"""What a profile says of its publishers, consumers, relays and objects, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from warren.topology import Binding, Exchange, Queue

#: A rate of none: as fast as the window lets.
Rate = float | None
Does = Literal["work", "finish", "hold", "replay"]
Begins = Literal["before_publishing", "after_publishing"]
Renews = Literal["connection", "channel"]
Settles = Literal["own", "origin"]
Reads = Literal["shared", "all"]
To = Literal["outcome", "reply"]
OnFailure = Literal["reject", "requeue"]
ReplyBy = Literal["direct", "exclusive", "quorum"]
#: AMQP 0-9-1, or the stream protocol.
Protocol = Literal["amqp", "stream"]
#: What the ledger calls the place where answers to requests come to.
REPLIES = "replies"
#: The account of profiles in a virtual host of their own.
LOAD_USER = "load"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageClass:
    """A kind of message: its name in the figures, its share of its role's messages, its properties.

    ``exchange`` and ``routing_key`` of None are the role's. ``destinations`` are the queues that its
    messages reach, filled in by `loadgen.resolve`; None stands for the role's own.
    """

    name: str
    share: float = 1.0
    priority: int | None = None
    exchange: str | None = None
    routing_key: str | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    expiration_ms: int | None = None
    destinations: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One way on from a relay: what share of its messages takes it, and where it leads.

    ``final`` is what a message is in the relay's own queue once it has left this way; a dead one has
    the outcome's name as its reason. ``destinations`` are filled in by `loadgen.resolve`.
    """

    name: str
    share: float = 1.0
    exchange: str = ""
    routing_key: str = ""
    headers: Mapping[str, Any] = field(default_factory=dict)
    expiration_ms: int | None = None
    final: Literal["done", "dead"] = "done"
    destinations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """How publishers that ask get their answers, and how long they wait for one.

    ``by`` "direct" is the broker's direct reply-to (https://www.rabbitmq.com/docs/direct-reply-to);
    "exclusive" and "quorum" are a queue of the process's own of that kind, bound by its name to
    ``exchange``. A confirmed request that has no answer ``timeout_s`` after it was sent is published again
    under its own number, until ``publish_deadline_s`` after its intended time.
    """

    by: ReplyBy = "direct"
    exchange: str = ""
    timeout_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherRole:
    """A group of like publishers, and the queues that their messages reach by the bindings.

    With ``returned`` a class that reaches no queue is meant to come back from the broker. Each process
    closes its connection, or only its channel, and makes another after every ``reconnect_every`` messages.
    With ``replies`` each message is a request, and owes the ledger an answer too (`REPLIES`). Over the
    ``protocol`` "stream" the routing key is the stream's name.
    """

    name: str
    user: str
    exchange: str
    routing_key: str
    destinations: tuple[str, ...] = ()
    count: int = 1
    classes: tuple[MessageClass, ...] = (MessageClass(name="all"),)
    mandatory: bool = True
    returned: bool = False
    reconnect_every: int | None = None
    replies: Replies | None = None
    renews: Renews = "connection"
    protocol: Protocol = "amqp"

    def reached_by(self, kind: MessageClass) -> tuple[str, ...]:
        """The queues that messages of one of its classes reach."""
        return self.destinations if kind.destinations is None else kind.destinations


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """When consumers take ``work_time_s`` for a message instead of their own time: from ``from_s`` after
    the run's start, for ``for_s``; ``drained_within_s`` later their queue is meant to be as short as before.
    """

    from_s: float
    for_s: float
    work_time_s: float
    drained_within_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerRole:
    """A group of like consumers of one queue; see `ConsumerSpec` for the terms.

    ``delays_s`` is how long each failed try is meant to wait before the next. With ``reads`` "all" each
    of the processes gets every message, as readers of a stream do, and owes all of them to the ledger.
    A process kills itself after ``crash_every`` messages, ``crashes`` of them in all, or one after the other
    with a message in its hands that has had as many tries as ``crash_on_tries`` says. It closes its
    connection, or its channel (``renews``), and makes another after every ``reconnect_every`` messages.
    With ``does`` "replay" it reads a stream again, for an oracle: the ledger is owed nothing. ``from_s``
    is a stream's place by time, in seconds after the run's start. ``on_failure`` says, try by try, what
    becomes of a failed message, the last for all that follow. Of ``single_active`` readers of a stream one
    reads at a time, and together they owe all of it once.
    """

    name: str
    user: str
    queue: str
    does: Does = "work"
    settles: Settles = "own"
    reads: Reads = "shared"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    begins: Begins = "before_publishing"
    from_s: float | None = None
    reconnect_every: int | None = None
    renews: Renews = "connection"
    crash_every: int | None = None
    crashes: int = 1
    crash_on_tries: tuple[int, ...] = ()
    count: int = 1
    prefetch: int = 100
    ack_batch: int = 50
    work_time_s: float = 0.0
    slow: Slow | None = None
    failures: tuple[float, ...] = (1.0,)
    on_failure: tuple[OnFailure, ...] = ("reject",)
    tries: int = 1
    delays_s: tuple[float, ...] = ()
    protocol: Protocol = "amqp"
    single_active: bool = False

    def units(self) -> tuple[str, ...]:
        """What the ledger calls the queue as these consumers see it: one name, or one for each reader."""
        return tuple(dict.fromkeys(self.unit(f"{self.name}-{place}") for place in range(self.count)))

    def unit(self, process: str) -> str:
        """What the ledger calls the queue as the process of that name sees it."""
        if self.reads == "shared":
            return self.queue
        return reader_unit(self.queue, self.name if self.single_active else process)


def deaths(role: TakerRole) -> int:
    """How many processes of ``role`` kill themselves, where there is work enough."""
    if role.crash_on_tries:
        return len(role.crash_on_tries)
    return role.crashes if role.crash_every is not None else 0


def reader_unit(queue: str, name: str) -> str:
    """The ledger's name for ``queue`` as one reader sees it; who replaces a dead one goes by its name."""
    return f"{queue}[{name.partition('~')[0]}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayRole:
    """A group of like relays: for each message of ``queue`` one more is published, then the first is acked.

    Which of ``outcomes`` a message takes is planned by its number. ``to`` "reply" answers to the
    message's reply-to, by ``reply_exchange``, with its correlation id instead. ``failures`` are weights as a
    consumer's: try k of a message that is yet to fail leaves by ``retries[k]`` and comes back, one that has
    none left by ``given_up``.
    """

    name: str
    user: str
    queue: str
    to: To = "outcome"
    reply_exchange: str = ""
    outcomes: tuple[Outcome, ...] = ()
    retries: tuple[Outcome, ...] = ()
    given_up: Outcome | None = None
    failures: tuple[float, ...] = (1.0,)
    delays_s: tuple[float, ...] = ()
    count: int = 1
    prefetch: int = 100
    work_time_s: float = 0.0
    crash_every: int | None = None
    crashes: int = 1
    crash_on_tries: tuple[int, ...] = ()

    @property
    def does(self) -> Does:
        """A relay works, as the figures see it."""
        return "work"

    @property
    def begins(self) -> Begins:
        return "before_publishing"

    @property
    def tries(self) -> int:
        return len(self.retries) + 1


#: Every role that takes messages.
TakerRole = ConsumerRole | RelayRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """What the verdict tolerates. Lags in seconds; a share of None means that it is not judged."""

    failed_publishes: int = 0
    self_lag_p99_s: float = 0.05
    unflagged_duplicates: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A memory alarm that the launcher raises ``at_s`` after the run's start and lifts ``for_s`` later."""

    name: str
    at_s: float
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """What a profile declares for itself, in the topology's own terms. ``user`` declares it."""

    user: str = LOAD_USER
    exchanges: tuple[Exchange, ...] = ()
    queues: tuple[Queue, ...] = ()
    bindings: tuple[Binding, ...] = ()
