"""Everything a run needs, resolved: plain data that crosses process borders as JSON.

`LoadSpec` goes to the coordinator on its standard input, a `PublisherSpec` or `ConsumerSpec` to each
worker on its own. Passwords travel this way only: never by argument, environment or file.
"""

from __future__ import annotations

import dataclasses
import ssl
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from loadgen.codec import Layout
from loadgen.curve import Phase
from loadgen.pacing import Arrivals
from loadgen.roles import (
    LOAD_USER,
    Act,
    ConsumerRole,
    Does,
    MessageClass,
    Objects,
    OnFailure,
    Outcome,
    Protocol,
    PublisherRole,
    Rate,
    RelayRole,
    Renews,
    Replies,
    Settles,
    Slow,
    TakerRole,
    To,
    Tolerances,
)
from warren.connection import Credentials, Endpoint, TlsMaterial, tls_context

__all__ = [
    "LOAD_USER",
    "ConsumerRole",
    "ConsumerSpec",
    "Link",
    "LoadSpec",
    "MessageClass",
    "Objects",
    "Outcome",
    "PublisherRole",
    "PublisherSpec",
    "Rate",
    "RelayRole",
    "RelaySpec",
    "Replies",
    "TakerRole",
    "Tolerances",
    "WorkerSpec",
    "from_plain",
    "to_plain",
]

T = TypeVar("T")

#: How often a process wakes in a second where it would more often; docs/bench.md has what other numbers give.
#: Without a schedule latency follows from the window, and need not be read so finely.
WAKES_PER_S = 300
WAKES_PER_S_UNPACED = 100


def usual_wakes_per_s(rate_per_s: Rate) -> int:
    """How often a process of a run at this rate wakes at most, where nobody says otherwise."""
    return WAKES_PER_S_UNPACED if rate_per_s is None else WAKES_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How a worker reaches the broker. ``ca_pem``: PEM text, empty for the system's own, None for no TLS.

    It reads and writes at most ``wakes_per_s`` times a second; 0: whenever there is something to do.
    """

    endpoints: tuple[Endpoint, ...]
    vhost: str
    credentials: Credentials
    ca_pem: str | None
    connection_name: str
    heartbeat_s: int = 5
    wakes_per_s: int = WAKES_PER_S
    first_endpoint: int = 0

    def tls_context(self) -> ssl.SSLContext | None:
        """The context to connect with; None for no TLS."""
        if self.ca_pem is None:
            return None
        return tls_context(TlsMaterial(ca_pem=self.ca_pem or None, client_pem=self.credentials.client_pem))


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherSpec:
    """One publisher process. ``kinds`` holds, for each of ``classes``, its number in the body's header,
    which is the run's own and the same for equal names of all roles; none: they are numbered in place."""

    role: Literal["publisher"] = "publisher"
    name: str
    link: Link
    folder: str
    nonce: int
    seed: int
    index: int
    publishers: int
    rate_per_s: Rate
    duration_s: float
    size_bytes: int
    window: int
    exchange: str
    routing_key: str
    mandatory: bool = True
    classes: tuple[MessageClass, ...] = (MessageClass(name="all"),)
    kinds: tuple[int, ...] = ()
    publish_deadline_s: float = 30.0
    confirm_times: bool = False
    sent_times: bool = False
    reconnect_every: int | None = None
    renews: Renews = "connection"
    arrivals: Arrivals = "constant"
    phases: tuple[Phase, ...] = ()
    body: Layout = "warren"
    replies: Replies | None = None
    protocol: Protocol = "amqp"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSpec:
    """One consumer process.

    ``failures`` holds weights: entry k is the share of messages that fail k times before they succeed;
    a message that fails ``tries`` times ends in the dead-letter queue. ``on_failure`` says, try by try,
    whether it is rejected for good or back into its queue. ``sole`` says that nobody else consumes from
    the queue, so order can be judged. ``does`` "finish" takes dead letters, "hold" takes
    what the prefetch lets and keeps it until it is released, "replay" reads for an oracle only. ``unit``
    is the queue's name in the ledger, where it is not the queue's own; ``settles`` "origin" books a
    dead-lettered message to the queue where it died first. ``arguments`` are those of basic.consume.
    ``crash_after`` kills the process, without a word, when it is given that many messages and one more,
    ``crash_try`` when it is given a message that has had that many tries before.
    ``from_epoch_s`` is where to begin in a stream, by the time of storing. The connection is closed and
    made again after every ``reconnect_every`` messages. Of the readers of one ``group`` one is active.
    """

    role: Literal["consumer"] = "consumer"
    name: str
    link: Link
    folder: str
    nonce: int
    seed: int
    publishers: int
    queue: str
    unit: str = ""
    does: Does = "work"
    settles: Settles = "own"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    from_epoch_s: int | None = None
    reconnect_every: int | None = None
    renews: Renews = "connection"
    crash_after: int | None = None
    crash_try: int | None = None
    prefetch: int = 100
    ack_batch: int = 50
    ack_interval_s: float = 0.05
    work_time_s: float = 0.0
    slow: Slow | None = None
    failures: tuple[float, ...] = (1.0,)
    on_failure: tuple[OnFailure, ...] = ("reject",)
    tries: int = 1
    sole: bool = False
    log_tries: bool = False
    log_served: bool = False
    log_arrivals: bool = False
    stamps: bool = False
    log_offsets: bool = False
    classes: tuple[str, ...] = ("all",)
    phase_ends_ns: tuple[int, ...] = ()
    body: Layout = "warren"
    protocol: Protocol = "amqp"
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySpec:
    """One relay process: it passes on each message that it takes, see `RelayRole` for the terms.

    ``salt`` makes the choice among ``outcomes`` the role's own.
    """

    role: Literal["relay"] = "relay"
    name: str
    link: Link
    folder: str
    nonce: int
    seed: int
    publishers: int
    queue: str
    salt: int
    to: To = "outcome"
    reply_exchange: str = ""
    outcomes: tuple[Outcome, ...] = ()
    retries: tuple[Outcome, ...] = ()
    given_up: Outcome | None = None
    failures: tuple[float, ...] = (1.0,)
    prefetch: int = 100
    work_time_s: float = 0.0
    crash_after: int | None = None
    crash_try: int | None = None
    log_tries: bool = False
    log_arrivals: bool = False
    classes: tuple[str, ...] = ("all",)
    phase_ends_ns: tuple[int, ...] = ()


