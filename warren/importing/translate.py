"""Translates an export into the data of a topology file. What that cannot say is noted; pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from warren.importing import dead
from warren.importing.notes import Note, What
from warren.importing.rows import Export, Row
from warren.topology_reader import ACCOUNT, OBJECT

_VHOST = re.compile(r"/[A-Za-z0-9._-]*")
_BARE_VHOST = re.compile(r"[A-Za-z0-9._-]+")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_TYPES = ("quorum", "classic", "stream")
_EXCHANGES = ("direct", "fanout", "topic", "headers")
_LIMITS = ("max-connections", "max-queues")
_USER_LIMITS = {"max-connections": "max_connections", "max-channels": "max_channels"}
_NO_NAME = "its name cannot be said: letters, digits, dots, dashes and underscores, 200 at most"
#: How the broker calls a queue that asked it for a name.
_SERVER_NAMED = "amq."


@dataclass(slots=True)
class Translation:
    """The parts of a topology that follow from an export, growing, and what there is to say about them."""

    vhosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    users: list[dict[str, Any]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    #: Name in the export -> name in the topology.
    called: dict[str, str] = field(default_factory=dict)
    #: How many objects went with a virtual host that was left out.
    gone: dict[str, Counter[str]] = field(default_factory=dict)
    #: The users that were taken over.
    accounts: set[str] = field(default_factory=set)

    def note(self, what: What, place: str, name: str, why: str) -> None:
        self.notes.append(Note(what=what, place=place, name=name, why=why))

    def home(self, row: Row, kind: str) -> dict[str, Any] | None:
        """The virtual host of ``row``, None where it was left out (and the row is counted)."""
        name = row["vhost"]
        if name in self.gone:
            self.gone[name][kind] += 1
            return None
        if name not in self.called:
            said = row.get("name") or row.get("user") or f"{row.get('source')} -> {row.get('destination')}"
            self.note(What.LEFT_OUT, kind, said, f"its virtual host '{name}' is not in the export")
            return None
        return self.vhosts[self.called[name]]


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
            found.note(What.LEFT_OUT, "vhosts", name, f"what is in it goes with it: {counts}")
    for key in export.unknown:
        found.note(What.LEFT_OUT, key, key, "is not known here")
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


def _vhost(found: Translation, place: str, row: Row) -> None:
    given = row["name"]
    name = given if _VHOST.fullmatch(given) else f"/{given}" if _BARE_VHOST.fullmatch(given) else ""
    if not name or name in found.vhosts:
        why = "its name cannot be said: a slash, then letters, digits, dots, dashes and underscores"
        found.note(What.LEFT_OUT, place, given, f"the name {name} is taken by another" if name else why)
        found.gone[given] = Counter()
        return
    if name != given:
        found.note(
            What.CHANGED,
            place,
            given,
            f"names begin with a slash: it is {name} now, and its clients must say so",
        )
    metadata = row.get("metadata") or {}
    tags = metadata.get("tags", row.get("tags")) or []
    if tags:
        found.note(What.LEFT_OUT, place, given, "a topology says nothing of tags of virtual hosts")
    kind = metadata.get("default_queue_type") or row.get("default_queue_type")
    if kind not in (*_TYPES, None, "undefined"):
        found.note(
            What.CHANGED, place, given, f"the default queue type {kind} cannot be said: it is classic now"
        )
    description = metadata.get("description", row.get("description"))
    found.called[given] = name
    found.vhosts[name] = {
        "name": name,
        "description": description if isinstance(description, str) else "",
        "default_queue_type": kind if kind in _TYPES else "classic",
        "protected": metadata.get("protected_from_deletion") is True,
        "limits": {},
        **{
            key: []
            for key in (
                "exchanges",
                "queues",
                "bindings",
                "policies",
                "operator_policies",
                "permissions",
                "topic_permissions",
            )
        },
    }
    _vhost_limits(found, place, found.vhosts[name], row.get("limits"))


def _vhost_limits(found: Translation, place: str, vhost: dict[str, Any], limits: Any) -> None:
    for key, value in limits.items() if isinstance(limits, dict) else ():
        if _is_none(value):
            found.note(What.LEFT_OUT, place, vhost["name"], f"the limit {key} of {value} means none")
        elif key not in _LIMITS or not isinstance(value, int) or isinstance(value, bool):
            found.note(What.LEFT_OUT, place, vhost["name"], f"the limit {key} of {value!r} cannot be said")
        else:
            vhost["limits"][key] = value


def _is_none(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value < 0


def _user(found: Translation, place: str, row: Row) -> None:
    name, tags = row["name"], row.get("tags") or []
    if name == "guest":
        found.note(What.LEFT_OUT, place, name, "a topology has no account that every attacker tries first")
        return
    tags = [each.strip() for each in tags.split(",") if each.strip()] if isinstance(tags, str) else tags
    if not re.fullmatch(ACCOUNT, name):
        found.note(What.LEFT_OUT, place, name, "a user's name cannot be said: it is that of a file too")
        return
    found.accounts.add(name)
    user: dict[str, Any] = {"name": name, "tags": sorted(str(each) for each in tags)}
    limits = row.get("limits")
    for key, value in limits.items() if isinstance(limits, dict) else ():
        if key in _USER_LIMITS and isinstance(value, int) and not isinstance(value, bool) and value > 0:
            user[_USER_LIMITS[key]] = value
        else:
            why = "means none" if _is_none(value) else "cannot be said"
            found.note(What.LEFT_OUT, place, name, f"the limit {key} of {value!r} {why}")
    found.users.append(user)


def _permission(found: Translation, place: str, row: Row) -> None:
    _grant(found, place, row, "permissions", ("user", "configure", "write", "read"))


def _topic_permission(found: Translation, place: str, row: Row) -> None:
    _grant(found, place, row, "topic_permissions", ("user", "exchange", "write", "read"))


def _grant(found: Translation, place: str, row: Row, kind: str, keys: tuple[str, ...]) -> None:
    home = found.home(row, kind)
    if home is None:
        return
    if row["user"] not in found.accounts:
        found.note(What.LEFT_OUT, place, f"{row['user']} in {row['vhost']}", "its user is left out")
        return
    home[kind].append({key: row[key] for key in keys})


def _parameter(found: Translation, place: str, row: Row) -> None:
    component, name = row["component"], row["name"]
    if component == "vhost-limits":
        home = found.home(row, "parameters")
        if home is not None:
            _vhost_limits(found, place, home, row["value"])
    elif component == "operator_policy" and isinstance(row["value"], dict):
        _policy_into(found, place, {**row["value"], "name": name, "vhost": row["vhost"]}, "operator_policies")
    else:
        why = dead.COMPONENTS.get(component, "a topology says nothing of this kind of parameter")
        found.note(What.LEFT_OUT, place, f"{component} {name}", why)


def _global_parameter(found: Translation, place: str, row: Row) -> None:
    if row["name"] == "cluster_tags" and not row.get("value"):
        return  # every export has it, and it says nothing
    why = dead.GLOBAL.get(row["name"], "a topology says nothing of global parameters")
    found.note(What.LEFT_OUT, place, row["name"], why)


def _policy(found: Translation, place: str, row: Row) -> None:
    _policy_into(found, place, row, "policies")


def _policy_into(found: Translation, place: str, row: Row, kind: str) -> None:
    home = found.home(row, kind)
    if home is None:
        return
    title = f"{row['name']} in {row['vhost']}"
    definition = _alive(found, place, title, row.get("definition"), "")
    if not definition:
        found.note(
            What.LEFT_OUT, place, title, "sets nothing" + (" any more" if row.get("definition") else "")
        )
        return
    name = _NOT_IN_NAMES.sub("-", row["name"]).lstrip("._-")[:200] or "policy"
    taken = {each["name"] for each in home[kind]}
    name = next(
        each for each in (name, *(f"{name[:190]}-{n}" for n in range(2, 10_000))) if each not in taken
    )
    if name != row["name"]:
        found.note(What.CHANGED, place, title, f"its name cannot be said or is taken: it is {name} now")
    priority = row.get("priority", 0)
    home[kind].append(
        {
            "name": name,
            "pattern": row.get("pattern", ""),
            "apply_to": row.get("apply-to", "all"),
            "priority": priority if isinstance(priority, int) else 0,
            "definition": definition,
        }
    )


def _alive(found: Translation, place: str, title: str, settings: Any, prefix: str) -> dict[str, Any]:
    """``settings`` without those that 4.3 refuses or does not heed; each is told."""
    kept: dict[str, Any] = {}
    for key, value in (settings or {}).items():
        why = dead.SETTINGS.get(key.removeprefix(prefix))
        if why is None:
            kept[key] = value
        else:
            found.note(What.LEFT_OUT, place, title, f"{key}: {why}")
    return kept


def _exchange(found: Translation, place: str, row: Row) -> None:
    home = found.home(row, "exchanges")
    if home is None or row["name"] == "" or row["name"].startswith("amq."):
        return  # every virtual host has those
    title = f"{row['name']} in {row['vhost']}"
    if not re.fullmatch(OBJECT, row["name"]):
        found.note(What.LEFT_OUT, place, title, _NO_NAME)
        return
    if row["type"] not in _EXCHANGES:
        found.note(What.LEFT_OUT, place, title, f"the exchange type {row['type']} cannot be said")
        return
    if row.get("auto_delete"):
        found.note(What.CHANGED, place, title, "it went with its last binding; now it stays")
    home["exchanges"].append(
        {
            "name": row["name"],
            "type": row["type"],
            "durable": row.get("durable", True),
            "internal": row.get("internal", False),
            "arguments": dict(row.get("arguments") or {}),
        }
    )


def _queue(found: Translation, place: str, row: Row) -> None:
    home = found.home(row, "queues")
    if home is None:
        return
    title, arguments = f"{row['name']} in {row['vhost']}", dict(row.get("arguments") or {})
    kind = arguments.pop("x-queue-type", None) or row.get("type") or "classic"
    if why := _belongs_to_a_client(row, kind) or ("" if re.fullmatch(OBJECT, row["name"]) else _NO_NAME):
        found.note(What.LEFT_OUT, place, title, why)
        return
    if row.get("durable") is False:
        found.note(
            What.CHANGED, place, title, "transient queues that clients share are gone: it is durable now"
        )
    home["queues"].append(
        {"name": row["name"], "type": kind, "arguments": _alive(found, place, title, arguments, "x-")}
    )


def _belongs_to_a_client(row: Row, kind: Any) -> str:
    if row["name"].startswith(_SERVER_NAMED):
        return "the broker named it for a client, which makes another when it comes"
    if row.get("exclusive"):
        return "it belongs to one connection, which makes it anew when it comes"
    if row.get("auto_delete"):
        return "it goes with its last consumer, which makes it anew when it comes"
    return "" if kind in _TYPES else f"the queue type {kind} cannot be said"


def _binding(found: Translation, place: str, row: Row) -> None:
    home = found.home(row, "bindings")
    if home is None:
        return
    if row["source"] == "" and row["destination"] == row["routing_key"]:
        return  # every queue is bound to the default exchange by its name
    title = f"{row['source']} -> {row['destination']} in {row['vhost']}"
    if row["source"] == "" or row["source"].startswith("amq."):
        found.note(
            What.LEFT_OUT,
            place,
            title,
            "the broker's own exchanges are not said: declare one, and publish there",
        )
        return
    if row["destination_type"] not in ("queue", "exchange"):
        found.note(
            What.LEFT_OUT, place, title, f"the destination type {row['destination_type']} cannot be said"
        )
        return
    binding = {
        "source": row["source"],
        row["destination_type"]: row["destination"],
        "routing_key": row["routing_key"],
    }
    home["bindings"].append({**binding, "arguments": dict(row.get("arguments") or {})})


#: In this order: what is in a virtual host needs to know whether that was taken over.
_READERS: Mapping[str, Callable[[Translation, str, Row], None]] = {
    "vhosts": _vhost,
    "users": _user,
    "permissions": _permission,
    "topic_permissions": _topic_permission,
    "parameters": _parameter,
    "global_parameters": _global_parameter,
    "policies": _policy,
    "exchanges": _exchange,
    "queues": _queue,
    "bindings": _binding,
}


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
