"""The folders of dashboard JSON and of runbooks: read afresh for each request, faults named."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
#: The name of a runbook: that of its file without the ending.
RUNBOOK = r"[a-z0-9-]{1,80}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Dashboards by uid, and one sentence for each file that is none."""

    dashboards: dict[str, dict[str, Any]]
    faults: tuple[str, ...]

    def summaries(self) -> list[dict[str, Any]]:
        """What the index shows of each dashboard, by title."""
        rows = [
            {
                "uid": uid,
                "title": str(one.get("title", uid)),
                "description": str(one.get("description") or ""),
                "tags": [str(tag) for tag in one.get("tags") or []],
                "panels": _count(one.get("panels") or []),
            }
            for uid, one in self.dashboards.items()
        ]
        return sorted(rows, key=lambda row: (str(row["title"]), str(row["uid"])))


def _are_panels(panels: object) -> bool:
    return isinstance(panels, list) and all(
        isinstance(one, dict) and _are_panels(one.get("panels") or []) for one in panels
    )


def _count(panels: list[dict[str, Any]]) -> int:
    return sum(_count(one.get("panels") or []) if one.get("type") == "row" else 1 for one in panels)


def read_dashboards(folder: Path) -> Listing:
    """Read every ``*.json`` directly in ``folder``; a file that is no dashboard is a fault, not an error."""
    dashboards: dict[str, dict[str, Any]] = {}
    faults = []
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not folder.is_dir():
        faults.append(f"{folder} is not a folder")
    for path in paths:
        fault = _read_into(path, dashboards)
        if fault:
            faults.append(f"{path.name}: {fault}")
    return Listing(dashboards=dashboards, faults=tuple(faults))


def _read_into(path: Path, dashboards: dict[str, dict[str, Any]]) -> str | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"is not readable as JSON ({error})"
    uid = content.get("uid") if isinstance(content, dict) else None
    if not isinstance(uid, str) or not _UID.fullmatch(uid):
        return "has no uid of letters, digits, - and _"
    if not _are_panels(content.get("panels") or []) or not isinstance(content.get("tags") or [], list):
        return "has panels or tags of another form than a dashboard's"
    if uid in dashboards:
        return f"has the uid {uid}, which another file has too"
    dashboards[uid] = content
    return None


def read_runbooks(folder: Path | None) -> dict[str, str]:
    """The text of every ``<name>.md`` directly in ``folder``, by name, but for those that cannot be read."""
    found = {}
    for path in sorted(folder.glob("*.md")) if folder is not None else ():
        if re.fullmatch(RUNBOOK, path.stem):
            with contextlib.suppress(OSError, ValueError):
                found[path.stem] = path.read_text(encoding="utf-8")
    return found
