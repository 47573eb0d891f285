"""What a ^C, a termination and a closed terminal are to a run: counted, never the death of it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from warren.console import let_go_of_dead_terminal


class Interrupts:
    """Counts ^C: the first stops publishing, the second skips the drain."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, signum: int, frame: Any) -> None:
        del signum, frame
        self.count += 1


@contextmanager
def on_interrupt(act: Callable[[int], None]) -> Iterator[None]:
    """Call ``act`` with 1, 2, … at each ^C or termination instead of dying of it.

    A closed terminal is the first of them, however often it is told: nobody sits there who could mean the
    second. Where the caller ignores it (under nohup) it stays ignored.
    """
    count = 0

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal count
        del frame
        if signum == signal.SIGHUP:
            let_go_of_dead_terminal()
            if count:
                return
        count += 1
        act(count)

    heeded = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        heeded.append(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in heeded}
    try:
        yield
    finally:
        for number, old in before.items():
            with suppress(TypeError):
                signal.signal(number, old)
