"""The benchmark's document, written after every turn: what was measured survives an end at any moment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from loadgen.bench.cells import Cell
from loadgen.bench.figures import PERFTEST, WARREN, Turn, turn_of
from warren.errors import BadInputError
from warren.state import write_atomically

SCHEMA = 2


@dataclass(slots=True, kw_only=True)
class Record:
    """``facts`` are of the machine and the programs; ``plan`` is what was asked for, of which ``clients``."""

    path: Path
    facts: Mapping[str, Any]
    plan: Mapping[str, Any]
    cells: Sequence[Cell]
    clients: tuple[str, str] = (WARREN, PERFTEST)
    turns: list[Turn] = field(default_factory=list)

    def has(self, cell: Cell, client: str, turn: int) -> bool:
        """Whether this turn has been measured."""
        return any((each.cell, each.client, each.turn) == (cell.name, client, turn) for each in self.turns)

    def add(self, turn: Turn) -> None:
        """Keep ``turn``, and write the document."""
        self.turns.append(turn)
        self.write()

    def write(self) -> None:
        write_atomically(self.path, (json.dumps(self.as_dict(), indent=1) + "\n").encode(), mode=0o644)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: every turn, none averaged away."""
        return {
            "schema": SCHEMA,
            "facts": dict(self.facts),
            "plan": dict(self.plan),
            "clients": list(self.clients),
            "cells": [asdict(cell) for cell in self.cells],
            "turns": [asdict(turn) for turn in self.turns],
        }


def resume(path: Path, record: Record) -> Record:
    """``record`` with the turns that the document at ``path`` holds of its cells.

    Raises BadInputError when it is no such document or was made by another plan: a warm-up, a window or a
    program that differs gives figures that must not stand in one table. More or fewer repeats are no matter.
    """
    where = str(path)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema"] != SCHEMA:
            raise BadInputError(where, f"is of schema {raw['schema']}, not {SCHEMA}")
        turns = [turn_of(each, where=where) for each in raw["turns"]]
        then = {**raw["plan"], **raw["facts"], "cells": {each["name"]: each for each in raw["cells"]}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(where, f"is no document of a benchmark: {error}") from error
    now = {**record.plan, **record.facts, "cells": {cell.name: asdict(cell) for cell in record.cells}}
    for key in sorted(set(now) - {"repeats", "cells"}):
        if then.get(key) != now[key]:
            what = f"was made with {key} {then.get(key)!r}, not {now[key]!r}"
            raise BadInputError(where, what, "begin anew without --resume")
    for name in sorted(set(now["cells"]) & set(then["cells"])):
        if then["cells"][name] != now["cells"][name]:
            raise BadInputError(where, f"has another cell called {name}", "begin anew without --resume")
    record.path, record.turns = path, turns
    record.cells = [*record.cells, *_others(raw["cells"], record.cells)]
    return record


def _others(raw: Sequence[Mapping[str, Any]], known: Sequence[Cell]) -> list[Cell]:
    names = {cell.name for cell in known}
    return [Cell(**each) for each in raw if each["name"] not in names]
