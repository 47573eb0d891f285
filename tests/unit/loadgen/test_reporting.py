"""What a worker tells of a second is told once."""

from __future__ import annotations

from loadgen.curve import Split
from loadgen.reporting import end_to_end, taken


def test_counts_are_told_without_zeros_and_begin_anew() -> None:
    counts = {"consumed": 3, "duplicates": 0}
    assert taken(counts) == {"consumed": 3}
    assert counts == {"consumed": 0, "duplicates": 0}
    counts["duplicates"] += 1
    assert taken(counts) == {"duplicates": 1}


def test_times_are_told_by_class_and_begin_anew() -> None:
    by_class = [Split(()), Split(())]
    by_class[1].of(5)[7] = 2
    assert end_to_end(("plain", "vip"), by_class) == {"end_to_end.vip": [7, 2]}
    assert end_to_end(("plain", "vip"), by_class) == {}
