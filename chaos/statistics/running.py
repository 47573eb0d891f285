"""Runs a matrix: its cells' experiments written, its runs made, what came of it written for people."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from chaos.record import GameDay
from chaos.statistics import matrix, page
from chaos.statistics.matrix import Cell
from chaos.statistics.outcome import Outcome, outcome
from chaos.statistics.store import Store, make_folder
from chaos.statistics.turns import Bout, Means, run
from warren.console import Say
from warren.errors import BadInputError, NotReadyError
from warren.state import write_atomically
from warren.wait import Clock

#: The file of records in the folder of a matrix, and what that begins with, by the matrix' extent.
RECORDS = "records.jsonl"
PREFIXES: Mapping[str, str] = {"full": "matrix-", "brief": "brief-matrix-", "quick": "quick-matrix-"}

#: Plays the game days of some files as one with a seed. Raises as `chaos.statistics.turns.Conduct` does.
Play = Callable[[Sequence[Path], int], Sequence[GameDay]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A matrix to be run in ``folder``. ``facts`` are what of the cluster decides its figures."""

    cells: tuple[Cell, ...]
    seed: int
    folder: Path
    facts: Mapping[str, Any]
    budget_s: float | None = None


def run_matrix(
    order: Order, play: Play, *, clock: Clock, say: Say, mend: Callable[[], None] = lambda: None
) -> Outcome:
    """Run what of the matrix its folder does not hold yet, and sum up everything in it; ``mend`` as of
    `chaos.statistics.turns.Means`.

    Raises BadInputError where the folder was begun by another matrix or on a cluster set otherwise, and
    NotReadyError where another command is at it.
    """

    def conduct(bout: Bout) -> Sequence[GameDay]:
        return play([cell_file(order.folder, turn.cell) for turn in bout], bout[0].seed)

    store = Store(order.folder / RECORDS)
    faults = {each.key: each.fault for each in order.cells}
    means = Means(
        conduct=conduct,
        store=store,
        clock=clock,
        say=say,
        budget_s=order.budget_s,
        mend=mend,
        kin=lambda cell: faults.get(cell, cell),
    )
    with store.alone():
        store.begin_or_resume(matrix.plan(order.cells, order.seed, order.facts), say)
        write_cells(order)
        stopped = run(matrix.bouts(order.cells, order.seed), means)
    return outcome(order.cells, store.read(), seed=order.seed, what="matrix", stopped=stopped)


def cell_file(folder: Path, key: str) -> Path:
    """Where a cell's experiment is."""
    return folder / "cells" / f"{key}.yml"


def write_cells(order: Order) -> None:
    """Write each cell's experiment; raises NotReadyError where that fails."""
    make_folder(order.folder / "cells")
    for each in order.cells:
        if not each.unavailable:
            text = yaml.safe_dump(dict(each.document), sort_keys=False, allow_unicode=True, width=110)
            _write(cell_file(order.folder, each.key), text)


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text.encode(), mode=0o600)
    except OSError as error:
        raise NotReadyError(str(path), f"cannot be written: {error.strerror}") from error


def new_folder(below: Path, now: datetime, prefix: str = PREFIXES["full"]) -> Path:
    """The folder of what begins now."""
    return below / f"{prefix}{now:%Y%m%d-%H%M%S}"


def newest_folder(below: Path, prefix: str = PREFIXES["full"]) -> Path | None:
    """The folder of what was begun last; None where there is none."""
    found = sorted(path.parent for path in below.glob(f"{prefix}*/{RECORDS}"))
    return found[-1] if found else None


def write_outcome(found: Outcome, folder: Path) -> tuple[Path, ...]:
    """Write the grid as JSON, Markdown and HTML into ``folder``; return the three files."""
    paths = (folder / "matrix.json", folder / "matrix.md", folder / "matrix.html")
    plain = found.to_dict()
    _write(paths[0], json.dumps(plain, indent=1, default=str) + "\n")
    _write(paths[1], page.matrix_markdown(found))
    # The report package stands above this one, so it is found by its name.
    importlib.import_module("report.matrix").write_matrix(plain, out=paths[2])
    return paths


def record_files(given: str, below: Path) -> list[Path]:
    """The files of records called ``given``: files, folders that hold one, or names or patterns of folders
    that lie ``below``; several with commas between, each once. Raises BadInputError for one that is none."""
    found: dict[Path, None] = {}
    for each in given.split(","):
        for path in _files(each, below):
            found[path.resolve()] = None
    return list(found)


def _files(given: str, below: Path) -> Sequence[Path]:
    path = Path(given).expanduser()
    if path.is_file():
        return [path]
    if (path / RECORDS).is_file():
        return [path / RECORDS]
    found = sorted(below.glob(f"{given}/{RECORDS}")) if given and "/" not in given else []
    if not found:
        known = ", ".join(sorted(each.parent.name for each in below.glob(f"*/{RECORDS}"))[-5:]) or "none"
        raise BadInputError(given, f"holds no records of game days ({RECORDS})", f"the latest are: {known}")
    return found
