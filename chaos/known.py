"""What an experiment may name: faults, profiles, nodes, queues, alerts and panels that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadgen import child
from warren import checkout
from warren.json_file import read_object
from warren.topology import Topology

_ALERT = re.compile(r"^\s*- alert: (\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """``panels`` are ``Board: Panel``. Names of faults and checks are those of their files."""

    topology: Topology
    faults: tuple[str, ...]
    checks: tuple[str, ...]
    profiles: tuple[str, ...]
    alerts: frozenset[str]
    panels: frozenset[str]


def known(topology: Topology, *, faults: Sequence[str], checks: Sequence[str]) -> Known:
    """What there is in this checkout and on this topology."""
    return Known(
        topology=topology,
        faults=tuple(faults),
        checks=tuple(checks),
        profiles=child.profiles(),
        alerts=alerts(),
        panels=panels(),
    )


def alerts() -> frozenset[str]:
    """The names of all alerts, off the rule files."""
    files = checkout.path("dashboards", "rules").glob("*.yml")
    texts = (path.read_text(encoding="utf-8") for path in files if not path.stem.endswith("_test"))
    return frozenset(name for text in texts for name in _ALERT.findall(text))


def panels() -> frozenset[str]:
    """``Board: Panel`` of every panel of the dashboards."""
    boards = (read_object(path) for path in checkout.path("dashboards", "generated").glob("*.json"))
    return frozenset(
        f"{str(board['title']).removeprefix('Warren / ')}: {title}"
        for board in boards
        for title in _titles(board)
    )


def _titles(board: Mapping[str, Any]) -> Iterator[str]:
    for panel in board.get("panels") or ():
        yield str(panel.get("title", ""))
        yield from _titles(panel)
