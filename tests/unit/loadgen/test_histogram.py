"""Durations are exact to three digits, and merging loses nothing."""

from __future__ import annotations

import random

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from loadgen import histogram


@given(st.integers(min_value=0, max_value=2**45))
def test_bucket_is_never_wider_than_a_thousandth_of_its_value(value_us: int) -> None:
    highest = histogram.highest_in(histogram.bucket_of(value_us))
    assert value_us <= highest <= value_us * (1 + 1 / 1000)


@given(st.integers(min_value=0, max_value=2**45))
def test_recording_uses_the_same_bucket_as_the_definition(value_us: int) -> None:
    counts: histogram.Counts = {}
    histogram.record(counts, value_us * 1000)
    assert counts == {histogram.bucket_of(value_us): 1}


def test_negative_duration_counts_as_none() -> None:
    counts: histogram.Counts = {}
    histogram.record(counts, -5_000)
    assert counts == {0: 1}


@given(
    st.lists(st.integers(min_value=0, max_value=10**12)), st.lists(st.integers(min_value=0, max_value=10**12))
)
def test_merged_parts_equal_the_whole(a: list[int], b: list[int]) -> None:
    whole: histogram.Counts = {}
    parts: list[histogram.Counts] = [{}, {}]
    for part, values in zip(parts, (a, b), strict=True):
        for value in values:
            histogram.record(whole, value)
            histogram.record(part, value)
    histogram.merge(parts[0], parts[1])
    assert parts[0] == whole


def test_percentiles_agree_with_hdrhistogram() -> None:
    rng = random.Random(4)  # noqa: S311 - a seeded sample
    other = HdrHistogram(1, 3_600_000_000, 3)
    counts: histogram.Counts = {}
    for _ in range(20_000):
        value_us = int(rng.lognormvariate(9, 2)) + 1
        histogram.record(counts, value_us * 1000)
        other.record_value(value_us)
    for share in (0.5, 0.75, 0.95, 0.99, 0.999, 1.0):
        theirs = other.get_value_at_percentile(share * 100) / 1e6
        assert histogram.percentile_s(counts, share) == pytest.approx(theirs, rel=2e-3)


def test_summary_of_nothing_is_zero() -> None:
    assert histogram.percentiles({}).count == 0
    assert histogram.percentile_s({}, 0.99) is None


def test_cumulative_counts_are_prometheus_buckets() -> None:
    counts: histogram.Counts = {}
    for value_us in (400, 900, 1_000, 20_000, 3_000_000):
        histogram.record(counts, value_us * 1000)
    assert histogram.cumulative(counts, (0.0005, 0.001, 0.1, 1.0)) == [1, 3, 4, 4]


def test_total_is_close_to_the_sum() -> None:
    counts: histogram.Counts = {}
    for _ in range(10):
        histogram.record(counts, 5_000_000_000)
    assert histogram.total_s(counts) == pytest.approx(50, rel=1e-3)
