"""Many game days of one kind in one summary: each figure's spread, the bound of loss, the gravest verdict.

Figures and loss are drawn from the days that count: those whose every fault was proven, whatever their
verdict. A day whose fault did not bite would make the cluster look better than it is. A loss counts always.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chaos.record import GameDay, Held, Verdict
from chaos.statistics import days
from chaos.statistics.days import FIGURES
from warren.stats import Bound, bound, median, percentile

#: From the lightest to the gravest.
GRAVITY = tuple(Verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One figure over ``count`` days: its median, its p95 by nearest rank (the greatest of fewer than 20
    values) and its greatest, beside the interval that was expected, ``low`` to ``high`` (None: open), and
    how many days lay outside of it."""

    name: str
    count: int
    median: float
    p95: float
    maximum: float
    low: float | None = None
    high: float | None = None
    source: str = ""
    slower: int = 0
    faster: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Lost of confirmed messages over all days that count. ``days`` bounds the share of days with any loss,
    ``messages`` that of messages; None where there is no such day. Losses come in clumps, so the bound by
    days is the one to quote: messages of one day are not independent of each other."""

    lost: int
    confirmed: int
    days: Bound | None
    messages: Bound | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCount:
    """An alert that ``fired`` and ``cleared`` on so many ``of`` the days, and was ``expected`` on so many."""

    name: str
    of: int
    expected: int
    fired: int
    cleared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One day in the list of all: what repeats it (``seed``), where its record is (``run_id``), and which
    other profiles it was run ``beside``."""

    repeat: int
    seed: int
    run_id: str
    verdict: Verdict
    reasons: tuple[str, ...]
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the days of one kind came to. ``verdict`` is the gravest of them, None without any; ``struck``
    is how many of them count for figures."""

    runs: tuple[Run, ...]
    verdict: Verdict | None
    verdicts: Mapping[str, int]
    struck: int
    figures: tuple[Spread, ...]
    loss: Loss
    alerts: tuple[AlertCount, ...]

    @property
    def not_passed(self) -> tuple[Run, ...]:
        """The days to look into, the gravest first."""
        bad = [each for each in self.runs if each.verdict is not Verdict.PASSED]
        return tuple(sorted(bad, key=lambda each: -GRAVITY.index(each.verdict)))

    def figure(self, name: str) -> Spread | None:
        return next((each for each in self.figures if each.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        plain = asdict(self)
        plain["verdict"] = self.verdict.value if self.verdict else None
        for each, run in zip(plain["runs"], self.runs, strict=True):
            each["verdict"] = run.verdict.value
        return plain


def counted(found: Sequence[GameDay]) -> dict[str, int]:
    """How often each verdict was given, the lightest first; those never given are left out."""
    counts = Counter(day.verdict for day in found)
    return {each.value: counts[each] for each in GRAVITY if counts[each]}


def summarise(found: Sequence[tuple[int, GameDay]]) -> Summary:
    """Sum up ``found``: the number of each repeat, from 0, with its day; in any order, perhaps empty."""
    ordered = sorted(found, key=lambda each: each[0])
    all_days = [day for _, day in ordered]
    struck = [day for day in all_days if days.struck(day)]
    return Summary(
        runs=tuple(_run(repeat, day) for repeat, day in ordered),
        verdict=max((day.verdict for day in all_days), key=GRAVITY.index, default=None),
        verdicts=counted(all_days),
        struck=len(struck),
        figures=tuple(_spreads(struck)),
        loss=loss(all_days),
        alerts=tuple(_alerts(struck)),
    )


def _run(repeat: int, day: GameDay) -> Run:
    return Run(
        repeat=repeat,
        seed=day.seed,
        run_id=day.run_id,
        verdict=day.verdict,
        reasons=tuple(day.reasons),
        beside=tuple(day.together.get("beside", ())),
    )


def _spreads(struck: Sequence[GameDay]) -> Iterator[Spread]:
    named = {each.name: None for day in struck for each in day.expectations}
    for name in dict.fromkeys((*FIGURES, *named)):
        values = [value for day in struck if (value := days.figure(day, name)) is not None]
        if values:
            yield _spread(name, values, struck)


def _spread(name: str, values: Sequence[float], struck: Sequence[GameDay]) -> Spread:
    said = [each for day in struck if (each := days.expected(day, name)) is not None]
    held = Counter(each.held for each in said)
    # Days of one kind expect the same; where settings were changed between them, the widest is shown.
    lows, highs = [each.low for each in said], [each.high for each in said]
    return Spread(
        name=name,
        count=len(values),
        median=median(values),
        p95=percentile(values, 0.95),
        maximum=max(values),
        low=min((each for each in lows if each is not None), default=None) if None not in lows else None,
        high=max((each for each in highs if each is not None), default=None) if None not in highs else None,
        source=said[0].source if said else "",
        slower=held[Held.SLOWER],
        faster=held[Held.FASTER],
    )


def loss(found: Sequence[GameDay]) -> Loss:
    """Lost of confirmed: days count that struck and confirmed something, and every day that lost."""
    counted = [day for day in found if days.lost(day) or (days.struck(day) and days.confirmed(day))]
    lost = sum(map(days.lost, counted))
    confirmed = sum(map(days.confirmed, counted))
    return Loss(
        lost=lost,
        confirmed=confirmed,
        days=bound(sum(1 for day in counted if days.lost(day)), len(counted)),
        messages=bound(lost, confirmed) if lost <= confirmed else None,
    )


def _alerts(struck: Sequence[GameDay]) -> Iterator[AlertCount]:
    seen = [{each.name: each for each in (*day.fired, *day.alerts)} for day in struck]
    for name in dict.fromkeys(name for day in seen for name in day):
        own = [day[name] for day in seen if name in day]
        yield AlertCount(
            name=name,
            of=len(struck),
            expected=sum(1 for day in struck if name in {each.name for each in day.alerts}),
            fired=sum(1 for each in own if each.fired_at),
            cleared=sum(1 for each in own if each.cleared_at),
        )
