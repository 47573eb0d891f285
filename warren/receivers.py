"""Whom Alertmanager tells: receivers and routes that the owner of a cluster keeps beside its secrets.

The topology names the file (``monitoring.receivers_file``), which lies in the folder of secrets of the
cluster's state and never in the checkout: a webhook's address is a secret in itself. It has two lists in
Alertmanager's own terms (https://prometheus.io/docs/alerting/latest/configuration/)::

    receivers:                    # named critical, warning or info: told of alerts of that severity
      - name: critical
        webhook_configs: [{url: "https://…"}]
    routes: []                    # asked before the routes by severity; the first that matches decides
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from warren.errors import NotReadyError
from warren.reader import parse_file
from warren.state import State
from warren.topology import Topology

#: There whether the file has them or not: the routes by severity lead to them.
BY_SEVERITY = ("critical", "warning", "info")
NOBODY = "nobody"
_OTHERS_MAY_READ = 0o077

Fault = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receivers:
    """What the file says, as it says it."""

    receivers: list[dict[str, Any]] = field(default_factory=list)
    routes: list[dict[str, Any]] = field(default_factory=list)


def read(topology: Topology, state: State) -> Receivers:
    """The receivers of ``topology``'s file, none where it names no file.

    Raises NotReadyError where the file is missing or others may read it, BadInputsError for its faults.
    """
    if not topology.receivers_file:
        return Receivers()
    path = state.secrets / topology.receivers_file
    if not path.is_file():
        remedy = "write it, or take monitoring.receivers_file out of the topology"
        raise NotReadyError(str(path), "is not there, and the topology names it", remedy)
    if path.stat().st_mode & _OTHERS_MAY_READ:
        raise NotReadyError(str(path), "others than its owner may read it", f"chmod 600 {path}")
    document, root = parse_file(path)
    found = Receivers(receivers=_mappings(root.data, "receivers"), routes=_mappings(root.data, "routes"))
    for key in root.data:
        if key not in ("receivers", "routes"):
            root.fault(str(key), "unknown key", "known here: receivers, routes")
    for where, what, remedy in _faults(found, root.data):
        document.fault(where, what, remedy)
    document.finish()
    return found


def _mappings(data: Mapping[Any, Any], key: str) -> list[dict[str, Any]]:
    rows = data.get(key) or []
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _faults(found: Receivers, data: Mapping[Any, Any]) -> Iterator[Fault]:
    yield from _no_list("receivers", data.get("receivers"), found.receivers)
    for key, rows in (("receivers", found.receivers), ("routes", found.routes)):
        for place, row in enumerate(rows):
            if not _is_json(row):
                yield f"{key}[{place}]", "holds what JSON has not", "put dates and numbered keys in quotes"
    names = [row.get("name", "") for row in found.receivers]
    for place, name in enumerate(names):
        if not isinstance(name, str) or not name or name == NOBODY or name in names[:place]:
            what = f"{name!r} is no name for it"
            yield f"receivers[{place}].name", what, "give each its own, as text, and not 'nobody'"
    yield from _routes("routes", data.get("routes"), [NOBODY, *BY_SEVERITY, *names])


def _routes(path: str, given: Any, known: Sequence[Any]) -> Iterator[Fault]:
    """Of a list of routes, and of those below each."""
    rows = _mappings({"routes": given}, "routes")
    yield from _no_list(path, given, rows)
    for place, route in enumerate(rows):
        if route.get("receiver", NOBODY) not in known:
            said = f"no receiver {route['receiver']!r} is known"
            yield f"{path}[{place}].receiver", said, f"known: {', '.join(sorted(map(str, known)))}"
        yield from _routes(f"{path}[{place}].routes", route.get("routes"), known)


def _no_list(path: str, given: Any, rows: Sequence[Any]) -> Iterator[Fault]:
    given = given or []
    if not isinstance(given, list) or len(given) != len(rows):
        yield path, "must be a list of mappings", "see Alertmanager's own documentation"


def _is_json(row: Mapping[Any, Any]) -> bool:
    """Whether the template can write it as it stands: it does so as JSON, with sorted keys."""
    try:
        json.dumps(row, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
