"""Users of an export and what they are granted, in the terms of a topology."""

from __future__ import annotations

import re
from typing import Any

from warren.importing.rows import Row
from warren.importing.translation import Translation
from warren.importing.vhosts import is_none
from warren.topology_reader import ACCOUNT

_USER_LIMITS = {"max-connections": "max_connections", "max-channels": "max_channels"}


def user(found: Translation, place: str, row: Row) -> None:
    """Takes over a user with tags and limits, but not the password."""
    name, tags = row["name"], row.get("tags") or []
    if name == "guest":
        found.left_out(place, name, "a topology has no account that every attacker tries first")
        return
    tags = [each.strip() for each in tags.split(",") if each.strip()] if isinstance(tags, str) else tags
    if not re.fullmatch(ACCOUNT, name):
        found.left_out(place, name, "a user's name cannot be said: it is that of a file too")
        return
    found.accounts.add(name)
    account: dict[str, Any] = {"name": name, "tags": sorted(str(each) for each in tags)}
    limits = row.get("limits")
    for key, value in limits.items() if isinstance(limits, dict) else ():
        if key in _USER_LIMITS and isinstance(value, int) and not isinstance(value, bool) and value > 0:
            account[_USER_LIMITS[key]] = value
        else:
            why = "means none" if is_none(value) else "cannot be said"
            found.left_out(place, name, f"the limit {key} of {value!r} {why}")
    found.users.append(account)


def permission(found: Translation, place: str, row: Row) -> None:
    """Takes over what a user may do in a virtual host."""
    _grant(found, place, row, "permissions", ("user", "configure", "write", "read"))


def topic_permission(found: Translation, place: str, row: Row) -> None:
    """Takes over by which routing keys a user may publish and bind."""
    _grant(found, place, row, "topic_permissions", ("user", "exchange", "write", "read"))


def _grant(found: Translation, place: str, row: Row, kind: str, keys: tuple[str, ...]) -> None:
    home = found.home(row, kind)
    if home is None:
        return
    if row["user"] not in found.accounts:
        found.left_out(place, f"{row['user']} in {row['vhost']}", "its user is left out")
        return
    home[kind].append({key: row[key] for key in keys})
