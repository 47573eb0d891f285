"""The ledger's own benchmark: what it measures is real, and what does not hold is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from loadgen.bench import __main__ as side
from loadgen.bench import ledger
from loadgen.bench.ledger import Case, Measured, faults, measure, table
from loadgen.ledger import Bits
from warren import process
from warren.errors import NotReadyError

GOOD = Measured(
    case=Case(messages=1_000_000), publisher_ns=300, consumer_ns=300, publisher_bytes=2**20,
    consumer_bytes=2**20, judge_bytes=2**20, judge_s=0.1, found=True,
)  # fmt: skip
LONG = dataclasses.replace(GOOD, case=Case(messages=100_000_000))


@pytest.mark.parametrize(("publishers", "workers"), [(1, 1), (4, 1), (1, 3), (4, 4)])
def test_judge_misses_exactly_what_was_left_out(tmp_path: Path, publishers: int, workers: int) -> None:
    side.write(Bits.CONFIRMED, tmp_path, 4000, publishers)
    side.write(Bits.DONE, tmp_path, 4000, publishers, workers)
    assert side.judged(tmp_path, 4000, publishers)["found"] is True


def test_judge_that_misses_another_message_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    side.write(Bits.CONFIRMED, tmp_path, 4000, 1)
    with monkeypatch.context() as changed:
        changed.setattr(side, "left_out", lambda messages: 17)
        side.write(Bits.DONE, tmp_path, 4000, 1)
    assert side.judged(tmp_path, 4000, 1)["found"] is False


def test_each_side_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    [found] = measure(
        [Case(messages=200_000, publishers=2, consumers=2)],
        folder=tmp_path,
        run=process.run,
        say=lambda _: None,
    )
    assert found.found
    assert found.publisher_ns > 0
    assert found.consumer_ns > 0
    assert found.bytes > 0
    assert list(tmp_path.iterdir()) == []


def test_a_side_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="confirmed"):
        measure([Case(messages=0)], folder=tmp_path, run=process.run, say=lambda _: None)


@pytest.mark.parametrize(
    ("worse", "told"),
    [
        ({"consumer_bytes": 64 * 2**20}, "65.0 MiB"),
        ({"found": False}, "did not find"),
        ({"publisher_ns": 500.0}, "500 ns at 100,000,000"),
        ({"consumer_ns": 500.0}, "500 ns at 100,000,000"),
    ],
)
def test_what_does_not_hold_is_told(worse: dict[str, float], told: str) -> None:
    assert faults([GOOD, LONG]) == []
    [fault] = faults([GOOD, dataclasses.replace(LONG, **worse)])
    assert told in fault


def test_table_has_a_row_a_case() -> None:
    assert "| 100,000,000 | 1, 1 | 300 | 300 | 1.0 | 1.0 | 2.0 | 1.0 | 0.10 |" in table([GOOD, LONG])
    assert ledger.as_dict([GOOD])["cases"][0]["case"]["messages"] == 1_000_000
