"""Asks the probes of an experiment, and says whether what they find is tolerated."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chaos.experiment import Probe
from chaos.eyes import Eyes
from warren.errors import WarrenError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a probe found at ``t_s``. ``holds`` is None where it could not be asked; ``why`` says why then."""

    probe: str
    when: str
    t_s: float
    value: Any
    holds: bool | None
    why: str = ""

    def __str__(self) -> str:
        if self.holds is None:
            return f"{self.probe}: could not be asked: {self.why}"
        return f"{self.probe}: is {self.value}{'' if self.holds else f', not {self.why}'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What probes are asked of. ``live`` is the load's last progress, ``result`` its result once there is
    one, ``since`` when the game day began."""

    eyes: Eyes
    since: datetime
    live: Mapping[str, Any]
    result: Mapping[str, Any] | None = None


def ask(probe: Probe, ground: Ground, *, when: str, t_s: float) -> Answer:
    """Ask ``probe``; one that cannot be asked says so in its answer."""
    try:
        value = _value(probe, ground)
    except WarrenError as error:
        return Answer(probe=probe.name, when=when, t_s=t_s, value=None, holds=None, why=error.what)
    if value is None:
        why = "there is no such figure (yet)"
        return Answer(probe=probe.name, when=when, t_s=t_s, value=None, holds=None, why=why)
    holds = probe.tolerance.holds(value)
    why = "" if holds else str(probe.tolerance)
    return Answer(probe=probe.name, when=when, t_s=t_s, value=value, holds=holds, why=why)


def _value(probe: Probe, ground: Ground) -> Any:
    what = probe.what
    if probe.provider == "ledger":
        return figure(what["figure"], ground)
    if probe.provider == "promql":
        return ground.eyes.value(what["query"])
    if probe.provider == "log":
        pattern = re.compile(what["pattern"])
        lines = ground.eyes.log_lines(ground.since)
        return sum(1 for entries in lines.values() for entry in entries if pattern.search(entry))
    return _broker(what, ground.eyes)


def figure(name: str, ground: Ground) -> Any:
    """A figure of the running load, or with dots in its name one of its result; None where there is none."""
    if "." not in name:
        return ground.live.get(name)
    at: Any = ground.result
    for part in name.split("."):
        at = at.get(part) if isinstance(at, Mapping) else None
    return at


def _broker(what: Mapping[str, str], eyes: Eyes) -> Any:
    asked = what["ask"]
    known: Mapping[str, Callable[[], Any]] = {
        "alarms": lambda: len(eyes.alarms()),
        "nodes_running": lambda: len(eyes.members_running()),
        "connections": eyes.connections,
        "queues_without_leader": lambda: sum(
            1 for queue in eyes.queues() if queue.members and not queue.leader
        ),
        "members_missing": lambda: sum(
            len(set(queue.members) - set(queue.online)) for queue in eyes.queues()
        ),
    }
    return known[asked]() if asked in known else _of_queue(what, eyes)


def _of_queue(what: Mapping[str, str], eyes: Eyes) -> Any:
    for queue in eyes.queues():
        if queue.name == what["queue"] and what.get("vhost", queue.vhost) == queue.vhost:
            found = getattr(queue, what["ask"])
            return str(found).partition("@")[2] if what["ask"] == "leader" and found else found
    return None
