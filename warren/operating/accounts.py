"""What an account may do, as the broker has it, and the same for another name.

https://www.rabbitmq.com/docs/access-control
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from warren.errors import BadInputError
from warren.operating.model import Site
from warren.topology_reader import ACCOUNT

_OF_PASSWORDS = ("password_hash", "hashing_algorithm")
_KINDS = ("permissions", "topic_permissions")


def refuse_name(name: str) -> None:
    """Raise BadInputError for a name that no user of a topology may have."""
    if not re.fullmatch(ACCOUNT, name) or name == "guest":
        what = "is no name for an account"
        raise BadInputError(name, what, "letters, digits, dots, dashes and underscores; at most 64 of them")


def is_there(site: Site, name: str) -> bool:
    return any(each["name"] == name for each in site.management.definitions()["users"])


def rights(site: Site, name: str) -> dict[str, Any]:
    """Tags, limits, permissions and topic permissions, without the name and without the password.

    Raises BadInputError where there is no such account."""
    export = site.management.definitions()
    found = [each for each in export["users"] if each["name"] == name]
    if not found:
        known = ", ".join(sorted(str(each["name"]) for each in export["users"]))
        raise BadInputError("the broker", f"has no account '{name}'", f"accounts: {known}")
    user = {key: value for key, value in found[0].items() if key not in ("name", *_OF_PASSWORDS)}
    return {"user": user, **{kind: _theirs(export, kind, name) for kind in _KINDS}}


def as_definitions(rights: Mapping[str, Any], name: str, hashed: Mapping[str, str]) -> dict[str, Any]:
    """The account called ``name`` with these `rights`, as definitions that can be imported."""
    rows = {kind: [{**row, "user": name} for row in rights[kind]] for kind in _KINDS}
    return {"users": [{**rights["user"], "name": name, **hashed}], **rows}


def _theirs(export: Mapping[str, Any], kind: str, name: str) -> list[dict[str, Any]]:
    rows = [
        {k: v for k, v in row.items() if k != "user"} for row in export.get(kind, []) if row["user"] == name
    ]
    return sorted(rows, key=lambda row: (row["vhost"], row.get("exchange", "")))
