"""Translates an export into the data of a topology file. What that cannot say is noted; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from warren.importing import routing, users, vhosts
from warren.importing.rows import Export, Row
from warren.importing.translation import Translation

#: In this order: what is in a virtual host needs to know whether that was taken over.
_READERS: Mapping[str, Callable[[Translation, str, Row], None]] = {
    "vhosts": vhosts.vhost,
    "users": users.user,
    "permissions": users.permission,
    "topic_permissions": users.topic_permission,
    "parameters": vhosts.parameter,
    "global_parameters": vhosts.global_parameter,
    "policies": vhosts.policy,
    "exchanges": routing.exchange,
    "queues": routing.queue,
    "bindings": routing.binding,
}


def translate(export: Export) -> Translation:
    """What ``export`` says in the terms of a topology, sorted by name. References into nowhere are left in
    it: the checks find them, and `warren.importing.mend` tells."""
    found = Translation()
    for kind, read in _READERS.items():
        for place, row in enumerate(export.lists[kind]):
            read(found, f"{kind}[{place}]", row)
    for name, kinds in found.gone.items():
        if kinds:
            counts = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(kinds.items()))
            found.left_out("vhosts", name, f"what is in it goes with it: {counts}")
    for key in export.unknown:
        found.left_out(key, key, "is not known here")
    _sort(found)
    return found


def _sort(found: Translation) -> None:
    found.users.sort(key=lambda each: str(each["name"]))
    for vhost in found.vhosts.values():
        for kind in ("exchanges", "queues", "policies", "operator_policies"):
            vhost[kind].sort(key=lambda each: str(each["name"]))
        vhost["bindings"].sort(
            key=lambda each: (
                each["source"],
                each.get("queue", ""),
                each.get("exchange", ""),
                each["routing_key"],
                repr(each.get("arguments")),
            )
        )
        vhost["permissions"].sort(key=lambda each: str(each["user"]))
        vhost["topic_permissions"].sort(key=lambda each: (each["user"], each["exchange"]))
    found.vhosts = dict(sorted(found.vhosts.items()))


def slim(vhosts: Mapping[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Virtual hosts without the keys that say what is said anyway."""
    for vhost in vhosts.values():
        yield {
            key: [_slim(each) for each in value] if isinstance(value, list) else value
            for key, value in vhost.items()
            if value not in ([], {}, "")
        }


#: What an object has where nothing is said.
_SAID_ANYWAY = {
    "durable": True,
    "internal": False,
    "arguments": {},
    "priority": 0,
    "tags": [],
    "routing_key": "",
}


def _slim(row: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in row.items()
        if key not in _SAID_ANYWAY
        or value != _SAID_ANYWAY[key]
        or isinstance(value, bool) != isinstance(_SAID_ANYWAY[key], bool)
    }
