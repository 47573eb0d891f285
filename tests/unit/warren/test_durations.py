"""Durations as people write them."""

from __future__ import annotations

import pytest

from warren.durations import parse_duration_s


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("2m", 120), ("1h", 3600), ("500ms", 0.5), ("1.5", 1.5), ("7", 7)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "5 d", "1m30s"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="30s"):
        parse_duration_s(text)
