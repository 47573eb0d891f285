"""When each message is meant to leave: open loop, per message, no bursts.

A schedule is a pure function from a publisher's sequence number to a time, so a message that had to wait
keeps the time that it was meant for, and latencies count from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

SECOND_NS = 1_000_000_000


class Schedule(Protocol):
    """The intended send times of one publisher, in nanoseconds after the run's start, ascending."""

    def intended_ns(self, seq: int) -> int:
        """When message ``seq`` (from 0) is meant to be sent."""

    @property
    def paced(self) -> bool:
        """False when there is no schedule: every message is meant for the moment at which it can go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """Evenly spaced messages; publishers of one run are offset so that their sum is even too.

    ``rate_per_s`` is the whole run's; publisher ``index`` of ``publishers`` sends every so-many-th.
    """

    rate_per_s: float
    index: int = 0
    publishers: int = 1

    @property
    def paced(self) -> bool:
        return True

    def intended_ns(self, seq: int) -> int:
        return int((seq * self.publishers + self.index) * SECOND_NS / self.rate_per_s)


@dataclass(frozen=True, slots=True)
class Saturate:
    """As fast as the window lets: a closed loop, for finding a limit, not for latency."""

    @property
    def paced(self) -> bool:
        return False

    def intended_ns(self, seq: int) -> int:
        del seq
        return 0


def schedule(rate_per_s: float | None, *, index: int, publishers: int) -> Schedule:
    """The schedule of publisher ``index`` of ``publishers``; no rate means saturation."""
    if rate_per_s is None:
        return Saturate()
    return Constant(rate_per_s=rate_per_s, index=index, publishers=publishers)


class LagClock:
    """Splits the lag of each message into what the broker made it wait and what we did.

    ``slept`` is told after each wait of the loop that really waited: at that instant there was nothing
    to read and, if ``blocked``, nothing could be sent. From then on a delay is our own work. So a
    message's own lag runs from the later of its intended time and the end of the last blocked sleep; a
    loop that never sleeps is saturated, and its lag counts as its own.
    """

    __slots__ = ("_wake_ns",)

    def __init__(self, start_ns: int) -> None:
        self._wake_ns = start_ns

    def slept(self, woke_ns: int, *, blocked: bool) -> None:
        if blocked:
            self._wake_ns = woke_ns

    def split(self, intended_ns: int, sent_ns: int) -> tuple[int, int]:
        """(self, blocked) nanoseconds of a message meant for ``intended_ns`` and sent at ``sent_ns``."""
        lag = max(0, sent_ns - intended_ns)
        own = min(lag, max(0, sent_ns - max(intended_ns, self._wake_ns)))
        return own, lag - own
