"""The only way to wait: a deadline, a probe, and the last error when the deadline passes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from warren.errors import DeadlineError, NotReadyError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Clock:
    """A source of monotonic seconds and a way to sleep; tests pass their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def until(
    probe: Callable[[], T],
    *,
    what: str,
    deadline_s: float,
    every_s: float = 0.5,
    remedy: str = "",
    clock: Clock | None = None,
) -> T:
    """Call ``probe`` until it returns without raising NotReadyError; return what it returned.

    ``what`` completes the sentence "waited 60 s for …". Raises DeadlineError with the probe's last
    error after ``deadline_s``; any other exception passes through at once.
    """
    clock = clock or Clock()
    end = clock.now() + deadline_s
    while True:
        try:
            return probe()
        except NotReadyError as error:
            if clock.now() >= end:
                raise DeadlineError(
                    error.where,
                    f"waited {deadline_s:g} s for {what}; last: {error.what}",
                    remedy or error.remedy,
                ) from error
        clock.sleep(min(every_s, max(0.0, end - clock.now())))
