"""What a matrix or a game day's repeats came to: cell by cell, the verdict of the whole, the exit code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from chaos.record import GameDay, Verdict
from chaos.statistics import anew
from chaos.statistics.matrix import Cell
from chaos.statistics.store import Content, Trouble
from chaos.statistics.summary import GRAVITY, Loss, Summary, counted, loss, summarise
from chaos.statistics.turns import INTERRUPTED
from warren.errors import EXIT_INTERRUPTED, EXIT_NOT_READY

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOutcome:
    """One cell: what was planned, what was made of it, and what kept the rest from being made."""

    key: str
    fault: str
    profile: str
    planned: int
    summary: Summary
    unavailable: str = ""
    troubles: tuple[Trouble, ...] = ()
    interval: Mapping[str, Any] = field(default_factory=dict)

    @property
    def made(self) -> int:
        return len(self.summary.runs)

    @property
    def why_empty(self) -> str:
        """Why there is no run of it; empty where there is one."""
        if self.made:
            return ""
        if self.unavailable:
            return self.unavailable
        return f"{self.troubles[-1].where}: {self.troubles[-1].what}" if self.troubles else "not run yet"

    def to_dict(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "fault": self.fault,
            "profile": self.profile,
            "planned": self.planned,
            "made": self.made,
            "unavailable": self.unavailable,
            "why_empty": self.why_empty,
            "troubles": [
                {"seed": each.turn.seed, "where": each.where, "what": each.what} for each in self.troubles
            ],
            "expected": dict(self.interval),
            **self.summary.to_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The whole. ``stopped`` is why it ended before its last run, empty where it did not; ``verdicts`` and
    ``loss`` are over all cells; ``settings`` and ``versions`` are those of the records."""

    what: str
    seed: int
    cells: tuple[CellOutcome, ...]
    verdicts: Mapping[str, int]
    loss: Loss
    stopped: str = ""
    damage: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def planned(self) -> int:
        return sum(each.planned for each in self.cells if not each.unavailable)

    @property
    def made(self) -> int:
        return sum(each.made for each in self.cells)

    @property
    def together(self) -> tuple[str, ...]:
        """The profiles that were run at once, under one fault; none where each was run alone."""
        beside = {each for cell in self.cells for run in cell.summary.runs for each in run.beside}
        return tuple(dict.fromkeys(each.profile for each in self.cells if each.profile in beside))

    @property
    def gaps(self) -> tuple[str, ...]:
        """Why less can be said than was asked for: cells without any run, and runs that were not made."""
        return tuple(self._gaps())

    def _gaps(self) -> Iterator[str]:
        for each in self.cells:
            if not each.unavailable and not each.made:
                yield f"{each.key}: no run of it was made ({each.why_empty})"
            elif each.troubles:
                last = each.troubles[-1]
                count = len(each.troubles)
                yield f"{each.key}: {count} could not be made, the last of seed {last.turn.seed}: {last.what}"

    @property
    def verdict(self) -> Verdict:
        """The gravest of all runs, and at least inconclusive where a cell has none or a run was not made."""
        own = [Verdict(each) for each in self.verdicts]
        doubt = [Verdict.INCONCLUSIVE] if self.gaps or not own else []
        return max([*own, *doubt], key=GRAVITY.index)

    @property
    def exit_code(self) -> int:
        """That of the verdict; 130 when interrupted, 3 when no run at all could be made."""
        if self.stopped == INTERRUPTED:
            return EXIT_INTERRUPTED
        if not self.made and any(not each.refused for cell in self.cells for each in cell.troubles):
            return EXIT_NOT_READY
        return self.verdict.exit_code

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "what": self.what,
            "seed": self.seed,
            "verdict": self.verdict.value,
            "planned": self.planned,
            "made": self.made,
            "stopped": self.stopped,
            "gaps": list(self.gaps),
            "together": list(self.together),
            "damage": list(self.damage),
            "settings": dict(self.settings),
            "versions": dict(self.versions),
            "verdicts": dict(self.verdicts),
            "loss": asdict(self.loss),
            "cells": [each.to_dict() for each in self.cells],
        }


def outcome(cells: Sequence[Cell], content: Content, *, seed: int, what: str, stopped: str = "") -> Outcome:
    """What the file of records, read as ``content``, holds of ``cells``, by what is expected of them now."""
    found = {cell.key: [(repeat, _held(day, cell)) for repeat, day in content.of(cell.key)] for cell in cells}
    all_days = [day for each in found.values() for _, day in each]
    return Outcome(
        what=what,
        seed=seed,
        cells=tuple(_cell(each, found[each.key], content) for each in cells),
        verdicts=counted(all_days),
        loss=loss(all_days),
        stopped=stopped,
        damage=content.damage,
        settings=_common(all_days, "settings"),
        versions=_common(all_days, "versions"),
    )


def _held(day: GameDay, cell: Cell) -> GameDay:
    return anew.hold(day, cell.document) if cell.document else day


def _cell(cell: Cell, found: Sequence[tuple[int, GameDay]], content: Content) -> CellOutcome:
    return CellOutcome(
        key=cell.key,
        fault=cell.fault,
        profile=cell.profile,
        planned=cell.repeats,
        summary=summarise(found),
        unavailable=cell.unavailable,
        troubles=tuple(each for each in content.troubles if each.turn.cell == cell.key),
        interval=cell.document.get("expectations", {}),
    )


def _common(found: Sequence[GameDay], field_name: str) -> dict[str, Any]:
    """Each key of that mapping of the records; several values, should they differ, as a list."""
    values: dict[str, list[Any]] = {}
    for day in found:
        for key, value in getattr(day, field_name).items():
            known = values.setdefault(key, [])
            if value not in known:
                known.append(value)
    return {key: each[0] if len(each) == 1 else each for key, each in values.items()}
