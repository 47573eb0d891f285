"""Medians, spread and comparisons of repeated measurements; no dependencies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: The error that bounds and tests allow: one in twenty.
ALPHA = 0.05
#: Standard deviations of the normal distribution between which all but `ALPHA` of it lies.
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Repeated measurements in one line, in the unit of the values."""

    count: int
    median: float
    minimum: float
    maximum: float

    @property
    def spread(self) -> float:
        """(maximum - minimum) / median; 0 for a median of 0."""
        return (self.maximum - self.minimum) / self.median if self.median else 0.0


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones. Raises ValueError for no values."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def summarise(values: Sequence[float]) -> Summary:
    """Median and range of ``values``. Raises ValueError for no values."""
    return Summary(count=len(values), median=median(values), minimum=min(values), maximum=max(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0..1] of ``values`` do not exceed (nearest rank).

    Raises ValueError for no values or a share outside (0, 1].
    """
    if not values:
        raise ValueError("no values")
    if not 0 < share <= 1:
        raise ValueError(f"share {share} is not in (0, 1]")
    return sorted(values)[math.ceil(share * len(values)) - 1]


def rank_sum_p(a: Sequence[float], b: Sequence[float]) -> float:
    """Two-sided p of the Wilcoxon-Mann-Whitney rank-sum test, exact, ties counted as halves.

    Counts all splits of the pooled values, so both sides are to be small (up to about ten each).
    Source: H. B. Mann, D. R. Whitney, Ann. Math. Statist. 18 (1947). Raises ValueError for an empty side.
    """
    if not a or not b:
        raise ValueError("each side needs a value")
    pooled = sorted([*a, *b])
    rank = {value: pooled.index(value) + (pooled.count(value) + 1) / 2 for value in set(pooled)}
    doubled = [round(2 * rank[value]) for value in pooled]
    ways = _subset_sums(doubled, len(a))
    seen = round(2 * sum(rank[value] for value in a))
    centre = len(a) * (len(pooled) + 1)
    extreme = sum(count for total, count in ways.items() if abs(total - centre) >= abs(seen - centre))
    return extreme / math.comb(len(pooled), len(a))


def _subset_sums(values: Sequence[int], size: int) -> dict[int, int]:
    """How many subsets of ``size`` reach each sum."""
    ways: list[dict[int, int]] = [{0: 1}] + [{} for _ in range(size)]
    for value in values:
        for chosen in range(size, 0, -1):
            for total, count in ways[chosen - 1].items():
                ways[chosen][total + value] = ways[chosen].get(total + value, 0) + count
    return ways[size]


def least_rank_sum_p(a: int, b: int) -> float:
    """The smallest p that `rank_sum_p` gives for sides of ``a`` and ``b`` values: both parted completely."""
    return 2 / math.comb(a + b, a)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How often something happened, ``events`` of ``trials``, and between which shares (0..1) it lies.

    ``method`` is ``rule of three`` where nothing happened, else ``Wilson``; each is wrong in one case of
    twenty.
    """

    events: int
    trials: int
    low: float
    high: float
    method: str


def bound(events: int, trials: int) -> Bound | None:
    """What ``events`` of ``trials`` independent ones say of the share behind them; None without a trial.

    None seen: at most 3/n, for (1 - p)^n = 0.05 gives p = -ln(0.05)/n = 2.996/n nearly (J. A. Hanley,
    A. Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249 (1983) 1743). Some seen: the
    score interval of `wilson`. Raises ValueError for more events than trials, or fewer than none.
    """
    if not 0 <= events <= trials:
        raise ValueError(f"{events} of {trials} is no share")
    if not trials:
        return None
    if not events:
        return Bound(events=0, trials=trials, low=0.0, high=min(1.0, 3 / trials), method="rule of three")
    low, high = wilson(events, trials)
    return Bound(events=events, trials=trials, low=low, high=high, method="Wilson")


def wilson(events: int, trials: int) -> tuple[float, float]:
    """The two-sided 95 % score interval of a share, without continuity correction.

    (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n), with z = 1.96: E. B. Wilson, J. Am. Stat. Assoc. 22
    (1927) 209; method 3 of R. G. Newcombe, Statist. Med. 17 (1998) 857. Raises ValueError without a trial.
    """
    if trials <= 0:
        raise ValueError("no trials")
    share, square = events / trials, _Z * _Z / trials
    centre = share + square / 2
    half = _Z * math.sqrt(share * (1 - share) / trials + square / (4 * trials))
    # The ends are 0 and 1 exactly where all or none happened; rounding must not say otherwise.
    low = 0.0 if not events else (centre - half) / (1 + square)
    high = 1.0 if events == trials else (centre + half) / (1 + square)
    return low, high


def fisher_p(a: int, of_a: int, b: int, of_b: int) -> float:
    """Two-sided p of Fisher's exact test that ``a`` of ``of_a`` and ``b`` of ``of_b`` have the same share.

    The sum over all tables with these margins that are no likelier than the one seen: R. A. Fisher, J. R.
    Statist. Soc. 98 (1935) 39. Raises ValueError for more events than trials, or a side without a trial.
    """
    if not (0 <= a <= of_a and 0 <= b <= of_b and of_a and of_b):
        raise ValueError(f"{a} of {of_a} and {b} of {of_b} are no two shares")
    both = a + b
    ways = [
        math.comb(of_a, mine) * math.comb(of_b, both - mine)
        for mine in range(max(0, both - of_b), min(of_a, both) + 1)
    ]
    seen = math.comb(of_a, a) * math.comb(of_b, b)
    return sum(each for each in ways if each <= seen) / math.comb(of_a + of_b, both)
