"""Medians, spread and comparisons of repeated measurements; no dependencies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


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
