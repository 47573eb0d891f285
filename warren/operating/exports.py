"""Exported definitions: read from a file, and held against what the broker has.

https://www.rabbitmq.com/docs/definitions
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warren.definitions import password_matches
from warren.errors import BadInputError
from warren.json_file import read_object
from warren.secrets import Secrets

#: By kind of object, the keys that together name one.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "users": ("name",),
    "vhosts": ("name",),
    "permissions": ("user", "vhost"),
    "topic_permissions": ("user", "vhost", "exchange"),
    "parameters": ("component", "vhost", "name"),
    "global_parameters": ("name",),
    "policies": ("vhost", "name"),
    "exchanges": ("vhost", "name"),
    "queues": ("vhost", "name"),
    "bindings": ("vhost", "source", "destination_type", "destination", "routing_key", "arguments"),
}
_OF_PASSWORDS = ("password_hash", "hashing_algorithm")
Export = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What an import would add and overwrite, by kind and name, and what it would leave that it lacks."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    extra: tuple[str, ...]

    def __str__(self) -> str:
        counts = f"{len(self.added)} to add, {len(self.changed)} to overwrite"
        return f"{counts}, {len(self.extra)} left that it does not have"


def read(path: Path) -> Export:
    """The export in the file at ``path``; raises BadInputError where it is none of a whole cluster."""
    found = read_object(path)
    if missing := [kind for kind in ("users", "vhosts", "queues") if not isinstance(found.get(kind), list)]:
        what = f"is no export of a whole cluster: it lacks {', '.join(missing)}"
        raise BadInputError(str(path), what, "warren cluster backup-definitions writes one")
    return found


def text(export: Export) -> bytes:
    """``export`` as a file, always the same for the same objects in whatever order the broker gave them."""
    ordered = {
        key: sorted(value, key=lambda each: json.dumps(each, sort_keys=True)) if _is_rows(value) else value
        for key, value in sorted(export.items())
    }
    return json.dumps(ordered, indent=1, sort_keys=True).encode() + b"\n"


def digest(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def count(export: Export) -> int:
    """How many objects there are."""
    return sum(len(_rows(export, kind)) for kind in _NAMES)


def difference(wanted: Export, actual: Export) -> Difference:
    """What of ``wanted`` is not in ``actual``, or not as it is there."""
    added, changed, extra = [], [], []
    for kind in _NAMES:
        theirs, ours = _named(wanted, kind), _named(actual, kind)
        added += [name for name in theirs if name not in ours]
        changed += [name for name, row in theirs.items() if name in ours and not _is_like(row, ours[name])]
        extra += [name for name in ours if name not in theirs]
    return Difference(added=tuple(added), changed=tuple(changed), extra=tuple(extra))


def with_passwords_of(export: Export, actual: Export) -> Export:
    """``export``, its accounts with the passwords that they have in ``actual``, where they are there."""
    known = {row["name"]: row for row in _rows(actual, "users")}
    users = [
        {**row, **{key: known[row["name"]][key] for key in _OF_PASSWORDS}} if row["name"] in known else row
        for row in _rows(export, "users")
    ]
    return {**export, "users": users}


def other_passwords(export: Export, secrets: Secrets) -> list[str]:
    """The accounts whose password in ``export`` is not the one that is kept in the state folder."""
    return sorted(user["name"] for user in export["users"] if not _is_known(user, secrets))


def _is_known(user: Mapping[str, Any], secrets: Secrets) -> bool:
    if not secrets.path(user["name"]).exists():
        return True
    stored, algorithm = str(user.get("password_hash", "")), str(user.get("hashing_algorithm", ""))
    return password_matches(stored, secrets.read(user["name"]), algorithm)


def _named(export: Export, kind: str) -> dict[str, Mapping[str, Any]]:
    keys = _NAMES[kind]
    return {f"{kind} {_shown(row.get(key) for key in keys)}": row for row in _rows(export, kind)}


def _shown(values: Iterable[Any]) -> str:
    return " ".join(
        json.dumps(each, sort_keys=True) if not isinstance(each, str) else each for each in values
    )


def _rows(export: Export, kind: str) -> list[dict[str, Any]]:
    found = export.get(kind)
    return list(found) if _is_rows(found) and found else []


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _is_like(wanted: Mapping[str, Any], actual: Mapping[str, Any]) -> bool:
    """A key that an older broker did not write is none that differs."""
    return all(actual.get(key) == value for key, value in wanted.items())
