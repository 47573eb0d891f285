"""Virtual hosts of an export, their limits, policies and other parameters, in the terms of a topology."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Container
from typing import Any

from warren.importing import dead
from warren.importing.rows import Row
from warren.importing.translation import TYPES, Translation

_VHOST = re.compile(r"/[A-Za-z0-9._-]*")
_BARE_VHOST = re.compile(r"[A-Za-z0-9._-]+")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_LIMITS = ("max-connections", "max-queues")
_KINDS = (
    "exchanges",
    "queues",
    "bindings",
    "policies",
    "operator_policies",
    "permissions",
    "topic_permissions",
)


def vhost(found: Translation, place: str, row: Row) -> None:
    """Takes over a virtual host, under a name that begins with a slash, or counts what goes with it."""
    given = row["name"]
    name = given if _VHOST.fullmatch(given) else f"/{given}" if _BARE_VHOST.fullmatch(given) else ""
    if not name or name in found.vhosts:
        why = "its name cannot be said: a slash, then letters, digits, dots, dashes and underscores"
        found.left_out(place, given, f"the name {name} is taken by another" if name else why)
        found.gone[given] = Counter()
        return
    if name != given:
        why = f"names begin with a slash: it is {name} now, and its clients must say so"
        found.changed(place, given, why)
    metadata = row.get("metadata") or {}
    tags = metadata.get("tags", row.get("tags")) or []
    if tags:
        found.left_out(place, given, "a topology says nothing of tags of virtual hosts")
    kind = metadata.get("default_queue_type") or row.get("default_queue_type")
    if kind not in (*TYPES, None, "undefined"):
        found.changed(place, given, f"the default queue type {kind} cannot be said: it is classic now")
    description = metadata.get("description", row.get("description"))
    found.called[given] = name
    found.vhosts[name] = {
        "name": name,
        "description": description if isinstance(description, str) else "",
        "default_queue_type": kind if kind in TYPES else "classic",
        "protected": metadata.get("protected_from_deletion") is True,
        "limits": {},
        **{kind: [] for kind in _KINDS},
    }
    _vhost_limits(found, place, found.vhosts[name], row.get("limits"))


def _vhost_limits(found: Translation, place: str, vhost: dict[str, Any], limits: Any) -> None:
    for key, value in limits.items() if isinstance(limits, dict) else ():
        if is_none(value):
            found.left_out(place, vhost["name"], f"the limit {key} of {value} means none")
        elif key not in _LIMITS or not isinstance(value, int) or isinstance(value, bool):
            found.left_out(place, vhost["name"], f"the limit {key} of {value!r} cannot be said")
        else:
            vhost["limits"][key] = value


def is_none(value: Any) -> bool:
    """Whether a limit of ``value`` is none to the broker."""
    return isinstance(value, int) and not isinstance(value, bool) and value < 0


def parameter(found: Translation, place: str, row: Row) -> None:
    """Takes over limits and operator policies, which old exports have as parameters, and nothing else."""
    component, name = row["component"], row["name"]
    if component == "vhost-limits":
        home = found.home(row, "parameters")
        if home is not None:
            _vhost_limits(found, place, home, row["value"])
    elif component == "operator_policy" and isinstance(row["value"], dict):
        _policy_into(found, place, {**row["value"], "name": name, "vhost": row["vhost"]}, "operator_policies")
    else:
        why = dead.COMPONENTS.get(component, "a topology says nothing of this kind of parameter")
        found.left_out(place, f"{component} {name}", why)


def global_parameter(found: Translation, place: str, row: Row) -> None:
    """Notes that it is left out, since a topology says nothing of these."""
    if row["name"] == "cluster_tags" and not row.get("value"):
        return  # every export has it, and it says nothing
    why = dead.GLOBAL.get(row["name"], "a topology says nothing of global parameters")
    found.left_out(place, row["name"], why)


def policy(found: Translation, place: str, row: Row) -> None:
    """Takes over a policy with those of its settings that are still heeded."""
    _policy_into(found, place, row, "policies")


def _policy_into(found: Translation, place: str, row: Row, kind: str) -> None:
    home = found.home(row, kind)
    if home is None:
        return
    title = f"{row['name']} in {row['vhost']}"
    definition = alive(found, place, title, row.get("definition"), "")
    if not definition:
        found.left_out(place, title, "sets nothing" + (" any more" if row.get("definition") else ""))
        return
    name = _free_name(row["name"], {each["name"] for each in home[kind]})
    if name != row["name"]:
        found.changed(place, title, f"its name cannot be said or is taken: it is {name} now")
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


def _free_name(given: str, taken: Container[str]) -> str:
    """``given`` as a topology can say it, with a number behind it where that is ``taken``."""
    name = _NOT_IN_NAMES.sub("-", given).lstrip("._-")[:200] or "policy"
    numbered = (f"{name[:190]}-{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if each not in taken)


def alive(found: Translation, place: str, title: str, settings: Any, prefix: str) -> dict[str, Any]:
    """``settings`` without those that 4.3 refuses or does not heed; each is told."""
    kept: dict[str, Any] = {}
    for key, value in (settings or {}).items():
        why = dead.SETTINGS.get(key.removeprefix(prefix))
        if why is None:
            kept[key] = value
        else:
            found.left_out(place, title, f"{key}: {why}")
    return kept
