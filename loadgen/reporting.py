"""How a worker speaks with its coordinator, whatever protocol it speaks with the broker.

A worker reads its spec and then commands on standard input, one JSON object a line, and says what it has to
say the same way on standard output: what happens as it happens, and once a second its figures.
"""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from loadgen.budget import Budget, spacing_ns
from loadgen.curve import SECOND_NS, Split
from loadgen.histogram import Counts

#: Waits before the next attempt to connect, in seconds; the last repeats.
BACKOFF_S = (0.05, 0.1, 0.25, 0.5, 1.0)
#: How the histogram of a class of messages is called, before the class.
END_TO_END = "end_to_end."
#: Gaps shorter than this are not worth telling.
_GAP_NS = 10_000_000
_LINE_BYTES = 65536
#: Which of a tick's counts say how many messages moved in its second.
_MOVES = ("published", "republished", "consumed")


class Reporting(Protocol):
    """What is told of a job."""

    @property
    def credit(self) -> int:
        """How many messages may be under way: the publisher's window, the consumer's prefetch."""

    def tick(self) -> dict[str, Any]:
        """Figures since the last tick, for the coordinator."""

    def command(self, name: str) -> None:
        """``start`` (once ``t0_ns`` is set), ``stop``: begin nothing new, ``release``: the drain begins,
        ``anew``: give the connection up and open another, ``finish``: end now."""


class TakingTurns(Reporting, Protocol):
    """What a worker asks of its job between two waits, whatever protocol it speaks with the broker."""

    def lost(self) -> None:
        """The connection is gone; everything unsettled on it is unknown."""

    def turn(self, now_ns: int, *, rested_ns: int) -> int:
        """Do what is due; returns when to be called again at the latest (monotonic ns).

        ``rested_ns`` is when the loop last had nothing to do, 0 where it has not rested since the last turn.
        """

    def before_flush(self) -> None:
        """Write evidence: what was queued leaves after this."""

    @property
    def over(self) -> bool:
        """True when there is nothing left to do and the connection may be closed."""


class Gaps:
    """Silences between events, each told once it ended, and since when the one that lasts."""

    __slots__ = ("_last_ns", "_list")

    def __init__(self) -> None:
        self._last_ns = 0
        self._list: list[tuple[int, int]] = []

    def begin(self, now_ns: int) -> None:
        self._last_ns = now_ns

    def event(self, now_ns: int) -> None:
        if now_ns - self._last_ns >= _GAP_NS and self._last_ns:
            self._list.append((self._last_ns, now_ns))
        self._last_ns = now_ns

    def tell(self) -> dict[str, Any]:
        """The part of a tick: silences that ended since the last one, and since when there has been none."""
        taken, self._list = self._list, []
        return {"gaps": taken, "silent_ns": self._last_ns}


class Voice:
    """Says what a worker has to say, and hears commands. ``ended`` once its input has.

    ``budget`` is that of the worker's turns, by what moved in the last second.
    """

    def __init__(self, write: Callable[[str], None], now_ns: int, *, wakes_per_s: int) -> None:
        self.budget = Budget()
        self._wakes_per_s = wakes_per_s
        self.t0_ns = 0
        #: What messages' times are ahead of this machine's monotonic clock; 0 unless the run is in parts.
        self.body_clock_ns = 0
        self.ended = False
        self.next_tick_ns = now_ns + SECOND_NS
        self._write = write
        self._commands = b""
        self._links = {"links_opened": 0, "links_lost": 0}

    def say(self, kind: str, **fields: Any) -> None:
        self._write(json.dumps({"type": kind, **fields}, separators=(",", ":")) + "\n")

    def link_opened(self) -> None:
        self._links["links_opened"] += 1

    def link_lost(self) -> None:
        """One that nobody meant to end."""
        self._links["links_lost"] += 1

    def tick(self, job: Reporting, now_ns: int) -> None:
        """Tell the figures of the second that is over, if one is."""
        if now_ns >= self.next_tick_ns:
            self.say("tick", s=self._second(self.next_tick_ns - 1), **self._figures(job), **usage())
            self.next_tick_ns += SECOND_NS * ((now_ns - self.next_tick_ns) // SECOND_NS + 1)

    def end(self, job: Reporting, now_ns: int) -> None:
        """The last figures."""
        self.say("end", s=self._second(now_ns), **self._figures(job), **usage())

    def read_commands(self, fd: int, job: Reporting) -> bool:
        """Obey what has come on ``fd``; False once nothing more will."""
        try:
            data = os.read(fd, _LINE_BYTES)
        except BlockingIOError:
            return True
        if not data:
            self.ended = True
            return False
        *lines, self._commands = (self._commands + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line), job)
        return True

    def _obey(self, command: Mapping[str, Any], job: Reporting) -> None:
        if command["do"] == "start":
            self.t0_ns = int(command["t0_ns"])
            self.body_clock_ns = int(command.get("body_clock_ns", 0))
            self.next_tick_ns = self.t0_ns + SECOND_NS
        job.command(command["do"])

    def _second(self, at_ns: int) -> int:
        """Which second of the run ``at_ns`` is in; -1 before it began."""
        return (at_ns - self.t0_ns) // SECOND_NS if self.t0_ns else -1

    def _figures(self, job: Reporting) -> dict[str, Any]:
        """The job's, and how often its connection came and went."""
        figures = job.tick()
        moved = sum(figures["counts"].get(name, 0) for name in _MOVES)
        self.budget.every_ns = spacing_ns(self._wakes_per_s, job.credit, moved)
        figures["counts"] |= {name: count for name, count in self._links.items() if count}
        self._links = dict.fromkeys(self._links, 0)
        return figures


def usage() -> dict[str, Any]:
    """What this process has used so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu_s": used.ru_utime + used.ru_stime, "max_rss_bytes": used.ru_maxrss * 1024}


def taken(counts: dict[str, int]) -> dict[str, int]:
    """What was counted, without zeros; ``counts`` begin at zero again."""
    told = {name: count for name, count in counts.items() if count}
    counts.update(dict.fromkeys(told, 0))
    return told


def end_to_end(classes: Sequence[str], by_class: Sequence[Split]) -> dict[str, list[int]]:
    """For a tick: how long messages took, by class and phase of the run; empties ``by_class``."""
    return {
        name: pairs(each)
        for kind, split in zip(classes, by_class, strict=True)
        for name, each in split.named(f"{END_TO_END}{kind}").items()
    }


def pairs(counts: Counts) -> list[int]:
    """Bucket counts as a flat list, for JSON; empties ``counts``."""
    flat = [number for pair in counts.items() for number in pair]
    counts.clear()
    return flat


def unpairs(flat: list[int]) -> Counts:
    """The inverse of `pairs`."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
