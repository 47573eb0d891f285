"""The broker objects that are there: read from the management API or from exported definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.links import addresses
from warren.links import objects as links
from warren.management import ManagementClient
from warren.objects.model import BrokerObject, Key, Kind, binding_name, is_reserved

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueUse:
    """What a queue holds and who listens; up to 5 s old, as all statistics of the broker are."""

    messages: int
    consumers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Actual:
    """What the broker has, without what is reserved and without clients' exclusive queues.

    ``password_hashes`` are (algorithm, hash) by user, ``link_passwords`` those that stand in the URIs of a
    shovel or an upstream, by its key: they are in no object's body. ``queue_use`` is keyed by vhost and
    queue, and is empty where the source has no statistics.
    """

    objects: Mapping[Key, BrokerObject]
    password_hashes: Mapping[str, tuple[str, str]] = field(repr=False)
    queue_use: Mapping[tuple[str, str], QueueUse]
    link_passwords: Mapping[Key, tuple[str, ...]] = field(repr=False, default_factory=dict)


def read_actual(client: ManagementClient) -> Actual:
    """Read everything that can be planned: eleven requests, all by one administrator.

    Raises ApiError when the user may not see users and permissions (a monitoring user may not).
    """
    return from_tables({name: client.rows(name) for name in TABLES})


def from_tables(tables: Mapping[str, list[dict[str, Any]]]) -> Actual:
    """What the broker has, of the rows of each of `TABLES`; of one that is not there, nothing is known."""
    whole = {name: tables.get(name, []) for name in TABLES}
    exclusive = {(row["vhost"], row["name"]) for row in whole["queues"] if row.get("exclusive")}
    return _actual(whole, exclusive)


def from_definitions(document: Mapping[str, Any]) -> Actual:
    """What a cluster has after an import of ``document``, or had at its export.

    An export leaves internal exchanges out, so this is for our own documents and for a first look.
    """
    parameters = document.get("parameters", ())
    tables = {name: list(document.get(name.replace("-", "_"), ())) for name in TABLES}
    tables["vhost-limits"] = [row for row in parameters if row["component"] == "vhost-limits"]
    tables["operator-policies"] = [
        {**row["value"], "name": row["name"], "vhost": row["vhost"]}
        for row in parameters
        if row["component"] == "operator_policy"
    ]
    return _actual(tables, set())


def _actual(tables: Mapping[str, list[dict[str, Any]]], exclusive: set[tuple[str, str]]) -> Actual:
    queues = [row for row in tables["queues"] if (row["vhost"], row["name"]) not in exclusive]
    bindings = [
        row
        for row in tables["bindings"]
        if row["destination_type"] != "queue" or (row["vhost"], row["destination"]) not in exclusive
    ]
    found = [one for name, read in _READERS.items() for row in tables[name] for one in read(row)]
    found += [_queue(row) for row in queues] + [_binding(row) for row in bindings]
    linking = [_parameter(row) for row in tables["parameters"] if row.get("component") in links.COMPONENTS]
    found += [one for one, _ in linking]
    return Actual(
        objects={one.key: one for one in found if not is_reserved(one)},
        password_hashes={
            row["name"]: (str(row.get("hashing_algorithm", "")), str(row.get("password_hash", "")))
            for row in tables["users"]
        },
        queue_use={(row["vhost"], row["name"]): _use(row) for row in queues if "messages" in row},
        link_passwords={one.key: secrets for one, secrets in linking},
    )


def _use(row: Row) -> QueueUse:
    return QueueUse(
        messages=int(row.get("messages") or 0) + int(row.get("messages_dlx") or 0),
        consumers=int(row.get("consumers") or 0),
    )


def _user(row: Row) -> Iterator[BrokerObject]:
    tags = row.get("tags") or []
    tags = [tag for tag in tags.split(",") if tag] if isinstance(tags, str) else list(tags)
    yield BrokerObject(kind=Kind.USER, vhost="", name=(row["name"],), body={"tags": sorted(tags)})
    for limit, value in (row.get("limits") or {}).items():
        yield BrokerObject(kind=Kind.USER_LIMIT, vhost="", name=(row["name"], limit), body={"value": value})


def _vhost(row: Row) -> Iterator[BrokerObject]:
    metadata = row.get("metadata") or {}
    body = {
        "description": metadata.get("description", row.get("description", "")),
        "default_queue_type": metadata.get("default_queue_type", row.get("default_queue_type")),
        "protected_from_deletion": bool(metadata.get("protected_from_deletion", False)),
    }
    yield BrokerObject(kind=Kind.VHOST, vhost=row["name"], name=(row["name"],), body=body)


def _vhost_limits(row: Row) -> Iterator[BrokerObject]:
    for limit, value in row["value"].items():
        yield BrokerObject(kind=Kind.VHOST_LIMIT, vhost=row["vhost"], name=(limit,), body={"value": value})


def _permission(row: Row) -> Iterator[BrokerObject]:
    body = {right: row[right] for right in ("configure", "write", "read")}
    yield BrokerObject(kind=Kind.PERMISSION, vhost=row["vhost"], name=(row["user"],), body=body)


def _topic_permission(row: Row) -> Iterator[BrokerObject]:
    body = {right: row[right] for right in ("write", "read")}
    name = (row["user"], row["exchange"])
    yield BrokerObject(kind=Kind.TOPIC_PERMISSION, vhost=row["vhost"], name=name, body=body)


def _policy(kind: Kind) -> Callable[[Row], Iterator[BrokerObject]]:
    def read(row: Row) -> Iterator[BrokerObject]:
        body = {key: row[key] for key in ("pattern", "apply-to", "priority", "definition")}
        yield BrokerObject(kind=kind, vhost=row["vhost"], name=(row["name"],), body=body)

    return read


def _exchange(row: Row) -> Iterator[BrokerObject]:
    body = {
        "type": row["type"],
        "durable": bool(row.get("durable")),
        "auto_delete": bool(row.get("auto_delete")),
        "internal": bool(row.get("internal")),
        "arguments": dict(row.get("arguments") or {}),
    }
    yield BrokerObject(kind=Kind.EXCHANGE, vhost=row["vhost"], name=(row["name"],), body=body)


def _queue(row: Row) -> BrokerObject:
    arguments = dict(row.get("arguments") or {})
    arguments.setdefault("x-queue-type", row.get("type"))  # a classic queue may have been declared without
    body = {
        "durable": bool(row.get("durable")),
        "auto_delete": bool(row.get("auto_delete")),
        "arguments": arguments,
    }
    return BrokerObject(kind=Kind.QUEUE, vhost=row["vhost"], name=(row["name"],), body=body)


def _binding(row: Row) -> BrokerObject:
    arguments = dict(row.get("arguments") or {})
    name = binding_name(
        row["source"], row["destination_type"], row["destination"], row.get("routing_key", ""), arguments
    )
    return BrokerObject(
        kind=Kind.BINDING,
        vhost=row["vhost"],
        name=name,
        body={"arguments": arguments},
        handle=str(row.get("properties_key", "")),
    )


def _parameter(row: Row) -> tuple[BrokerObject, tuple[str, ...]]:
    """A shovel, an upstream or a set of them, and the passwords that its URIs have. A set is a list."""
    value = row.get("value")
    whole = dict(value) if isinstance(value, Mapping) else {"upstreams": value}
    body, secrets = addresses.without_passwords(whole)
    name = (str(row["component"]), str(row["name"]))
    return BrokerObject(kind=Kind.PARAMETER, vhost=row["vhost"], name=name, body=body), secrets


#: Path below ``/api`` of each kind that is read row by row; definitions use the same names with underscores.
_READERS: dict[str, Callable[[Row], Iterator[BrokerObject]]] = {
    "users": _user,
    "vhosts": _vhost,
    "vhost-limits": _vhost_limits,
    "permissions": _permission,
    "topic-permissions": _topic_permission,
    "policies": _policy(Kind.POLICY),
    "operator-policies": _policy(Kind.OPERATOR_POLICY),
    "exchanges": _exchange,
}

#: Everything that can be planned, by path below ``/api``.
TABLES = (*_READERS, "queues", "bindings", "parameters")
