"""^C, SIGTERM and a closed terminal interrupt waiting, and never an act or its undoing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from warren.console import Say

_ENDING = (signal.SIGTERM, signal.SIGHUP)
_SIGNALS = (signal.SIGINT, *_ENDING)


@dataclass(slots=True)
class Shield:
    """How often the user has asked to stop while the block ran."""

    noted: int = 0


@contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt as ^C does, so that what heals in ``finally`` heals.

    One that the caller ignores (SIGHUP under nohup) stays ignored. Does nothing outside the main thread,
    where Python delivers no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heeded = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def shielded(say: Say, doing: str) -> Iterator[Shield]:
    """Hold ^C, SIGTERM and SIGHUP back until the block has ended, then deliver the last of them.

    For acts that must not be half done: each is bounded by the runtime's own time limits. A block that
    tries again and again looks at the `Shield` to know when the user has had enough.
    """
    shield = Shield()
    if threading.current_thread() is not threading.main_thread():
        yield shield
        return
    last = 0

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        nonlocal last
        if not shield.noted:
            say(f"interrupted; {doing} is finished first")
        shield.noted += 1
        last = number

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield shield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if last:
            signal.raise_signal(last)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise KeyboardInterrupt
