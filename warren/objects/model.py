"""Broker objects in one shape, whether the topology wants them or the broker has them.

An object is its kind, its vhost, its name and a body in the terms of the management API; two objects with
the same key are the same object, and their bodies say whether it needs a change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from warren.topology import RESERVED_PREFIX
from warren.topology_link_checks import FEDERATION_PREFIX


class Kind(StrEnum):
    """What can be planned, in the order in which objects depend on each other."""

    VHOST = "vhost"
    VHOST_LIMIT = "vhost_limit"
    USER = "user"
    USER_LIMIT = "user_limit"
    PERMISSION = "permission"
    POLICY = "policy"
    OPERATOR_POLICY = "operator_policy"
    EXCHANGE = "exchange"
    TOPIC_PERMISSION = "topic_permission"
    QUEUE = "queue"
    BINDING = "binding"
    PARAMETER = "parameter"


#: Place of each kind in the order of creation; removal goes the other way.
PLACE = {kind: place for place, kind in enumerate(Kind)}

#: Kinds whose body is fixed at declaration: a difference means deleting and declaring anew.
FIXED = frozenset({Kind.EXCHANGE, Kind.QUEUE})

Key = tuple[Kind, str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerObject:
    """One object. ``vhost`` is empty for users and their limits.

    ``name`` has as many parts as the API needs: one for most, user and exchange for a topic permission,
    source, destination type, destination, routing key and arguments (as JSON) for a binding, component and
    name for a runtime parameter. ``handle`` is the broker's own name for a binding, which deleting it needs.
    """

    kind: Kind
    vhost: str
    name: tuple[str, ...]
    body: Mapping[str, Any]
    handle: str = field(default="", compare=False)

    @property
    def key(self) -> Key:
        return self.kind, self.vhost, self.name

    @property
    def place(self) -> str:
        """`` in /orders``, or nothing for what belongs to no vhost."""
        return f" in {self.vhost}" if self.vhost and self.kind is not Kind.VHOST else ""

    @property
    def title(self) -> str:
        """How a person would call it: ``queue orders.work in /orders``."""
        return f"{_NAMED.get(self.kind, _plainly)(self)}{self.place}"


def _plainly(one: BrokerObject) -> str:
    return f"{one.kind.value.replace('_', ' ')} {one.name[0]}"


def _binding(one: BrokerObject) -> str:
    source, kind, destination, routing_key, arguments = one.name
    by = ", ".join(part for part in (routing_key, arguments if arguments != "{}" else "") if part)
    return f"binding {source} -> {kind} {destination}" + (f" ({by})" if by else "")


def _parameter(one: BrokerObject) -> str:
    component, name = one.name
    return f"{component.replace('-', ' ')} {name}"


_NAMED = {
    Kind.VHOST_LIMIT: lambda one: f"limit {one.name[0]}",
    Kind.USER_LIMIT: lambda one: f"limit {one.name[1]} of user {one.name[0]}",
    Kind.PERMISSION: lambda one: f"permission of {one.name[0]}",
    Kind.TOPIC_PERMISSION: lambda one: f"topic permission of {one.name[0]} on {one.name[1]}",
    Kind.BINDING: _binding,
    Kind.PARAMETER: _parameter,
}


def canonical(value: Any) -> str:
    """``value`` as JSON that is the same for equal values, whatever their order."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def binding_name(
    source: str, destination_type: str, destination: str, routing_key: str, arguments: Mapping[str, Any]
) -> tuple[str, ...]:
    """The name of a binding: all that tells it from its neighbours."""
    return source, destination_type, destination, routing_key, canonical(dict(arguments))


def depends_on(one: BrokerObject) -> tuple[tuple[str, str], ...]:
    """Kind and name of the exchanges and queues with which the broker deletes ``one``."""
    if one.kind is Kind.BINDING:
        return ("exchange", one.name[0]), (one.name[1], one.name[2])
    if one.kind is Kind.TOPIC_PERMISSION:
        return (("exchange", one.name[1]),)
    return ()


#: Kinds for which no name is reserved: an account or a right that nobody asked for must never hide.
_NEVER_RESERVED = frozenset({Kind.USER, Kind.USER_LIMIT, Kind.PERMISSION})
#: Kinds whose names AMQP reserves to the broker when they begin with ``amq.``.
_NAMED_BY_BROKER = frozenset({Kind.EXCHANGE, Kind.QUEUE, Kind.BINDING, Kind.TOPIC_PERMISSION})


def is_reserved(one: BrokerObject) -> bool:
    """Whether the broker or Warren's own runs made this for themselves: never drift, never touched.

    That is every name that begins with ``warren.``, of exchanges and queues also ``amq.`` and what another
    cluster's federation made for itself, the default exchange with its bindings, and whatever is bound to
    such an object or stands in such a vhost.
    """
    if one.vhost.removeprefix("/").startswith(RESERVED_PREFIX):
        return True
    if one.kind in _NEVER_RESERVED:
        return False
    if one.kind in (Kind.EXCHANGE, Kind.BINDING) and one.name[0] == "":
        return True
    if one.kind is Kind.BINDING:
        names: tuple[str, ...] = (one.name[0], one.name[2])
    elif one.kind is Kind.TOPIC_PERMISSION or one.kind is Kind.PARAMETER:
        names = (one.name[1],)
    else:
        names = (one.name[0],)
    own = (RESERVED_PREFIX, "amq.", FEDERATION_PREFIX)
    prefixes = own if one.kind in _NAMED_BY_BROKER else (RESERVED_PREFIX,)
    return any(name.startswith(prefixes) for name in names)
