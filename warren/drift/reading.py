"""Reads of a running cluster what drift compares, as far as the credential may; changes nothing.

The management API shows less to some than to others, and does not say so everywhere (seen on 4.3.6):

- a user tagged ``monitoring`` gets 401 for users, permissions, topic permissions and parameters;
- a list of exchanges, queues, bindings, policies or parameters leaves out every virtual host that its reader
  may not enter, administrators excepted (``filter_vhost`` in rabbit_mgmt_util.erl);
- a user tagged only ``management`` or ``policymaker`` sees virtual hosts only that it may enter, and no node.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from warren.drift.model import DriftKind
from warren.errors import NotReadyError
from warren.management import ApiError, RejectedError, UnreachableError
from warren.topology import Topology

Rows = list[dict[str, Any]]
_NO_RIGHT = (401, 403)

#: Tags that show whole lists of virtual hosts and nodes; https://www.rabbitmq.com/docs/management#permissions
_TAGS = ("administrator", "monitoring")

#: Kind -> what is read for it, as paths below ``/api``.
NEEDS: Mapping[DriftKind, tuple[str, ...]] = {
    DriftKind.NODE: ("nodes",),
    DriftKind.SETTING: ("overview", "nodes", "vhosts"),
    DriftKind.LISTENER: ("overview", "nodes"),
    DriftKind.FEATURE_FLAG: ("feature-flags",),
    DriftKind.DEPRECATED_FEATURE: ("deprecated-features/used",),
    DriftKind.VHOST: ("vhosts",),
    DriftKind.VHOST_LIMIT: ("vhost-limits",),
    DriftKind.USER: ("users",),
    DriftKind.USER_LIMIT: ("users",),
    DriftKind.PERMISSION: ("permissions",),
    DriftKind.TOPIC_PERMISSION: ("topic-permissions",),
    DriftKind.POLICY: ("policies", "vhosts", "exchanges"),
    DriftKind.OPERATOR_POLICY: ("operator-policies", "vhosts", "exchanges"),
    DriftKind.PARAMETER: ("parameters", "vhosts", "exchanges"),
    DriftKind.EXCHANGE: ("exchanges", "vhosts"),
    DriftKind.QUEUE: ("queues", "vhosts", "exchanges"),
    DriftKind.BINDING: ("bindings", "queues", "vhosts", "exchanges"),
}
#: Kinds of which the broker shows nothing from a virtual host that the reader may not enter.
_ONLY_ENTERED = tuple(kind for kind, paths in NEEDS.items() if {"vhosts", "exchanges"} <= set(paths))


class Api(Protocol):
    """What drift asks of the management API."""

    @property
    def user(self) -> str: ...

    def get(self, *path: str) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What ``user`` was told: ``tables`` of rows by path, ``overview``, and why for each kind not read."""

    user: str
    tables: Mapping[str, Rows] = field(repr=False)
    overview: Mapping[str, Any] = field(repr=False)
    unread: Mapping[DriftKind, str]


def read(api: Api, topology: Topology, kinds: Collection[DriftKind] = tuple(DriftKind)) -> Answers:
    """Ask for all that ``kinds`` need.

    Raises UnreachableError when no node answers, ApiError when the user is not let in at all, and
    NotReadyError when its tags show it only a part of what it asks for.
    """
    _refuse_half_blind(api)
    tables: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for path in dict.fromkeys(path for kind in DriftKind if kind in kinds for path in NEEDS[kind]):
        try:
            tables[path] = api.get(*path.split("/"))
        except (ApiError, RejectedError) as error:
            refused[path] = error.what if error.status in _NO_RIGHT else f"/api/{path}: {error.what}"
            continue
        _refuse_shape(path, tables[path])
    overview = tables.pop("overview", {})
    unread = _hidden(api.user, topology, tables, [kind for kind in kinds if kind in _ONLY_ENTERED])
    for kind in kinds:
        if reasons := [refused[path] for path in NEEDS[kind] if path in refused]:
            unread[kind] = reasons[0]
    return Answers(user=api.user, tables=tables, overview=overview, unread=unread)


def _refuse_half_blind(api: Api) -> None:
    told = api.get("whoami")
    tags = told.get("tags", ()) if isinstance(told, dict) else ()
    if not set(tags) & set(_TAGS):
        shown = ", ".join(tags) or "nothing"
        raise NotReadyError(
            f"user {api.user}",
            f"is tagged {shown}: the broker shows it only a part of what it is asked for",
            "give it the tag administrator, or monitoring for fewer kinds",
        )


def _refuse_shape(path: str, answer: Any) -> None:
    rows = isinstance(answer, list) and all(isinstance(row, dict) for row in answer)
    if not (isinstance(answer, dict) if path == "overview" else rows):
        raise UnreachableError(f"/api/{path}", "the answer is not of the form that the API has")


def _hidden(
    user: str, topology: Topology, tables: Mapping[str, Rows], kinds: Iterable[DriftKind]
) -> dict[DriftKind, str]:
    """Why ``kinds`` are not read: each virtual host has its default exchange, so that one without any
    exchange is one that the broker hides. What is in an extra virtual host is part of that one."""
    if not {"vhosts", "exchanges"} <= tables.keys():
        return {}
    there = {row["name"] for row in tables["vhosts"]}
    shown = {row["vhost"] for row in tables["exchanges"]}
    hidden = [each.name for each in topology.vhosts if each.name in there - shown]
    if not hidden:
        return {}
    return dict.fromkeys(
        kinds, f"user '{user}' may not enter {', '.join(hidden)}: the broker hides what is in there"
    )
