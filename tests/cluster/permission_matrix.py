"""Who may do what, twice: worked out from the topology's own text, and tried at the broker without an effect.

Nothing of `warren` works out what is expected. Patterns are found anywhere in a name, and what is not given
is ``^$`` (docs/topology.md); what each operation asks for is
https://www.rabbitmq.com/docs/access-control#authorisation.

Each try is one that the broker refuses in any case, after it has looked at the rights: a declaration that
differs from what is there, a consumer with a priority that is none, a message in somebody else's name.
Without the right the answer is 403, with it another. So nothing is declared, bound, published or taken,
whatever the rights turn out to be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REFUSED = 403
#: What every virtual host has, whoever made it; the broker calls the nameless one so where it asks for
#: rights.
BUILT_IN = ("", "amq.direct", "amq.fanout", "amq.headers", "amq.match", "amq.rabbitmq.trace", "amq.topic")
_DEFAULT = "amq.default"
#: The one of them that is internal: nobody may publish to it.
_TRACE = "amq.rabbitmq.trace"
#: Names of nothing, of which some user may own the prefix.
NOWHERE = ("warren.canary.attack", "warren.attack", "orders.attack", "attack")


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One operation of ``user`` in ``vhost``. ``kind`` is ``exchange`` or ``queue``; ``other`` is the second
    name where an operation has two, or the routing key of a message."""

    user: str
    vhost: str
    operation: str
    kind: str
    name: str
    other: str = ""
    allowed: bool

    def __str__(self) -> str:
        said = f" {self.other!r}" if self.other else ""
        return f"{self.user} in {self.vhost}: {self.operation} {self.kind} {self.name!r}{said}"


@dataclass(frozen=True, slots=True)
class Rights:
    """The patterns of one topology file."""

    data: Mapping[str, Any]

    @staticmethod
    def of(path: Path) -> Rights:
        return Rights(yaml.safe_load(path.read_text(encoding="utf-8")))

    @property
    def users(self) -> list[str]:
        return [user["name"] for user in self.data["users"]]

    @property
    def vhosts(self) -> list[str]:
        return [vhost["name"] for vhost in self.data["vhosts"]]

    def vhost(self, name: str) -> Mapping[str, Any]:
        return next(vhost for vhost in self.data["vhosts"] if vhost["name"] == name)

    def names(self, vhost: str, kind: str) -> list[str]:
        return [each["name"] for each in self.vhost(vhost).get(kind) or ()]

    def may_enter(self, user: str, vhost: str) -> bool:
        return self._row(user, vhost) is not None

    def may(self, user: str, vhost: str, right: str, name: str) -> bool:
        row = self._row(user, vhost)
        return row is not None and re.search(row.get(right, "^$"), name or _DEFAULT) is not None

    def may_topic(self, user: str, vhost: str, right: str, exchange: str, key: str) -> bool:
        """Whether no topic permission stands in the way; there is none but on topic exchanges."""
        for row in self.vhost(vhost).get("topic_permissions") or ():
            if (row["user"], row["exchange"]) == (user, exchange):
                return re.search(row.get(right, "^$"), key) is not None
        return True

    def _row(self, user: str, vhost: str) -> Mapping[str, Any] | None:
        rows = self.vhost(vhost).get("permissions") or ()
        return next((row for row in rows if row["user"] == user), None)


def tries(rights: Rights, user: str, vhost: str, *, full: bool) -> Iterator[Try]:
    """Every operation of ``user`` on everything in ``vhost``. ``full``: on what the broker itself made too,
    each exchange with each queue, and every key."""
    exchanges, queues = rights.names(vhost, "exchanges"), rights.names(vhost, "queues")
    if full:
        exchanges = [*exchanges, *BUILT_IN]

    def one(operation: str, kind: str, name: str, allowed: bool, other: str = "") -> Try:
        return Try(
            user=user, vhost=vhost, operation=operation, kind=kind, name=name, other=other, allowed=allowed
        )  # fmt: skip

    for name in exchanges:
        if name:  # the nameless one can be neither declared nor bound
            yield one("configure", "exchange", name, rights.may(user, vhost, "configure", name))
    for name in exchanges:
        for key in _keys(rights, vhost, full=full) if name in _topics(rights, vhost) else ("warren.attack",):
            may = rights.may(user, vhost, "write", name) and rights.may_topic(user, vhost, "write", name, key)
            may = may and name != _TRACE
            yield one("publish", "exchange", name, may, key)
    for name in (*queues, *(NOWHERE if full else NOWHERE[:1])):
        yield one("configure", "queue", name, rights.may(user, vhost, "configure", name))
    for name in queues:
        yield one("read", "queue", name, rights.may(user, vhost, "read", name))
    yield from _bindings(rights, user, vhost, [name for name in exchanges if name], queues, full=full)


def _bindings(
    rights: Rights, user: str, vhost: str, exchanges: list[str], queues: list[str], *, full: bool
) -> Iterator[Try]:
    """A binding writes to the queue and reads from the exchange, and on a topic exchange its key is read
    too."""
    pairs = [(exchange, queue) for exchange in exchanges for queue in queues]
    if not full:
        pairs = [(e, q) for e, q in pairs if e == exchanges[0] or q == queues[0]]
    for exchange, queue in pairs:
        may = rights.may(user, vhost, "write", queue) and rights.may(user, vhost, "read", exchange)
        may = may and rights.may_topic(user, vhost, "read", exchange, UNBOUND)
        yield Try(
            user=user, vhost=vhost, operation="bind", kind="exchange", name=exchange, other=queue, allowed=may
        )


#: A key by which nothing is bound: to take such a binding away asks for the same rights, and does nothing.
UNBOUND = "warren.attack.unbound"


def _topics(rights: Rights, vhost: str) -> set[str]:
    return {each["name"] for each in rights.vhost(vhost).get("exchanges") or () if each["type"] == "topic"}


def _keys(rights: Rights, vhost: str, *, full: bool) -> tuple[str, ...]:
    """Keys that a topic permission may tell apart: those of the bindings, and near misses of them."""
    bound = [row.get("routing_key", "") for row in rights.vhost(vhost).get("bindings") or ()]
    plain = [key.replace("#", "x").replace("*", "x") for key in bound if key]
    near = [
        each
        for key in plain
        for each in (f"x{key}", key.replace(".", "x"), key.partition(".")[0], f"{key}.x")
    ]
    found = tuple(dict.fromkeys([*plain, *(near if full else near[:2]), "", "#", "payment.new"]))
    return found if full else found[:8]
