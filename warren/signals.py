"""^C, SIGTERM and a closed terminal interrupt waiting, and never an act or its undoing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from warren.console import Say, let_go_of_dead_terminal

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_Handler = Callable[[int, FrameType | None], Any]
#: What `signal.signal` returns and takes.
_Before = _Handler | int | None


@dataclass(slots=True)
class Shield:
    """How often the user has asked to stop while the block ran."""

    noted: int = 0


@contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt as ^C does, so that what heals in ``finally`` heals.

    Only the first signal raises: many come twice (`make` hands on what its whole group was sent, a shell
    hangs up on its jobs once more), and the second would end the healing before it has begun. A wait that may
    be cut short all the same is made `interruptible`. A signal that the caller ignores (SIGHUP under nohup)
    stays ignored. Does nothing outside the main thread, where Python delivers no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in heeded}
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let the next signal interrupt the block, although an earlier one has interrupted already."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = _replace(_overhear, _interrupt)
    try:
        yield
    finally:
        _restore(before)


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
        _mind_the_terminal(number)
        if not shield.noted:
            say(f"interrupted; {doing} is finished first")
        shield.noted += 1
        last = number

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield shield
    finally:
        _restore(before)
        if last:
            signal.raise_signal(last)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    _mind_the_terminal(number)
    _replace(_interrupt, _overhear)
    raise KeyboardInterrupt


def _overhear(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """An interrupt is on its way already."""
    _mind_the_terminal(number)


def _mind_the_terminal(number: int) -> None:
    """What is still said, while the interrupted heals, must not fail for want of a terminal."""
    if number == signal.SIGHUP:
        let_go_of_dead_terminal()


def _replace(old: _Handler, new: _Handler) -> dict[signal.Signals, _Before]:
    """Give to ``new`` what ``old`` handles; what was there before, for `_restore`."""
    ours = [number for number in _SIGNALS if signal.getsignal(number) is old]
    return {number: signal.signal(number, new) for number in ours}


def _restore(before: Mapping[signal.Signals, _Before]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
