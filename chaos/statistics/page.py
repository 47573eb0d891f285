"""What repeats, the matrix and comparisons print: tables for a terminal, and the same as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaos.record import Verdict
from chaos.statistics.days import FIGURES
from chaos.statistics.matrix import Cell, bouts
from chaos.statistics.outcome import CellOutcome, Outcome
from chaos.statistics.summary import Loss, Spread
from warren.console import shorten
from warren.stats import Bound

#: Figures that have a column of their own in the grid: as many as a terminal is wide, and all of a page's.
_NARROW = ("confirm_gap_s", "delivery_gap_s")
_WIDE = (*_NARROW, "redundancy_s", "drain_s")
_LISTED = 12


def matrix_text(found: Outcome) -> str:
    """The grid, what has to be looked into, and the whole in a line."""
    lines = [*_table(_rows(found, _NARROW)), "", *_notes(found), *_to_look_into(found)]
    return "\n".join([*lines, _last(found)])


def matrix_markdown(found: Outcome) -> str:
    """The grid for a page of docs/, with what it was measured on and the seeds."""
    rows = _rows(found, _WIDE)
    lines = [f"Seed {found.seed}; {_last(found)}", ""]
    lines += [f"- {key.replace('_', ' ')}: {value}" for key, value in sorted(_facts(found).items())]
    lines += ["", _markdown_row(rows[0]), "|---" * len(rows[0]) + "|"]
    lines += [_markdown_row(row) for row in rows[1:]]
    lines += ["", *(f"- {each}" for each in (*_notes(found), *_to_look_into(found)) if each)]
    lines += ["", "Seeds, by cell:", ""]
    for cell in found.cells:
        if cell.made:
            lines.append(f"- {cell.key}: {', '.join(str(each.seed) for each in cell.summary.runs)}")
    return "\n".join(lines) + "\n"


def repeats_text(found: Outcome) -> str:
    """One game day's repeats: each run, each figure, the bound of loss."""
    (cell,) = found.cells
    lines = [f"{'repeat':>6}  {'seed':>10}  {'verdict':<12}  record"]
    for each in cell.summary.runs:
        lines.append(f"{each.repeat + 1:>6}  {each.seed:>10}  {each.verdict.value:<12}  {each.run_id}")
    rows: list[tuple[str, ...]] = [("", "n", "median", "p95", "max", "expected", "outside")]
    rows += [_figure_row(each) for each in cell.summary.figures]
    lines += ["", *_table(rows), "", loss_text(found.loss)]
    lines += [
        f"{each.name} fired in {each.fired} of {each.of}, cleared in {each.cleared}"
        f"{'' if each.expected else '; not expected'}"
        for each in cell.summary.alerts
    ]
    return "\n".join([*lines, "", *_notes(found), *_to_look_into(found), _last(found)])


def loss_text(loss: Loss) -> str:
    """What was lost, and what that bounds."""
    head = f"lost {loss.lost:,} of {loss.confirmed:,} confirmed messages"
    if loss.days is None:
        return f"{head}: no day counts, so nothing is bounded"
    lines = [f"{head}; {bound_text(loss.days, 'days')} with a loss"]
    if loss.messages is not None:
        lines.append(f"by message: {bound_text(loss.messages, 'messages')}; {_CLUMPS}")
    return "\n".join(lines)


_CLUMPS = "losses come in clumps, so quote the bound by days"


def bound_text(bound: Bound, of: str) -> str:
    """``0 of 10 days: at most 30 % (3/n, 95 %)``."""
    head = f"{bound.events:,} of {bound.trials:,} {of}"
    if not bound.events:
        return f"{head}: at most {_share(bound.high)} (3/n, 95 %)"
    return f"{head}: {_share(bound.low)} to {_share(bound.high)} (Wilson, 95 %)"


def interval_text(low: float | None, high: float | None, unit: str = " s") -> str:
    """``5 to 11 s``; empty where nothing is expected."""
    if low is None and high is None:
        return ""
    if low is None or not low:
        return f"up to {high:g}{unit}" if high is not None else f"from {low or 0:g}{unit}"
    return f"from {low:g}{unit}" if high is None else f"{low:g} to {high:g}{unit}"


def number(value: float, name: str) -> str:
    """A figure with its unit, as its name says it."""
    return f"{value:.2f} s" if name.endswith("_s") else f"{value:.4g}"


def _share(share: float) -> str:
    return f"{share:.3g}" if share < 0.0001 else f"{100 * share:.3g} %"  # noqa: PLR2004 - a hundredth of one per cent


def _rows(found: Outcome, figures: Sequence[str]) -> list[tuple[str, ...]]:
    wide = figures == _WIDE
    heading = ["fault", "profile", "verdicts", *(["lost of confirmed"] if wide else []), "days with loss"]
    for name in figures:
        heading += [f"{_label(name)} median / max", "expected"]
    heading += ["alerts"] if wide else []
    return [tuple(heading), *(_row(each, figures, len(heading)) for each in found.cells)]


