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

from collections.abc import Iterator, Mapping
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


def _faults(found: Receivers, data: Mapping[Any, Any]) -> Iterator[tuple[str, str, str]]:
    for key, rows in (("receivers", found.receivers), ("routes", found.routes)):
        given = data.get(key) or []
        if not isinstance(given, list) or len(given) != len(rows):
            yield key, "must be a list of mappings", "see Alertmanager's own documentation"
    names = [str(row.get("name", "")) for row in found.receivers]
    for place, name in enumerate(names):
        if not name or name == NOBODY or name in names[:place]:
            yield (
                f"receivers[{place}].name",
                f"{name!r} is no name for it",
                "give each its own, and not 'nobody'",
            )
    known = {NOBODY, *BY_SEVERITY, *names}
    for place, route in enumerate(found.routes):
        if route.get("receiver", NOBODY) not in known:
            said = f"no receiver {route['receiver']!r} is known"
            yield f"routes[{place}].receiver", said, f"known: {', '.join(sorted(known))}"
