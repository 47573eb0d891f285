"""Programs whose lines are followed while they work."""

from __future__ import annotations

import time

import pytest

from warren.errors import DeadlineError, NotReadyError
from warren.runtime.stream import stream


def test_lines_of_both_outputs_are_handed_over_and_returned() -> None:
    seen: list[str] = []
    done = stream(["sh", "-c", "echo one; echo two >&2; exit 3"], on_line=seen.append, timeout_s=20)
    assert seen == ["one", "two"]
    assert (done.returncode, done.stdout) == (3, "one\ntwo")


def test_program_that_stays_silent_is_ended_early() -> None:
    begun = time.monotonic()
    with pytest.raises(DeadlineError, match=r"no end within 0\.2 s"):
        stream(["sleep", "60"], on_line=lambda line: None, timeout_s=60, first_line_s=0.2)
    assert time.monotonic() - begun < 20


def test_program_that_spoke_in_time_may_go_on() -> None:
    done = stream(
        ["sh", "-c", "echo begun; sleep 0.5"], on_line=lambda line: None, timeout_s=20, first_line_s=0.3
    )
    assert done.ok


def test_program_that_takes_too_long_is_ended_and_its_last_line_told() -> None:
    with pytest.raises(DeadlineError, match="last: begun"):
        stream(["sh", "-c", "echo begun; exec sleep 60"], on_line=lambda line: None, timeout_s=0.5)


def test_program_that_does_not_exist_is_named() -> None:
    with pytest.raises(NotReadyError, match="no-such-program"):
        stream(["no-such-program"], on_line=lambda line: None, timeout_s=1)


def test_variables_are_added_to_the_environment() -> None:
    done = stream(
        ["sh", "-c", 'echo "$EXTRA"; test -n "$PATH"'],
        on_line=lambda line: None,
        timeout_s=20,
        env={"EXTRA": "x"},
    )
    assert (done.ok, done.stdout) == (True, "x")
