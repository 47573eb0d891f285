"""What a ^C is to a run: counted, never the death of it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any


class Interrupts:
    """Counts ^C: the first stops publishing, the second skips the drain."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, signum: int, frame: Any) -> None:
        del signum, frame
        self.count += 1


@contextmanager
def on_interrupt(act: Callable[[int], None]) -> Iterator[None]:
    """Call ``act`` with 1, 2, … at each ^C or termination instead of dying of it."""
    count = 0

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal count
        del signum, frame
        count += 1
        act(count)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            with suppress(TypeError):
                signal.signal(number, old)
