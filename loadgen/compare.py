"""Two sides of runs, figure by figure: how much changed, and whether repeats bear it out.

Each side has one run or several of the same kind. Medians are compared; with repeats the exact rank-sum test
says how often chance alone would part two such sides so far (`warren.stats.rank_sum_p`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loadgen.thresholds import UNITS, figure, known
from warren.errors import EXIT_FAILED, EXIT_OK, BadInputError
from warren.results import LoadResult
from warren.stats import ALPHA, Summary, least_rank_sum_p, rank_sum_p, summarise

SCHEMA = 1
#: What is compared, and which way is better: +1 more, -1 less.
FIGURES: Mapping[str, int] = {
    "published_per_s": 1,
    "confirmed_per_s": 1,
    "consumed_per_s": 1,
    **{
        f"{share}_{latency}_s": -1
        for latency in ("confirm", "end_to_end")
        for share in ("p50", "p95", "p99", "p999", "p9999", "max")
    },
    "p99_schedule_lag_self_s": -1,
    "p99_schedule_lag_blocked_s": -1,
    "confirm_gap_max_s": -1,
    "delivery_gap_max_s": -1,
    "drain_s": -1,
    "failed_publishes": -1,
    "lost": -1,
    "unexpected": -1,
    "nacked": -1,
    "in_doubt": -1,
    "duplicates_redelivered": -1,
    "duplicates_unflagged": -1,
    "client_cpu_us_per_message": -1,
    "client_max_rss_bytes": -1,
}
_DERIVED = ("client_cpu_us_per_message",)
#: What two runs of one kind need not have in common.
_OWN_PARAMS = ("notes", "seed", "merged")
_LIMIT = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*([<>])\s*([+-]\d+(?:\.\d+)?)\s*([A-Za-z%]*)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of both sides. ``change`` is relative to a's median, None where that is 0; ``p`` is None
    where a side has one run only; ``better`` is +1 where more is better, -1 less, 0 unknown."""

    figure: str
    better: int
    a: Summary
    b: Summary
    change: float | None
    p: float | None

    @property
    def difference(self) -> float:
        return self.b.median - self.a.median

    @property
    def significant(self) -> bool:
        return self.p is not None and self.p < ALPHA

    @property
    def meaning(self) -> str:
        """What can be said of b: better, worse, changed, or nothing."""
        if not self.significant or not self.difference:
            return ""
        if not self.better:
            return "changed"
        return "better" if self.difference * self.better > 0 else "worse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """``NAME > +10%`` or ``NAME < -20``: what b may not do beside a. ``by`` is a share where ``relative``."""

    expression: str
    figure: str
    above: bool
    by: float
    relative: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A limit and what was found: ``crossed`` is None where a side has no such figure."""

    expression: str
    found: str
    crossed: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that is said of two sides; ``notes`` tell what they do not have in common."""

    a_runs: tuple[str, ...]
    b_runs: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    crossings: tuple[Crossing, ...] = ()

    @property
    def exit_code(self) -> int:
        return EXIT_FAILED if any(each.crossed is not False for each in self.crossings) else EXIT_OK

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "a": list(self.a_runs),
            "b": list(self.b_runs),
            "notes": list(self.notes),
            "figures": [
                {**asdict(row), "significant": row.significant, "meaning": row.meaning} for row in self.rows
            ],
            "fail_if": [asdict(each) for each in self.crossings],
        }


def compare(a: Sequence[LoadResult], b: Sequence[LoadResult], *, fail_if: Sequence[str] = ()) -> Comparison:
    """Compare two sides of at least one run each.

    Raises BadInputError for a ``fail_if`` that cannot be read, and for a run that is given twice: the test
    takes each for a repeat of its own.
    """
    names = Counter(each.run_id for each in (*a, *b))
    if twice := [name for name, count in names.items() if count > 1]:
        raise BadInputError(twice[0], "is given twice", "give each run once, on one side")
    limits = [read_limit(each) for each in fail_if]
    plain_a, plain_b = [each.to_dict() for each in a], [each.to_dict() for each in b]
    figures = [*FIGURES, *(each.figure for each in limits if each.figure not in FIGURES)]
    rows = {name: row for name in figures if (row := _row(name, plain_a, plain_b)) is not None}
    return Comparison(
        a_runs=tuple(each.run_id for each in a),
        b_runs=tuple(each.run_id for each in b),
        rows=tuple(rows.values()),
        notes=tuple(_notes(a, b)),
        crossings=tuple(_crossing(each, rows.get(each.figure)) for each in limits),
    )


def read_limit(expression: str) -> Limit:
    """Parse ``p99_end_to_end_s > +10%``; raises BadInputError, saying what is wrong."""
    match = _LIMIT.fullmatch(expression)
    if match is None:
        remedy = "for example 'p99_end_to_end_s > +10%', 'consumed_per_s < -5%' or 'lost > +0'"
        raise BadInputError(
            f"--fail-if {expression!r}", "is not NAME, > or <, and a change with its sign", remedy
        )
    name, relation, number, unit = match.groups()
    if name not in FIGURES and name not in known() and not name.startswith("oracles."):
        raise BadInputError(f"--fail-if {expression!r}", f"'{name}' is no figure of a result")
    if unit not in UNITS:
        raise BadInputError(f"--fail-if {expression!r}", f"the unit '{unit}' is not known")
    return Limit(
        expression=" ".join(expression.split()),
        figure=name,
        above=relation == ">",
        by=float(number) * UNITS[unit],
        relative=unit == "%",
    )


def _row(name: str, a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> Row | None:
    """None where a run of either side has no such figure."""
    left, right = [_figure(each, name) for each in a], [_figure(each, name) for each in b]
    ours = [each for each in left if each is not None]
    theirs = [each for each in right if each is not None]
    if len(ours) < len(left) or len(theirs) < len(right):
        return None
    before, after = summarise(ours), summarise(theirs)
    repeated = min(len(ours), len(theirs)) > 1
    return Row(
        figure=name,
        better=FIGURES.get(name, 0),
        a=before,
        b=after,
        change=after.median / before.median - 1 if before.median else None,
        p=rank_sum_p(ours, theirs) if repeated else None,
    )


def _figure(result: Mapping[str, Any], name: str) -> float | None:
    if name not in _DERIVED:
        return figure(result, name)
    published = result["ledger"]["published"]
    return result["resources"]["client_cpu_s"] / published * 1e6 if published else None


def _crossing(limit: Limit, row: Row | None) -> Crossing:
    if row is None:
        return Crossing(expression=limit.expression, found="a run has no such figure", crossed=None)
    if not limit.relative:
        moved, found = row.difference, f"{row.difference:+g}"
    elif row.change is not None:
        moved, found = row.change, f"{row.change:+.1%}"
    else:
        moved = math.copysign(math.inf, row.difference) if row.difference else 0.0
        found = f"from 0 to {row.b.median:g}"
    crossed = moved > limit.by if limit.above else moved < limit.by
    if row.p is not None:
        found += f", p = {row.p:.3g}"
    return Crossing(expression=limit.expression, found=found, crossed=crossed)


def _notes(a: Sequence[LoadResult], b: Sequence[LoadResult]) -> Iterator[str]:
    yield from _on_significance(len(a), len(b))
    for side, results in (("a", a), ("b", b)):
        verdicts = sorted({each.verdict.value for each in results if each.verdict.value != "passed"})
        if verdicts:
            yield f"not every run of {side} passed: {', '.join(verdicts)}"
    profiles = sorted({each.profile for each in (*a, *b)})
    if len(profiles) > 1:
        yield f"runs of different profiles: {', '.join(profiles)}"
    keys = sorted({key for each in (*a, *b) for key in each.params} - set(_OWN_PARAMS))
    for key in keys:
        values = {repr(_plain(each.params.get(key))) for each in (*a, *b)}
        if len(values) > 1:
            shown = " / ".join(sorted(values)) if sum(map(len, values)) < 100 else "see the results"  # noqa: PLR2004
            yield f"runs differ in {key}: {shown}"


def _on_significance(a: int, b: int) -> Iterator[str]:
    if (a, b) == (1, 1):
        yield "one run each: no significance can be said"
    elif min(a, b) == 1:
        yield "one run on a side: no significance can be said"
    elif (least := least_rank_sum_p(a, b)) >= ALPHA:
        yield f"{a} and {b} runs cannot show significance (p is at least {least:.2g}); four each can"
    else:
        yield f"significant: p < {ALPHA:g} by the rank-sum test; by chance, one figure in twenty may be"


def _plain(value: Any) -> Any:
    """Tuples and lists alike: results from files have the one, fresh ones the other."""
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return value


def text(found: Comparison) -> str:
    """The comparison as a table."""
    repeated = max(len(found.a_runs), len(found.b_runs)) > 1
    lines = [f"a  {', '.join(found.a_runs)}", f"b  {', '.join(found.b_runs)}", ""]
    cells = [("", "a", "b", "change", "p", "")]
    cells += [_cells(row, repeated=repeated) for row in found.rows if row.a.maximum or row.b.maximum]
    widths = [max(len(row[at]) for row in cells) for at in range(len(cells[0]))]
    for row in cells:
        padded = [row[0].ljust(widths[0]), *(row[at].rjust(widths[at]) for at in range(1, 5)), row[5]]
        lines.append("  ".join(padded).rstrip())
    lines += ["", *found.notes]
    for each in found.crossings:
        state = {True: "FAILED", False: "holds", None: "CANNOT BE SAID"}[each.crossed]
        lines.append(f"{state}  {each.expression}  ({each.found})")
    return "\n".join(lines)


def _cells(row: Row, *, repeated: bool) -> tuple[str, str, str, str, str, str]:
    change = f"{row.change:+.1%}" if row.change is not None else ("" if not row.difference else "new")
    p = "" if row.p is None else f"{row.p:.3f}"
    return (row.figure, _side(row.a, repeated), _side(row.b, repeated), change, p, row.meaning)


def _side(side: Summary, repeated: bool) -> str:
    shown = _number(side.median)
    return f"{shown} ({_number(side.minimum)} to {_number(side.maximum)})" if repeated else shown


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e15:  # noqa: PLR2004 - whole in a float
        return str(int(value))
    return f"{value:.4g}"
