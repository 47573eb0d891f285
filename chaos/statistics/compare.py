"""Two sides of game days, cell by cell and figure by figure: two versions of the broker, or two settings.

Each side has the records of one or several files, all made on one setting. Medians are compared, the exact
rank-sum test says how often chance alone would part two such sides so far, and Fisher's exact test the same
of how many days failed or lost something. Experiments that are not alike are refused: what is broken, for how
long and under which load must be the same; what is expected may follow the setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chaos.record import GameDay, Verdict
from chaos.statistics import days
from chaos.statistics.days import FIGURES, OBSERVED
from chaos.statistics.store import Content
from chaos.statistics.summary import loss
from warren.errors import BadInputError
from warren.stats import ALPHA, Summary, fisher_p, least_rank_sum_p, rank_sum_p, summarise

SCHEMA = 1
#: What of an experiment may differ between sides: words, and what follows from the cluster's settings.
_OWN = ("title", "description", "teaches", "tags", "expectations", "presumes", "alerts", "panels")
#: So many values of each side go into the exact test, which takes ever longer with more.
_MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side. ``facts`` are what of its cluster decides its figures, ``experiments`` what its cells are."""

    name: str
    facts: Mapping[str, Any]
    experiments: Mapping[str, Mapping[str, Any]]
    days: Mapping[str, tuple[GameDay, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of both sides. ``change`` is relative to a's median, None where that is 0; ``p`` is None
    where a side has one value only."""

    figure: str
    a: Summary
    b: Summary
    change: float | None
    p: float | None

    @property
    def meaning(self) -> str:
        """What can be said of b; less is better for every figure of a game day."""
        if self.p is None or self.p >= ALPHA or self.a.median == self.b.median:
            return ""
        return "better" if self.b.median < self.a.median else "worse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many days of each side something can be said of: ``a`` of ``of_a`` and ``b`` of ``of_b``."""

    what: str
    a: int
    of_a: int
    b: int
    of_b: int

    @property
    def p(self) -> float:
        return fisher_p(self.a, self.of_a, self.b, self.of_b)

    @property
    def meaning(self) -> str:
        if self.p >= ALPHA:
            return ""
        return "better" if self.b / self.of_b < self.a / self.of_a else "worse"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellComparison:
    """One cell that both sides have, with how many days each."""

    cell: str
    of_a: int
    of_b: int
    rows: tuple[Row, ...]
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that is said of two sides. ``differ`` maps each setting or version that is not the same to its two
    values; ``only`` are the cells that one side has alone."""

    a: str
    b: str
    differ: Mapping[str, tuple[Any, Any]]
    cells: tuple[CellComparison, ...]
    only: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        plain = {"schema": SCHEMA, **asdict(self)}
        for said, cell in zip(plain["cells"], self.cells, strict=True):
            for kind in ("rows", "shares"):
                for each, found in zip(said[kind], getattr(cell, kind), strict=True):
                    each.update(p=found.p, meaning=found.meaning)
        return plain


def side(name: str, contents: Sequence[tuple[str, Content]]) -> Side:
    """One side of what its files hold; each with its own name, for messages.

    Raises BadInputError where two files or records were made on different settings or versions, are of
    different experiments of one name, or hold the same record.
    """
    plan = contents[0][1].plan.get("facts", {})
    seen: Mapping[str, Any] | None = None
    experiments: dict[str, Mapping[str, Any]] = {}
    found: dict[str, dict[str, GameDay]] = {}
    for where, content in contents:
        _refuse_other_facts(where, plan, content.plan.get("facts", {}))
        for cell, document in content.plan.get("experiments", {}).items():
            _refuse_unlike(where, cell, experiments.setdefault(cell, document), document)
        for turn, day in content.days.items():
            measured = {**day.settings, **day.versions}
            seen = measured if seen is None else seen
            _refuse_other_facts(f"{where}: {day.run_id}", seen, measured)
            of_cell = found.setdefault(turn.cell, {})
            if day.run_id in of_cell:
                raise BadInputError(where, f"holds {day.run_id}, which the side has already", "give it once")
            of_cell[day.run_id] = day
    return Side(
        name=name,
        facts=_facts(plan, seen or {}),
        experiments=experiments,
        days={cell: tuple(each.values()) for cell, each in found.items()},
    )


def _facts(planned: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
    """What was planned and what was measured: the broker's version as it said it itself, where it did."""
    told = {"broker_version"} if "rabbitmq" in measured else set()
    return {**{key: value for key, value in planned.items() if key not in told}, **measured}


def _refuse_other_facts(where: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    for key, (mine, other) in _differing(ours, theirs).items():
        what = f"has {key} {other!r}, and others of the same side {mine!r}"
        raise BadInputError(where, what, "give records of one setting on each side")


def compare(a: Side, b: Side) -> Comparison:
    """Compare two sides.

    Raises BadInputError where they have no cell in common, one of a name that is not the same experiment, or
    the same record on both sides.
    """
    both = [cell for cell in dict.fromkeys((*a.experiments, *a.days)) if cell in a.days and cell in b.days]
    if not both:
        what = f"has no game day in common with {a.name}: {_list(b.days)} / {_list(a.days)}"
        raise BadInputError(b.name, what, "compare records of the same experiments")
    for cell in both:
        _refuse_unlike(b.name, cell, a.experiments.get(cell, {}), b.experiments.get(cell, {}))
        if twice := {day.run_id for day in a.days[cell]} & {day.run_id for day in b.days[cell]}:
            raise BadInputError(min(twice), "is on both sides", "give each record once, on one side")
    cells = tuple(_cell(cell, a.days[cell], b.days[cell]) for cell in both)
    differ = _differing(a.facts, b.facts)
    return Comparison(
        a=a.name,
        b=b.name,
        differ=differ,
        cells=cells,
        only={
            "a": tuple(cell for cell in a.days if cell not in b.days),
            "b": tuple(cell for cell in b.days if cell not in a.days),
        },
        notes=tuple(_notes(cells, differ)),
    )


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {key: (a.get(key), b.get(key)) for key in sorted({*a, *b}) if a.get(key) != b.get(key)}


def _refuse_unlike(where: str, cell: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    unlike = [key for key in _differing(ours, theirs) if key not in _OWN]
    if unlike:
        what = f"has another experiment called {cell}: they differ in {', '.join(unlike)}"
        raise BadInputError(where, what, "only what is broken alike can be compared")


def _list(cells: Mapping[str, Any]) -> str:
    return ", ".join(cells) or "none"


def _cell(cell: str, a: Sequence[GameDay], b: Sequence[GameDay]) -> CellComparison:
    struck_a, struck_b = [day for day in a if days.struck(day)], [day for day in b if days.struck(day)]
    names = (*FIGURES, *OBSERVED)
    rows = (_row(name, _values(struck_a, name), _values(struck_b, name)) for name in names)
    return CellComparison(
        cell=cell,
        of_a=len(a),
        of_b=len(b),
        rows=tuple(each for each in rows if each is not None),
        shares=tuple(_shares(a, b)),
    )


def _values(found: Sequence[GameDay], name: str) -> list[float]:
    return [value for day in found if (value := days.figure(day, name)) is not None]


def _row(name: str, a: Sequence[float], b: Sequence[float]) -> Row | None:
    """None where a side has no such figure, or where it is 0 throughout."""
    if not a or not b or not (any(a) or any(b)):
        return None
    before, after = summarise(a), summarise(b)
    repeated = min(len(a), len(b)) > 1
    return Row(
        figure=name,
        a=before,
        b=after,
        change=after.median / before.median - 1 if before.median else None,
        p=rank_sum_p(a[:_MOST], b[:_MOST]) if repeated else None,
    )


def _shares(a: Sequence[GameDay], b: Sequence[GameDay]) -> Iterator[Share]:
    bad = (Verdict.FAILED, Verdict.HANG)
    failed = [sum(1 for day in found if day.verdict in bad) for found in (a, b)]
    yield Share(what="days that failed or hung", a=failed[0], of_a=len(a), b=failed[1], of_b=len(b))
    ours, theirs = loss(a).days, loss(b).days
    if ours and theirs:
        sides = {"a": ours.events, "of_a": ours.trials, "b": theirs.events, "of_b": theirs.trials}
        yield Share(what="days with a loss", **sides)


def _notes(cells: Sequence[CellComparison], differ: Mapping[str, Any]) -> Iterator[str]:
    if not differ:
        yield "no setting or version is known to differ: the two sides are repeats of each other"
    elif len(differ) > 1:
        yield f"{len(differ)} things differ: which of them made a difference cannot be said"
    for each in cells:
        if min(each.of_a, each.of_b) == 1:
            yield f"{each.cell}: one day on a side, so no significance can be said"
        elif (least := least_rank_sum_p(each.of_a, each.of_b)) >= ALPHA:
            count = f"{each.of_a} and {each.of_b} days"
            yield f"{each.cell}: {count} cannot show significance (p is at least {least:.2g})"
        if max(each.of_a, each.of_b) > _MOST:
            yield f"{each.cell}: p is of the first {_MOST} days of each side"
    tests = sum(1 for each in cells for row in each.rows if row.p is not None)
    if tests:
        yield (
            f"p by the exact rank-sum test, {ALPHA:g} is significant; of {tests} figures, chance alone calls "
            f"{ALPHA * tests:.2g} so"
        )
