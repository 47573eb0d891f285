"""What a person sees while a run lasts: a live screen on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.live import Live

from loadgen import watch
from loadgen.liveview import Board, screen, seconds, suspicion

_PLAIN_EVERY_S = 5


class View(Protocol):
    """Takes the coordinator's events; entered for as long as the run lasts."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def show(self, event: Mapping[str, Any]) -> None: ...
    @property
    def watched(self) -> frozenset[str]:
        """Which of `watch.KINDS` it shows: the others need not be looked for."""
        ...


class Quiet:
    """Shows nothing."""

    watched: frozenset[str] = frozenset()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, event: Mapping[str, Any]) -> None:
        del event


class Plain(Quiet):
    """A line every few seconds, and one for each thing that happens."""

    watched = frozenset({"faults"})

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = 0
        self._faults: list[str] = []

    def show(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "note":
            self._print(f"  {event.get('t_s', 0):6.1f} s  {event['text']}")
        elif event["type"] == "progress" and event["t_s"] >= self._next_s:
            self._next_s = event["t_s"] + _PLAIN_EVERY_S
            self._print(line(event))
        elif event["type"] == "faults" and list(event["open"]) != self._faults:
            self._faults = list(event["open"])
            self._print(f"  faults: {'; '.join(self._faults) or 'none any more'}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class Fancy(Quiet):
    """The screen of `liveview`, redrawn each second."""

    watched = watch.KINDS

    def __init__(self, console: Console, title: str) -> None:
        self._board = Board(title)
        self._lock = threading.Lock()
        self._live = Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, event: Mapping[str, Any]) -> None:
        with self._lock:  # the run and what watches it from outside both tell
            self._board.hear(event)
            self._live.update(screen(self._board))


class Lines(Quiet):
    """Every event as a line of JSON, for a program that listens."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def show(self, event: Mapping[str, Any]) -> None:
        self._write(json.dumps(event, separators=(",", ":")))


def view(console: Console, *, title: str, quiet: bool, tell: Callable[[str], object] | None = None) -> View:
    """The view that fits the console; or lines of JSON, which ``tell`` writes."""
    if tell is not None:
        return Lines(tell)
    if quiet:
        return Quiet()
    return Fancy(console, title) if console.is_terminal else Plain(console)


def line(event: Mapping[str, Any]) -> str:
    """One progress event as one line."""
    parts = [
        f"{event['t_s']:4d} s  {event['phase']:<7}",
        f"published {event['published']} ({event['published_per_s']:.0f}/s)",
        f"confirmed {event['confirmed']} ({event['confirmed_per_s']:.0f}/s)",
        f"consumed {event['consumed']} ({event['consumed_per_s']:.0f}/s)",
        f"confirm p99 {seconds(event['confirm_p99_s'])}",
        f"end to end p99 {seconds(event['end_to_end_p99_s'])}",
    ]
    if event["redelivered"]:
        parts.append(f"redelivered {event['redelivered']}")
    if event.get("suspected"):
        parts.append(f"suspicion: {suspicion(event['suspected'])}")
    if event["waits_for"]:
        parts.append(f"waits for {event['waits_for']}")
    return "  ".join(parts)
