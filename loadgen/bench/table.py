"""The record as Markdown: what it was measured on, and a table a cell with medians, spread and ratios."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from loadgen.bench.cells import Cell
from loadgen.bench.figures import PERFTEST, WARREN, Turn
from loadgen.bench.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One figure of a turn. ``factor`` makes it the heading's unit."""

    heading: str
    value: Callable[[Turn], float]
    factor: float = 1.0
    decimals: int = 0


def markdown(record: Record) -> str:
    """The whole record; cells without a turn are left out."""
    cores = int(record.facts.get("cores", 1))
    parts = ["\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in record.facts.items())]
    parts.append(
        f"Warm-up {record.plan['warmup_s']} s, window {record.plan['window_s']} s. Each figure is the median "
        "over the turns (least to greatest); the last row is that of the ratios of paired turns."
    )
    for cell in record.cells:
        turns = [each for each in record.turns if each.cell == cell.name]
        if turns:
            parts.append(table(cell, turns, cores, record.clients))
    return "\n\n".join(parts) + "\n"


def table(
    cell: Cell, turns: Sequence[Turn], cores: int, clients: tuple[str, str] = (WARREN, PERFTEST)
) -> str:
    """One cell: a row for each of two clients, and one of ratios where both have turns of the same number."""
    columns = _columns(cores)
    lines = [f"### {cell.name}: {cell}", ""]
    lines.append("| client | " + " | ".join(column.heading for column in columns) + " |")
    lines.append("|---" * (len(columns) + 1) + "|")
    for client in clients:
        own = [each for each in turns if each.client == client]
        if own:
            lines.append(f"| {client} | " + " | ".join(_row(own, columns)) + " |")
    pairs = list(_pairs(turns, *clients))
    if pairs:
        lines.append(f"| {' / '.join(clients)} | " + " | ".join(_ratios(pairs, columns)) + " |")
    return "\n".join([*lines, "", _note(turns)])


def _columns(cores: int) -> tuple[Column, ...]:
    return (
        Column(heading="sent msg/s", value=lambda turn: turn.sent_per_s),
        Column(heading="received msg/s", value=lambda turn: turn.received_per_s),
        Column(heading="client CPU µs/msg", value=lambda turn: turn.client_cpu_us, decimals=1),
        Column(heading="broker CPU µs/msg", value=lambda turn: turn.broker_cpu_us, decimals=1),
        Column(heading=f"ceiling on {cores} cores msg/s", value=lambda turn: turn.ceiling_per_s(cores)),
        _ms("confirm p50", lambda turn: turn.confirm_p50_s),
        _ms("confirm p99", lambda turn: turn.confirm_p99_s),
        _ms("end-to-end p50", lambda turn: turn.end_to_end_p50_s),
        _ms("end-to-end p99", lambda turn: turn.end_to_end_p99_s),
    )


def _ms(heading: str, value: Callable[[Turn], float]) -> Column:
    return Column(heading=f"{heading} ms", value=value, factor=1000.0, decimals=1)


def _row(turns: Sequence[Turn], columns: Sequence[Column]) -> Iterator[str]:
    for column in columns:
        values = [column.value(turn) * column.factor for turn in turns]
        yield _spread(values, column.decimals)


def _pairs(turns: Sequence[Turn], first: str, second: str) -> Iterator[tuple[Turn, Turn]]:
    theirs = {each.turn: each for each in turns if each.client == second}
    for each in turns:
        if each.client == first and each.turn in theirs:
            yield each, theirs[each.turn]


def _ratios(pairs: Sequence[tuple[Turn, Turn]], columns: Sequence[Column]) -> Iterator[str]:
    for column in columns:
        found = [column.value(ours) / below for ours, theirs in pairs if (below := column.value(theirs))]
        yield _spread(found, 2) if found else "-"


def _spread(values: Sequence[float], decimals: int) -> str:
    low, middle, high = (f"{value:,.{decimals}f}" for value in (min(values), median(values), max(values)))
    return f"{middle} ({low} to {high})"


def _note(turns: Sequence[Turn]) -> str:
    ours = [each for each in turns if each.verdict is not None]
    proven = sum(each.confirmed or 0 for each in ours)
    passed = sum(each.verdict == "passed" for each in ours)
    loads = [each.load_average for each in turns]
    return (
        f"Ledger: {passed} of {len(ours)} turns passed, {proven:,} confirmed messages accounted for. "
        f"Load average before the turns: {min(loads):.1f} to {max(loads):.1f}."
    )
