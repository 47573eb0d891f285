"""`cells.yml` as typed cells: every fault named by file and key, cells chosen by name or by list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadgen.codec import LAYOUTS, Layout, least_bytes
from warren.errors import BadInputError
from warren.reader import Section, parse_file

FILE = Path(__file__).resolve().parent / "cells.yml"
#: Every cell of the file, as a list.
ALL = "all"
#: What both clients are given in every cell: unconfirmed messages of a publisher, unacknowledged ones of a
#: consumer, messages to an acknowledgement.
WINDOW, PREFETCH, ACK_BATCH = 200, 500, 50
_NAME = r"[a-z0-9][a-z0-9-]{0,30}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One shape of traffic: ``pairs`` publishers and as many consumers, spread evenly over ``queues``.

    ``rate_per_s`` is that of all publishers together; None: as fast as the window lets.
    """

    name: str
    pairs: int
    queues: int
    size_bytes: int
    body: Layout = "warren"
    rate_per_s: float | None = None

    @property
    def pairs_per_queue(self) -> int:
        return self.pairs // self.queues

    def __str__(self) -> str:
        rate = "as fast as it goes" if self.rate_per_s is None else f"{self.rate_per_s:g} messages a second"
        return (
            f"{self.pairs} publisher(s) and {self.pairs} consumer(s), {self.queues} queue(s), "
            f"{self.size_bytes} bytes, {rate}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The cells of a file by name, and its lists of names."""

    cells: Mapping[str, Cell]
    lists: Mapping[str, tuple[str, ...]]

    def choose(self, wanted: str) -> tuple[Cell, ...]:
        """The cells that ``wanted`` names: cells and lists, separated by commas; ``all`` is every cell.

        Each comes once, in the order of the words. Raises BadInputError, naming it, for an unknown word.
        """
        found: dict[str, Cell] = {}
        for word in (part.strip() for part in wanted.split(",")):
            for name in self._names(word):
                found[name] = self.cells[name]
        return tuple(found.values())

    def _names(self, word: str) -> Sequence[str]:
        if word == ALL:
            return tuple(self.cells)
        if word in self.lists:
            return self.lists[word]
        if word in self.cells:
            return (word,)
        known = ", ".join((ALL, *self.lists, *self.cells))
        raise BadInputError(f"--cells {word}", "names no cell and no list of cells", f"known: {known}")


def read(path: Path = FILE) -> Cells:
    """The cells of ``path``; raises BadInputsError with every fault of the file."""
    document, top = parse_file(path)
    top.integer("schema", low=1, high=1)
    cells = {each.name: each for each in top.sections("cells", _cell, required=True)}
    lists = _lists(top.section("lists", required=False), cells)
    top.finish()
    document.finish()
    return Cells(cells=cells, lists=lists)


def _cell(section: Section) -> Cell:
    layout: Layout = "perftest" if section.choice("body", LAYOUTS, "warren") == "perftest" else "warren"
    found = Cell(
        name=section.text("name", pattern=_NAME),
        pairs=section.integer("pairs", low=1, high=64),
        queues=section.integer("queues", low=1, high=64),
        size_bytes=section.integer("size_bytes", low=least_bytes(layout), high=16 * 1024 * 1024),
        body=layout,
        rate_per_s=_rate(section),
    )
    if found.queues and found.pairs % found.queues:
        section.fault("pairs", f"{found.pairs} pairs do not spread evenly over {found.queues} queues")
    return found


def _rate(section: Section) -> float | None:
    if section.data.get("rate", "max") == "max":
        section.known.add("rate")
        return None
    return section.number("rate", low=1, high=1_000_000)


def _lists(section: Section, cells: Mapping[str, Cell]) -> dict[str, tuple[str, ...]]:
    found = {str(name): section.texts(str(name)) for name in section.data}
    for name, names in found.items():
        if name == ALL or name in cells:
            section.fault(name, "is the name of a cell, or of all of them", "call the list something else")
        for unknown in set(names) - set(cells):
            section.fault(name, f"names '{unknown}', which is no cell")
    return found
