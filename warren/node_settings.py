"""What a running node was started with, so that a change of it is seen, shown and never made in silence."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from warren import render
from warren.errors import RefusedError
from warren.reader import plain
from warren.state import State, write_atomically
from warren.topology import Topology

_REMEDY = "stop and start with the new settings, messages are kept: make cluster-down cluster-up"

#: Before a node's name, its part of the Compose file.
_OF_NODE = "compose.yml, "


def wanted(topology: Topology, compose: str, environment: Mapping[str, str], state: State) -> dict[str, str]:
    """Everything that a node would have to be restarted for, by the name of the file or setting: its
    configuration files, its part of the Compose file, and what Compose is told. No secrets."""
    services = plain(compose)["services"]
    nodes = {
        f"{_OF_NODE}{node.name}": yaml.safe_dump(services[node.name], sort_keys=True)
        for node in topology.nodes
    }
    return {
        **render.broker_files(topology),
        **nodes,
        "image": environment["WARREN_IMAGE_RABBITMQ"],
        "open files": environment["WARREN_OPEN_FILES"],
        "state folder": str(state.root),
    }


def refuse_changed(state: State, settings: Mapping[str, str], topology_path: Path) -> None:
    """Raise RefusedError, with the lines that differ, where ``settings`` are not those of the last start.

    Call it only while nodes run. Without a record of the last start there is nothing to compare."""
    if not _record(state).exists():
        return
    old = json.loads(_record(state).read_text(encoding="utf-8"))
    if lines := difference(old, settings):
        what = "settings of nodes that are running would change; nothing was touched:\n" + "\n".join(lines)
        raise RefusedError(str(topology_path), what, _REMEDY)


def difference(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The lines that differ, indented under the name of their file; empty when nothing does."""
    lines: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, "").splitlines(), new.get(name, "").splitlines()
        changes = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
        if changes:
            lines.append(f"  {name}")
            lines += [f"    {line}" for line in changes if not line.startswith("@@")]
    return lines


def save(state: State, settings: Mapping[str, str]) -> None:
    """Record what the nodes are about to be started with."""
    write_atomically(_record(state), json.dumps(settings, indent=1).encode(), mode=0o600)


def nodes(state: State) -> tuple[str, ...]:
    """The nodes that there were at the last start, in the topology's order of then; none before the first."""
    if not _record(state).exists():
        return ()
    known = json.loads(_record(state).read_text(encoding="utf-8"))
    return tuple(name.removeprefix(_OF_NODE) for name in known if name.startswith(_OF_NODE))


def _record(state: State) -> Path:
    return state.rendered / "nodes.json"
