"""Faults by profiles by repeats: which game days there are, in which order they are run.

Each cell is an experiment made of the fault's template and written as a file of its own, so that
`warren chaos run FILE` repeats it alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chaos import fault as catalogue
from chaos.statistics.store import Turn
from chaos.statistics.templates import Expected, Extent, Profile, Table, Template, Timers
from chaos.statistics.turns import Bout, derived_seed
from warren.errors import BadInputError

#: An alert fires so much later than the fault, and is over so much later than the healing.
_FIRES_S, _CLEARS_S = 120.0, 300.0
_DESCRIPTION = (
    "One cell of the matrix, made of its template (chaos/statistics/templates.yml): what {profile} sees of "
    "{fault} held for {hold_s:g} s. The fault: {summary}."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for. None: what the table says. ``extent`` is one of `templates.EXTENTS`; ``together``:
    the profiles of a fault at once."""

    faults: tuple[str, ...] | None = None
    profiles: tuple[str, ...] | None = None
    repeats: int | None = None
    extent: str = "full"
    together: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One fault under one profile, or a game day called ``name``. ``document`` is its experiment in the terms
    of its file; ``unavailable`` says why it cannot be had here, else empty. Cells of one ``bout`` are run at
    once; empty: it is run alone."""

    fault: str
    profile: str
    repeats: int
    document: Mapping[str, Any]
    unavailable: str = ""
    name: str = ""
    bout: str = ""

    @property
    def key(self) -> str:
        return self.name or f"{self.fault}-{self.profile}"


def absent(fault: str) -> str:
    """Why a fault cannot be had: there is none of this name. Empty where there is."""
    return "" if fault in catalogue.names() else "this version has no such fault"


def cells(
    table: Table, wanted: Wanted, timers: Timers, *, missing: Callable[[str], str] = absent
) -> tuple[Cell, ...]:
    """The cells of the matrix, fault by fault. ``missing`` says why a fault cannot be had here, else nothing.

    Raises BadInputError for a fault or profile that the table does not have, or fewer than one repeat.
    """
    if wanted.repeats is not None and wanted.repeats < 1:
        raise BadInputError("--repeats", f"{wanted.repeats} is no number of runs", "give 1 or more")
    extent = table.extents[wanted.extent]
    faults = table.choose_faults(wanted.faults or extent.faults or tuple(table.templates))
    profiles = table.choose_profiles(wanted.profiles or extent.profiles)
    found = []
    for template in faults:
        unavailable = missing(template.fault)
        hold_s = template.quick_hold_s if extent.short_holds else template.hold_s
        for profile in profiles:
            made = _Made(template, profile, extent, replace(timers, hold_s=hold_s))
            found.append(
                Cell(
                    fault=template.fault,
                    profile=profile.name,
                    repeats=wanted.repeats or extent.repeats or template.repeats,
                    document={} if unavailable else made.document(),
                    unavailable=unavailable,
                    bout=template.fault if wanted.together and not template.alone else "",
                )
            )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Made:
    """What one experiment is made of; ``timers.hold_s`` is how long the fault is held."""

    template: Template
    profile: Profile
    extent: Extent
    timers: Timers

    def document(self) -> dict[str, Any]:
        """The experiment as its file says it."""
        fault, profile = self.template.fault, self.profile.name
        summary = catalogue.load(fault).summary
        said = _DESCRIPTION.format(profile=profile, fault=fault, hold_s=self.timers.hold_s, summary=summary)
        poll_ms = round(self.timers.poll_s * 1000)
        found: dict[str, Any] = {
            "schema": 1,
            "title": f"{fault} under {profile}",
            "description": said,
            "teaches": "docs/chaos-statistics.md says how its figures are drawn from repeats.",
            "tags": ["matrix"],
            "load": self._load(),
            "method": [self._strike()],
            "expectations": {
                each.figure: self._interval(each)
                for each in self.template.expected
                if each.figure not in self.extent.leaves_out
            },
            "presumes": {"failure_detector_poll_ms": poll_ms, "net_ticktime_s": self.timers.tick_s},
        }
        if self.template.tolerates:
            found["tolerates"] = list(self.template.tolerates)
        if self.template.alert and self.extent.alerts:
            alert = {"name": self.template.alert, "within": _FIRES_S, "clears-within": _CLEARS_S}
            found["alerts"] = [alert]
        return found

    def _interval(self, expected: Expected) -> dict[str, Any]:
        """What is expected; a drain lasts as long beyond as the profile itself holds messages back, where
        the extent does not set it otherwise."""
        found = expected.interval(self.timers)
        waits_s = 0.0 if self.extent.settings.get(self.profile.name) else self.profile.waits_s
        if expected.figure == "drain_s" and waits_s and found.get("high") is not None:
            found["high"] += waits_s
        return found

    def _load(self) -> dict[str, Any]:
        extent, profile = self.extent, self.profile
        duration_s = extent.lead_s + self.template.proof_s + self.timers.hold_s + extent.after_s
        found: dict[str, Any] = {"profile": profile.name, "rate": profile.rate_per_s, "duration": duration_s}
        if settings := extent.settings.get(profile.name):
            found["settings"] = dict(settings)
        if extent.attach != "any" and not catalogue.load(self.template.fault).is_wide:
            found["attach"] = extent.attach
        return found

    def _strike(self) -> dict[str, Any]:
        template = self.template
        found: dict[str, Any] = {"name": "strike", "at": self.extent.lead_s, "fault": template.fault}
        if not catalogue.load(template.fault).is_wide:
            leader = {"leader-of": self.profile.queue, "vhost": self.profile.vhost}
            found["target"] = dict(template.target) or leader
        if template.args:
            own = {"{queue}": self.profile.queue, "{user}": self.profile.user}
            found["args"] = {key: own.get(str(value), value) for key, value in template.args.items()}
        return {**found, "for": self.timers.hold_s}


def together(cells: Sequence[Cell]) -> tuple[str, ...]:
    """The profiles that are run at once; none where every cell is run alone."""
    found = tuple(dict.fromkeys(each.profile for each in cells if each.bout))
    return found if len(found) > 1 else ()


def bouts(cells: Sequence[Cell], seed: int) -> tuple[Bout, ...]:
    """All runs in their order: every cell once before any a second time, and in each such round every fault
    once, whatever the profile, before any a second time: a budget that ends early leaves breadth. The order
    of a round is drawn from ``seed``, so that no cell always follows the same other one and meets what that
    may have left. Cells of one bout are one run, and have one seed."""
    return tuple(_rounds([each for each in cells if not each.unavailable], seed))


def _rounds(cells: Sequence[Cell], seed: int) -> Iterator[Bout]:
    for repeat in range(max((each.repeats for each in cells), default=0)):
        groups: dict[str, list[Cell]] = {}
        for cell in cells:
            if repeat < cell.repeats:
                groups.setdefault(cell.bout or cell.key, []).append(cell)
        due = sorted(groups, key=lambda name: derived_seed(seed, "order", repeat, name))
        before = Counter[str]()
        layers = []
        for name in due:
            layers.append(before[groups[name][0].fault])
            before[groups[name][0].fault] += 1
        for _, name in sorted(zip(layers, due, strict=True), key=lambda placed: placed[0]):
            own = derived_seed(seed, name, repeat)
            yield tuple(Turn(cell=each.key, repeat=repeat, seed=own) for each in groups[name])


def plan(cells: Sequence[Cell], seed: int, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The first line of the matrix' file. ``facts`` are what of the cluster decides its figures; a cell that
    cannot be had is left out, for it may be had when the matrix is resumed."""
    return {
        "what": "matrix",
        "seed": seed,
        "facts": dict(facts),
        "experiments": {each.key: each.document for each in cells if not each.unavailable},
        "repeats": {each.key: each.repeats for each in cells},
    }
