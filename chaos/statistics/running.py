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
from chaos.statistics.repeats import begin
from chaos.statistics.store import Store, Turn
from chaos.statistics.turns import Means, run
from warren.console import Say
from warren.errors import BadInputError, NotReadyError
from warren.state import write_atomically
from warren.wait import Clock

#: The folder of a matrix below the runs, and the file of records in it.
PREFIX, RECORDS = "matrix-", "records.jsonl"

#: Plays the game day of a file with a seed. Raises as `chaos.statistics.turns.Conduct` does.
Play = Callable[[Path, int], GameDay]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A matrix to be run in ``folder``. ``facts`` are what of the cluster decides its figures."""

    cells: tuple[Cell, ...]
    seed: int
    folder: Path
    facts: Mapping[str, Any]
    budget_s: float | None = None


def run_matrix(order: Order, play: Play, *, clock: Clock, say: Say) -> Outcome:
    """Run what of the matrix its folder does not hold yet, and sum up everything in it.

    Raises BadInputError where the folder was begun by another matrix or on a cluster set otherwise, and
    NotReadyError where another command is at it.
    """
    write_cells(order)

    def conduct(turn: Turn) -> GameDay:
        return play(cell_file(order.folder, turn.cell), turn.seed)

    store = Store(order.folder / RECORDS)
    means = Means(conduct=conduct, store=store, clock=clock, say=say, budget_s=order.budget_s)
    with store.alone():
        begin(means, matrix.plan(order.cells, order.seed, order.facts))
        stopped = run(matrix.turns(order.cells, order.seed), means)
    return outcome(order.cells, store.read(), seed=order.seed, what="matrix", stopped=stopped)


def cell_file(folder: Path, key: str) -> Path:
    """Where a cell's experiment is."""
    return folder / "cells" / f"{key}.yml"


def write_cells(order: Order) -> None:
    """Write each cell's experiment; raises NotReadyError where that fails."""
    cells = [each for each in order.cells if not each.unavailable]
    try:
        (order.folder / "cells").mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in cells:
            text = yaml.safe_dump(dict(each.document), sort_keys=False, allow_unicode=True, width=110)
            write_atomically(cell_file(order.folder, each.key), text.encode(), mode=0o600)
    except OSError as error:
        raise NotReadyError(str(order.folder), f"cannot be written: {error.strerror}") from error


def new_folder(runs: Path, now: datetime) -> Path:
    """A folder's name for a matrix that begins now."""
    return runs / f"{PREFIX}{now:%Y%m%d-%H%M%S}"


def newest_folder(runs: Path) -> Path:
    """The folder of the matrix begun last; raises BadInputError where there is none."""
    found = sorted(path.parent for path in runs.glob(f"{PREFIX}*/{RECORDS}"))
    if not found:
        raise BadInputError("--resume", f"there is no matrix in {runs}", "begin one without --resume")
    return found[-1]


def write_outcome(found: Outcome, folder: Path) -> tuple[Path, ...]:
    """Write the grid as JSON, Markdown and HTML into ``folder``; return the three files."""
    paths = (folder / "matrix.json", folder / "matrix.md", folder / "matrix.html")
    plain = found.to_dict()
    try:
        write_atomically(paths[0], (json.dumps(plain, indent=1) + "\n").encode(), mode=0o600)
        write_atomically(paths[1], page.matrix_markdown(found).encode(), mode=0o600)
    except OSError as error:
        raise NotReadyError(str(folder), f"cannot be written: {error.strerror}") from error
    # The report package stands above this one, so it is found by its name.
    importlib.import_module("report.matrix").write_matrix(plain, out=paths[2])
    return paths


def record_files(given: str, runs: Path) -> list[Path]:
    """The files of records called ``given``: files, folders that hold one, names or patterns of folders below
    ``runs``; several with commas between, each once. Raises BadInputError for one that is none."""
    found: dict[Path, None] = {}
    for each in given.split(","):
        for path in _files(each, runs):
            found[path.resolve()] = None
    return list(found)


def _files(given: str, runs: Path) -> Sequence[Path]:
    path = Path(given).expanduser()
    if path.is_file():
        return [path]
    if (path / RECORDS).is_file():
        return [path / RECORDS]
    below = sorted(runs.glob(f"{given}/{RECORDS}")) if given and "/" not in given else []
    if not below:
        known = ", ".join(sorted(each.parent.name for each in runs.glob(f"*/{RECORDS}"))[-5:]) or "none"
        raise BadInputError(given, f"holds no records of game days ({RECORDS})", f"the latest are: {known}")
    return below
