"""What a person sees while a run lasts: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

_PLAIN_EVERY_S = 5
_NOTES = 6


class View(Protocol):
    """Takes the coordinator's events; entered for as long as the run lasts."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def show(self, event: Mapping[str, Any]) -> None: ...


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, event: Mapping[str, Any]) -> None:
        del event


class Plain(Quiet):
    """A line every few seconds, and one for each thing that happens."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = 0

    def show(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "note":
            self._print(f"  {event.get('t_s', 0):6.1f} s  {event['text']}")
        elif event["type"] == "progress" and event["t_s"] >= self._next_s:
            self._next_s = event["t_s"] + _PLAIN_EVERY_S
            self._print(line(event))

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class Fancy(Quiet):
    """A table that is redrawn each second, the last notes below it."""

    def __init__(self, console: Console, title: str) -> None:
        self._title = title
        self._notes: list[str] = []
        self._last: Mapping[str, Any] = {}
        self._live = Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "note":
            self._notes = [*self._notes, f"{event.get('t_s', 0):.1f} s  {event['text']}"][-_NOTES:]
        elif event["type"] == "progress":
            self._last = event
        if self._last:
            self._live.update(table(self._title, self._last, self._notes))


def view(console: Console, *, title: str, quiet: bool) -> View:
    """The view that fits the console."""
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
    if event["waits_for"]:
        parts.append(f"waits for {event['waits_for']}")
    return "  ".join(parts)


def table(title: str, event: Mapping[str, Any], notes: list[str]) -> Group:
    """One progress event and the latest notes as a table."""
    shown = Table(title=f"{title}   {event['t_s']} s   {event['phase']}", title_justify="left")
    for heading in ("", "total", "per second", "p99"):
        shown.add_column(heading, justify="left" if not heading else "right")
    rates = [f"{event[f'{name}_per_s']:.0f}" for name in ("published", "confirmed", "consumed")]
    shown.add_row("published", str(event["published"]), rates[0], "")
    shown.add_row("confirmed", str(event["confirmed"]), rates[1], seconds(event["confirm_p99_s"]))
    shown.add_row("consumed", str(event["consumed"]), rates[2], seconds(event["end_to_end_p99_s"]))
    for name in ("nacked", "redelivered"):
        if event[name]:
            shown.add_row(name, str(event[name]), "", "")
    shown.add_row("in flight", str(event["in_flight"]), "", "")
    waits = [f"waits for {event['waits_for']}"] if event["waits_for"] else []
    return Group(shown, *(Text(each) for each in (*waits, *notes)))


def seconds(value: float | None) -> str:
    """A duration for people: milliseconds below one second."""
    if value is None:
        return "-"
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"
