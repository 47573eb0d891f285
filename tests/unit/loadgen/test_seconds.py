"""Latencies by second: nothing is lost by packing the old ones, and they stay small."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadgen.seconds import OPEN_S, Seconds, pack, unpack

BUCKETS = st.dictionaries(st.integers(0, 2**31), st.integers(1, 2**31), max_size=30)


@given(BUCKETS)
def test_packing_loses_nothing(counts: dict[int, int]) -> None:
    assert unpack(pack(counts)) == counts


def test_old_seconds_read_as_they_were() -> None:
    found = Seconds()
    for second in range(3 * OPEN_S):
        found.add(second, "confirm", {second: 1, 5000: 2})
        found.add(second, "confirm", {5000: 1})
    assert [found.of(second) for second in found] == [
        {"confirm": {second: 1, 5000: 3}} for second in range(3 * OPEN_S)
    ]
    assert found.of(9999) == {}


def test_what_comes_late_is_added_to_its_own_second() -> None:
    found = Seconds()
    found.add(0, "confirm", {1: 1})
    found.add(500, "confirm", {2: 1})
    assert found.packed_bytes
    found.add(0, "confirm", {1: 1, 3: 1})
    found.add(0, "end_to_end", {4: 1})
    found.add(501, "confirm", {2: 1})
    assert found.of(0) == {"confirm": {1: 2, 3: 1}, "end_to_end": {4: 1}}
    assert list(found) == [0, 500, 501]


def test_a_busy_second_is_small_once_it_is_old() -> None:
    found = Seconds()
    for second in range(OPEN_S + 11):
        counts: dict[int, int] = {}
        for each in range(10_000):
            bucket = (each + second) ** 2 % 30_011 // 5
            counts[bucket] = counts.get(bucket, 0) + 1
        found.add(second, "confirm", counts)
    assert len(counts) > 2000
    assert found.packed_bytes / 10 < 4 * len(counts)
