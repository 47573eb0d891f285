"""Interval logs: HdrHistogram's own library reads back what was measured."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given
from hypothesis import strategies as st

from loadgen import hlog
from loadgen.histogram import Counts, highest_in, merge, quantiles_s, record

STARTED = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
SHARES = (0.5, 0.75, 0.95, 0.99, 0.999, 0.9999, 1.0)


def counts_of(values_us: list[int]) -> Counts:
    found: Counts = {}
    for value in values_us:
        record(found, value * 1000)
    return found


@given(st.lists(st.integers(min_value=0, max_value=4_000_000_000), min_size=1, max_size=50))
def test_library_decodes_every_count_at_its_value(values_us: list[int]) -> None:
    decoded = HdrHistogram.decode(hlog.encode(counts_of(values_us)))
    assert decoded.get_total_count() == len(values_us)
    highest_s = highest_in(max(counts_of(values_us))) / 1e6
    assert decoded.get_max_value() / 1e9 == pytest.approx(highest_s, rel=1e-3, abs=1e-9)


def test_percentiles_of_the_log_are_those_of_the_result(tmp_path: Path) -> None:
    rng = random.Random(7)  # noqa: S311 - a seeded sample
    seconds = [(at, counts_of([int(rng.lognormvariate(9, 1.5)) + 1 for _ in range(500)])) for at in (0, 1, 3)]
    whole: Counts = {}
    for _, counts in seconds:
        merge(whole, counts)
    path = tmp_path / "confirm.hlog"
    hlog.write(path, "confirm", STARTED, seconds)

    joined = HdrHistogram(1, 3_600_000_000_000, 3)
    reader = HistogramLogReader(str(path), joined)
    starts, each = [], reader.get_next_interval_histogram()
    while each is not None:
        assert each.get_tag() == "confirm"
        starts.append(each.get_start_time_stamp() - STARTED.timestamp() * 1000)
        joined.add(each)
        each = reader.get_next_interval_histogram()
    reader.close()

    assert starts == [0, 1000, 3000]
    assert joined.get_total_count() == 1500
    ours = quantiles_s(whole, SHARES)
    theirs = [joined.get_value_at_percentile(share * 100) / 1e9 for share in SHARES]
    assert theirs == pytest.approx(ours, rel=2e-3)


def test_large_counts_survive() -> None:
    decoded = HdrHistogram.decode(hlog.encode({5: 3_000_000_000, 90: 1}))
    assert decoded.get_total_count() == 3_000_000_001
    assert decoded.get_count_at_value(5_000) == 3_000_000_000


def test_head_says_format_start_and_legend() -> None:
    lines = hlog.text("end_to_end", STARTED, [(2, {1500: 1}), (3, {})]).splitlines()
    assert "#[Histogram log format version 1.3]" in lines
    assert "#[StartTime: 1772366400.500 (seconds since epoch), Sun Mar 01 12:00:00 UTC 2026]" in lines
    assert lines[4].startswith('"StartTimestamp","Interval_Length","Interval_Max"')
    (only,) = lines[5:]
    assert only.startswith("Tag=end_to_end,2.000,1.000,1.500,HISTFAAAA")


def test_nothing_is_an_empty_histogram() -> None:
    assert hlog.encode({}).startswith("HISTFAAAA")
    assert HdrHistogram.decode(hlog.encode({})).get_total_count() == 0
