"""Medians, percentiles and the exact rank-sum test."""

from __future__ import annotations

import pytest

from warren import stats


def test_median_of_odd_and_even_counts() -> None:
    assert stats.median([3, 1, 2]) == 2
    assert stats.median([4, 1, 2, 3]) == 2.5


def test_summary_tells_range_and_spread() -> None:
    found = stats.summarise([8.0, 10.0, 12.0])
    assert (found.count, found.median, found.minimum, found.maximum) == (3, 10.0, 8.0, 12.0)
    assert found.spread == pytest.approx(0.4)


@pytest.mark.parametrize(("share", "value"), [(0.5, 5), (0.9, 9), (0.91, 10), (1.0, 10), (0.01, 1)])
def test_percentile_is_the_nearest_rank(share: float, value: int) -> None:
    assert stats.percentile(list(range(10, 0, -1)), share) == value


@pytest.mark.parametrize("call", [stats.median, stats.summarise, lambda v: stats.percentile(v, 0.5)])
def test_no_values_are_refused(call: object) -> None:
    with pytest.raises(ValueError, match="no values"):
        call([])  # type: ignore[operator]


def test_rank_sum_of_separated_samples_is_the_smallest_possible() -> None:
    # Two of the 252 ways to split ten values are as extreme as complete separation.
    assert stats.rank_sum_p([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(2 / 252)


def test_rank_sum_of_equal_samples_is_one() -> None:
    assert stats.rank_sum_p([1, 1, 1], [1, 1, 1]) == pytest.approx(1.0)


def test_rank_sum_does_not_care_which_side_comes_first() -> None:
    a, b = [3.1, 2.2, 4.0], [2.9, 5.5, 6.1, 7.0]
    assert stats.rank_sum_p(a, b) == pytest.approx(stats.rank_sum_p(b, a))