#: What a worker process may be told to be.
WorkerSpec = PublisherSpec | ConsumerSpec | RelaySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSpec:
    """One run. ``hold_back_s`` is how long the profile itself may keep a message (its retry delays).

    ``oracles`` of None are those of the profile's own name; ``thresholds`` are expressions as
    `loadgen.thresholds` reads them.

    Of a run in ``parts`` this is part ``part`` (0 first); None is all of it, which for several parts is
    what a merge judges. ``start_at_s`` (since the epoch) is when it begins to publish, None as soon as it
    can; a ``held`` run first waits until it is released. ``part_silence_s`` after its last delivery a part
    ends. ``stream_endpoints`` are the same nodes, where they speak the stream protocol. Of all nodes clients
    are spread over the first ``spread`` (0: over all); the others they try when they lose those.
    """

    run_id: str
    nonce: int
    seed: int
    profile: str
    vhost: str
    endpoints: tuple[Endpoint, ...]
    ca_pem: str | None
    users: tuple[Credentials, ...]
    publishers: tuple[PublisherRole, ...]
    consumers: tuple[ConsumerRole, ...]
    folder: str
    relays: tuple[RelayRole, ...] = ()
    stream_endpoints: tuple[Endpoint, ...] = ()
    spread: int = 0
    objects: Objects | None = None
    act: Act | None = None
    keep_objects: bool = False
    rate_per_s: Rate = 500.0
    duration_s: float = 30.0
    arrivals: Arrivals = "constant"
    phases: tuple[Phase, ...] = ()
    body: Layout = "warren"
    size_bytes: int = 200
    window: int = 200
    wakes_per_s: int = WAKES_PER_S
    publish_deadline_s: float = 30.0
    drain_silence_s: float = 150.0
    hold_back_s: float = 0.0
    heartbeat_s: int = 5
    judge_order: bool = False
    oracles: tuple[str, ...] | None = None
    tolerances: Tolerances = field(default_factory=Tolerances)
    thresholds: tuple[str, ...] = ()
    part: int | None = None
    parts: int = 1
    start_at_s: float | None = None
    held: bool = False
    ready_deadline_s: float = 30.0
    part_silence_s: float = 10.0
    stamps: bool = False
    metrics_port: int | None = None
    metrics_tls: Mapping[str, str] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def takers(self) -> tuple[TakerRole, ...]:
        """Every role that takes messages."""
        return (*self.consumers, *self.relays)

    def credentials(self, user: str) -> Credentials:
        """The account called ``user``; raises KeyError when the spec does not carry it."""
        for each in self.users:
            if each.username == user:
                return each
        raise KeyError(user)


def to_plain(value: Any) -> Any:
    """A spec as JSON-ready values, passwords included: for a pipe to a worker only."""
    return dataclasses.asdict(value)


def from_plain(cls: type[T], raw: Mapping[str, Any]) -> T:
    """A dataclass of this module back from `to_plain`'s values. Raises TypeError for other shapes."""
    hints = typing.get_type_hints(cls)
    names = [item.name for item in dataclasses.fields(cls)]  # type: ignore[arg-type]
    return cls(**{name: _read(hints[name], raw[name]) for name in names if name in raw})


def _read(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin is tuple:
        item = typing.get_args(hint)[0]
        return tuple(_read(item, each) for each in value)
    if origin in (types.UnionType, typing.Union):
        inner = [each for each in typing.get_args(hint) if each is not type(None)]
        return None if value is None else _read(inner[0], value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_plain(hint, value)
    return value
