"""A mistyped name gets the nearest, and one that is near to none what there is."""

from __future__ import annotations

from warren.nearest import meant


def test_nearest_name_is_what_was_meant() -> None:
    assert meant("wrok", {"work", "retry"}, "profiles: retry, work") == "did you mean 'work'?"


def test_name_that_is_near_to_none_is_told_what_there_is() -> None:
    assert meant("zzz", ("work", "retry"), "profiles: retry, work") == "profiles: retry, work"
