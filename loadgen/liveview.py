"""The screen of a running load: phase and time, rates with their last minute, latency, queues, faults, notes.

`Board` takes events and remembers what it needs, `screen` draws it: both pure, so that a test reads the text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_HISTORY = 60
_NOTES = 6
_BLOCKS = "▁▂▃▄▅▆▇█"
_RATES = ("published_per_s", "confirmed_per_s", "consumed_per_s")
_LATENCIES = ("confirm_p99_s", "end_to_end_p99_s")
_ROWS = (
    ("published", "published_per_s", None),
    ("confirmed", "confirmed_per_s", "confirm_p99_s"),
    ("consumed", "consumed_per_s", "end_to_end_p99_s"),
)


def _short() -> deque[float | None]:
    return deque(maxlen=_HISTORY)


@dataclass(slots=True)
class Board:
    """What has been heard. ``depths`` maps a queue to (ready, unacked) or None where it is not known."""

    title: str
    last: Mapping[str, Any] = field(default_factory=dict)
    history: dict[str, deque[float | None]] = field(
        default_factory=lambda: {name: _short() for name in (*_RATES, *_LATENCIES)}
    )
    depths: Mapping[str, tuple[int, int] | None] = field(default_factory=dict)
    faults: Sequence[str] = ()
    notes: deque[str] = field(default_factory=lambda: deque(maxlen=_NOTES))

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take in one event; kinds that are not shown are passed over."""
        kind = event["type"]
        if kind == "progress":
            self.last = event
            for name, kept in self.history.items():
                kept.append(event.get(name))
        elif kind == "note":
            self.notes.append(f"{event.get('t_s', 0):.1f} s  {event['text']}")
        elif kind == "depths":
            self.depths = event["queues"]
        elif kind == "faults":
            self.faults = event["open"]


def screen(board: Board) -> RenderableType:
    """The whole screen; short of a first second, what has been noted so far."""
    parts: list[RenderableType] = [_head(board)]
    if board.last:
        parts += [_figures(board), _others(board.last)]
        if board.last.get("suspected"):
            parts.append(Text(f"suspicion  {suspicion(board.last['suspected'])}", style="bold yellow"))
        if board.last.get("waits_for"):
            parts.append(Text(f"waits for {board.last['waits_for']}", style="yellow"))
    if board.depths:
        parts.append(_queues(board.depths))
    parts += [Text(f"fault      {each}", style="bold red") for each in board.faults]
    parts += [Text(each, style="dim") for each in board.notes]
    return Group(*parts)


def spark(values: Iterable[float | None]) -> str:
    """Values as blocks, the highest full; a value that is not known leaves a space."""
    kept = list(values)
    top = max((value for value in kept if value is not None), default=0.0)
    if top <= 0:
        return "".join(" " if value is None else _BLOCKS[0] for value in kept)
    return "".join(
        " " if value is None else _BLOCKS[min(7, max(0, round(value / top * 7)))] for value in kept
    )


def seconds(value: float | None) -> str:
    """A duration for people: milliseconds below one second."""
    if value is None:
        return "-"
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


def suspicion(count: int) -> str:
    """What ``suspected`` of a progress event means."""
    return f"{count:,} confirmed and missing for over 20 s, though later ones came; the drain will tell"


def _head(board: Board) -> RenderableType:
    planned_s, at_s = board.last.get("planned_s"), board.last.get("t_s", 0)
    line = Table.grid(padding=(0, 2))
    cells: list[RenderableType] = [Text(board.title, style="bold")]
    if board.last:
        cells.append(Text(str(board.last.get("phase", "")), style="cyan"))
        cells.append(Text(f"{at_s} of {planned_s:.0f} s" if planned_s and at_s <= planned_s else f"{at_s} s"))
    if planned_s:
        cells.append(ProgressBar(total=planned_s, completed=min(at_s, planned_s), width=24))
    line.add_row(*cells)
    return line


def _figures(board: Board) -> Table:
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    shown.add_column("")
    for heading in ("total", "per second"):
        shown.add_column(heading, justify="right")
    shown.add_column("last minute", min_width=20, no_wrap=True, overflow="crop")
    shown.add_column("p99", justify="right")
    shown.add_column("last minute", min_width=20, no_wrap=True, overflow="crop")
    for name, rate, latency in _ROWS:
        rates = Text(spark(_tail(board.history[rate])), style="green")
        waits = Text(spark(_tail(board.history[latency])), style="magenta") if latency else Text("")
        shown.add_row(
            name,
            f"{board.last[name]:,}",
            f"{board.last[rate]:,.0f}",
            rates,
            seconds(board.last[latency]) if latency else "",
            waits,
        )
    return shown


def _tail(values: deque[float | None]) -> list[float | None]:
    """Two figures a block where a minute does not fit a third of a narrow screen."""
    kept = list(values)
    pairs = [kept[at : at + 2] for at in range(len(kept) % 2, len(kept), 2)]
    return [
        max((value for value in pair if value is not None), default=None) for pair in pairs if pair
    ] or kept


def _others(event: Mapping[str, Any]) -> Text:
    told = [f"unanswered {event['in_flight']:,}", f"not yet settled {_open(event):,}"]
    told += [f"{name} {event[name]:,}" for name in ("nacked", "redelivered") if event.get(name)]
    return Text("ledger     " + "   ".join(told))


def _open(event: Mapping[str, Any]) -> int:
    """Confirmed messages that no consumer has brought to an end yet: no loss, but where one would show."""
    return max(0, int(event["confirmed"]) - int(event["settled"]))


def _queues(depths: Mapping[str, tuple[int, int] | None]) -> Text:
    told = [
        f"{name} {'?' if depth is None else f'{depth[0]:,} ready {depth[1]:,} unacked'}"
        for name, depth in depths.items()
    ]
    return Text("queues     " + "\n           ".join(told))
