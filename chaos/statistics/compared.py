"""The comparison of two sides as a table for a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from chaos.statistics.compare import CellComparison, Comparison, Row, Share
from warren.stats import Summary

_HEADINGS = ("", "a", "b", "change", "p", "")


def text(found: Comparison) -> str:
    """A table a cell; figures as median (least to greatest)."""
    lines = [*_head(found)]
    for cell in found.cells:
        lines += ["", f"{cell.cell}: {cell.of_a} and {cell.of_b} days"]
        rows = [_HEADINGS, *_rows(cell)]
        widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADINGS))]
        for row in rows:
            padded = [row[0].ljust(widths[0]), *(row[at].rjust(widths[at]) for at in range(1, 5)), row[5]]
            lines.append("  ".join(padded).rstrip())
    return "\n".join([*lines, "", *found.notes])


def markdown(found: Comparison) -> str:
    """The same for a page of docs/."""
    lines = [f"- {each}" for each in _head(found)]
    for cell in found.cells:
        lines += ["", f"### {cell.cell}: {cell.of_a} and {cell.of_b} days", ""]
        lines += ["| figure | a | b | change | p | b is |", "|---" * 6 + "|"]
        lines += ["| " + " | ".join(each or " " for each in row) + " |" for row in _rows(cell)]
    return "\n".join([*lines, "", *(f"- {each}" for each in found.notes)]) + "\n"


def _head(found: Comparison) -> Iterator[str]:
    yield f"a  {found.a}"
    yield f"b  {found.b}"
    for key, (ours, theirs) in found.differ.items():
        yield f"they differ in {key}: {ours} / {theirs}"
    for name, cells in found.only.items():
        if cells:
            yield f"only {name} has {', '.join(cells)}"


def _rows(cell: CellComparison) -> Iterator[tuple[str, ...]]:
    yield from (_figure(each, cell) for each in cell.rows)
    yield from (_share(each) for each in cell.shares)


def _figure(row: Row, cell: CellComparison) -> tuple[str, ...]:
    change = "" if row.change is None else f"{row.change:+.1%}"
    p = "" if row.p is None else f"{row.p:.2g}"
    return (row.figure, _side(row.a, cell.of_a), _side(row.b, cell.of_b), change, p, row.meaning)


def _share(share: Share) -> tuple[str, ...]:
    sides = (f"{share.a} of {share.of_a}", f"{share.b} of {share.of_b}")
    return (share.what, *sides, "", f"{share.p:.2g}", share.meaning)


def _side(side: Summary, days: int) -> str:
    """Median (least to greatest), and of how many days where not all have the figure."""
    shown = _number(side.median)
    if side.count > 1:
        shown += f" ({_number(side.minimum)} to {_number(side.maximum)})"
    return shown if side.count == days else f"{shown}, {side.count} of {days}"


def _number(value: float) -> str:
    return f"{value:.4g}"
