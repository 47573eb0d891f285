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


def test_percentile_never_slips_to_the_next_rank() -> None:
    """95 % of n values, by whole numbers: the product in floating point must not pass a rank by a hair."""
    for count in range(1, 400):
        assert stats.percentile(list(range(1, count + 1)), 0.95) == -(-95 * count // 100)


#: R. G. Newcombe, Statist. Med. 17 (1998), table I, method 3.
NEWCOMBE = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
]


@pytest.mark.parametrize(("events", "trials", "low", "high"), NEWCOMBE)
def test_wilson_interval_is_as_published(events: int, trials: int, low: float, high: float) -> None:
    assert stats.wilson(events, trials) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_wilson_interval_mirrors_and_ends_at_one() -> None:
    low, high = stats.wilson(3, 10)
    assert stats.wilson(7, 10) == (pytest.approx(1 - high), pytest.approx(1 - low))
    assert stats.wilson(10, 10)[1] == 1.0


@pytest.mark.parametrize("trials", [10, 14, 100, 123_456])
def test_nothing_seen_is_bounded_by_the_rule_of_three(trials: int) -> None:
    """Hanley and Lippman-Hand: no event in 14 says at most 21 %, and the exact bound lies below 3/n."""
    found = stats.bound(0, trials)
    assert found is not None
    assert (found.low, found.method) == (0.0, "rule of three")
    assert found.high == pytest.approx(3 / trials)
    exact = 1 - 0.05 ** (1 / trials)
    assert exact < found.high < exact * 1.2


def test_bound_of_one_run_is_no_more_than_all() -> None:
    found = stats.bound(0, 2)
    assert found is not None
    assert found.high == 1.0


def test_something_seen_is_bounded_by_wilson() -> None:
    found = stats.bound(1, 29)
    assert found is not None
    assert (found.low, found.high, found.method) == (*stats.wilson(1, 29), "Wilson")


def test_bound_without_a_trial_is_none_and_impossible_counts_are_refused() -> None:
    assert stats.bound(0, 0) is None
    for events, trials in ((2, 1), (-1, 3), (1, 0)):
        with pytest.raises(ValueError, match="is no share"):
            stats.bound(events, trials)


def test_fisher_is_as_published() -> None:
    # The lady tasting tea (The Design of Experiments): 3 of 4 and 1 of 4; convicts among twins (1935).
    assert stats.fisher_p(3, 4, 1, 4) == pytest.approx(0.4857, abs=5e-5)
    assert stats.fisher_p(10, 13, 2, 17) == pytest.approx(0.0005367, abs=5e-8)


def test_fisher_of_equal_shares_is_one_and_does_not_care_for_sides() -> None:
    assert stats.fisher_p(0, 10, 0, 10) == 1.0
    assert stats.fisher_p(2, 5, 2, 5) == pytest.approx(1.0)
    assert stats.fisher_p(1, 7, 6, 9) == pytest.approx(stats.fisher_p(6, 9, 1, 7))


def test_least_p_is_what_parted_sides_get() -> None:
    assert stats.least_rank_sum_p(4, 5) == pytest.approx(stats.rank_sum_p([1, 2, 3, 4], [5, 6, 7, 8, 9]))