def _row(cell: CellOutcome, figures: Sequence[str], width: int) -> tuple[str, ...]:
    if not cell.made:
        said = (cell.fault, cell.profile, shorten(cell.why_empty, 60))
        return (*said, *[""] * (width - len(said)))
    wide, loss = figures == _WIDE, cell.summary.loss
    cells = [cell.fault, cell.profile, _verdicts(cell)]
    cells += [f"{loss.lost:,} of {loss.confirmed:,}"] if wide else []
    cells.append(_days(loss.days))
    for name in figures:
        spread = cell.summary.figure(name)
        cells.append(f"{spread.median:.2f} / {spread.maximum:.2f} s" if spread else "-")
        cells.append(_expected(cell, name, spread))
    alerts = ", ".join(f"{each.name} {each.fired}/{each.of}" for each in cell.summary.alerts)
    return (*cells, alerts) if wide else tuple(cells)


def _expected(cell: CellOutcome, name: str, spread: Spread | None) -> str:
    if spread is not None and (spread.low is not None or spread.high is not None):
        outside = "".join(
            f", {count} {word}"
            for count, word in ((spread.slower, "slower"), (spread.faster, "faster"))
            if count
        )
        return interval_text(spread.low, spread.high) + outside
    said = cell.interval.get(name, {})
    return interval_text(said.get("low"), said.get("high"))


def _days(bound: Bound | None) -> str:
    if bound is None:
        return "none counts"
    if bound.events:
        return f"{bound.events} of {bound.trials} ({_share(bound.low)} to {_share(bound.high)})"
    return f"0 of {bound.trials} (≤ {_share(bound.high)})"


def _verdicts(cell: CellOutcome) -> str:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in cell.summary.verdicts.items())
    return counts if cell.made >= cell.planned else f"{counts}; {cell.planned - cell.made} to come"


def _figure_row(spread: Spread) -> tuple[str, ...]:
    name, unit = spread.name, " s" if spread.name.endswith("_s") else ""
    outside = [
        f"{spread.slower} slower" if spread.slower else "",
        f"{spread.faster} faster" if spread.faster else "",
    ]
    return (
        _label(name),
        str(spread.count),
        *(number(each, name) for each in (spread.median, spread.p95, spread.maximum)),
        interval_text(spread.low, spread.high, unit),
        ", ".join(filter(None, outside)),
    )


def _label(name: str) -> str:
    return (name.removesuffix("_s") if name in FIGURES else name).replace("_", " ")


def _notes(found: Outcome) -> Iterator[str]:
    if found.together:
        yield f"run at once, under one fault, each judged by itself: {', '.join(found.together)}"
    if found.stopped:
        yield f"not everything was run: {found.stopped}; --resume goes on"
    yield from found.gaps
    yield from found.damage


def _to_look_into(found: Outcome) -> Iterator[str]:
    """Every run that did not pass, the gravest first: its seed and its record."""
    bad = [(cell.key, each) for cell in found.cells for each in cell.summary.not_passed]
    order = list(Verdict)
    bad.sort(key=lambda each: -order.index(each[1].verdict))
    for key, each in bad[:_LISTED]:
        reason = shorten(each.reasons[0], 100) if each.reasons else "no reason is recorded"
        yield f"{each.verdict.value.upper()}  {key}  seed {each.seed}  record {each.run_id}: {reason}"
    if len(bad) > _LISTED:
        yield f"and {len(bad) - _LISTED} more that did not pass: see the JSON"


def _last(found: Outcome) -> str:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in found.verdicts.items()) or "none"
    days = found.loss.days
    said = (
        f"; lost {found.loss.lost:,} of {found.loss.confirmed:,}, {bound_text(days, 'days')}" if days else ""
    )
    return f"{found.verdict.value.upper()}  {found.made} of {found.planned} runs ({counts}){said}"


def _facts(found: Outcome) -> dict[str, object]:
    return {**found.versions, **found.settings}


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(cell.ljust(widths[at]) for at, cell in enumerate(row)).rstrip() for row in rows]


def _markdown_row(row: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") or " " for cell in row) + " |"


def plan_text(cells: Sequence[Cell]) -> str:
    """What a matrix would run: each cell, how often, how long its load lasts, what is expected."""
    rows: list[tuple[str, ...]] = [("cell", "runs", "load", "what is expected")]
    for cell in cells:
        if cell.unavailable:
            rows.append((cell.key, "0", "", cell.unavailable))
            continue
        load = cell.document["load"]
        expected = [
            f"{_label(name)} {interval_text(each.get('low'), each.get('high'))}"
            for name, each in cell.document["expectations"].items()
        ]
        rows.append((cell.key, str(cell.repeats), f"{load['duration']:g} s", ", ".join(expected)))
    days, count = sum(cell.repeats for cell in cells if not cell.unavailable), len(bouts(cells, 0))
    said = (
        f"{count} runs"
        if count == days
        else f"{count} runs, of {days} cells: the profiles of a fault at once"
    )
    return "\n".join([*_table(rows), "", said])
