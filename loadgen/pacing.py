"""When each message is meant to leave: open loop, per message, no bursts.

A schedule is a pure function from a publisher's sequence number to a time, so a message that had to wait
keeps the time that it was meant for, and latencies count from there.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from loadgen.curve import SECOND_NS, Curve, Phase, Segment

Arrivals = Literal["constant", "poisson"]


class Schedule(Protocol):
    """The intended send times of one publisher, in nanoseconds after the run's start, ascending."""

    def intended_ns(self, seq: int) -> int:
        """When message ``seq`` (from 0) is meant to be sent. To be asked for ``seq`` in ascending order."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """Messages at the times at which a rate curve makes them due; publishers take every so-many-th."""

    curve: Curve
    index: int = 0
    publishers: int = 1

    @property
    def paced(self) -> bool:
        return True

    def intended_ns(self, seq: int) -> int:
        return round(self.curve.time_of(seq * self.publishers + self.index) * SECOND_NS)


class Poisson:
    """Independent arrivals whose mean rate follows a curve: a Poisson process, the same for the same seed.

    Unit-rate exponential gaps are laid along the cumulative rate and read back as times (inversion of the
    cumulative rate: E. Cinlar, Introduction to Stochastic Processes, 1975, ch. 4.7). Each publisher has a
    process of its own at its share of the rate; their sum is a Poisson process again. Holds one sum and
    the generator, so it is to be asked in ascending order; asking for the last number again is fine.
    """

    def __init__(self, curve: Curve, *, seed: int, index: int = 0, publishers: int = 1) -> None:
        self._curve = curve
        self._publishers = publishers
        self._draw = random.Random(f"arrivals {seed} {index}").random  # noqa: S311 - to be repeatable
        self._seq = -1
        self._sum = 0.0
        self._at_ns = 0

    @property
    def paced(self) -> bool:
        return True

    def intended_ns(self, seq: int) -> int:
        """Raises ValueError when asked for a message before the last one asked for."""
        if seq == self._seq:
            return self._at_ns
        if seq < self._seq:
            raise ValueError(f"message {seq} is asked for after {self._seq}")
        while self._seq < seq:
            self._sum -= math.log(1.0 - self._draw())
            self._seq += 1
        self._at_ns = round(self._curve.time_of(self._sum * self._publishers) * SECOND_NS)
        return self._at_ns


@dataclass(frozen=True, slots=True)
class Saturate:
    """As fast as the window lets: a closed loop, for finding a limit, not for latency."""

    @property
    def paced(self) -> bool:
        return False

    def intended_ns(self, seq: int) -> int:
        del seq
        return 0


def schedule(
    rate_per_s: float | None,
    *,
    index: int,
    publishers: int,
    duration_s: float = math.inf,
    phases: Sequence[Phase] = (),
    arrivals: Arrivals = "constant",
    seed: int = 1,
) -> Schedule:
    """The schedule of publisher ``index`` of ``publishers``; no rate means saturation.

    Without ``phases``, ``rate_per_s`` holds for ``duration_s``.
    """
    if rate_per_s is None:
        return Saturate()
    if arrivals == "constant" and not phases:
        return Constant(rate_per_s=rate_per_s, index=index, publishers=publishers)
    curve = Curve(phases or (steady(rate_per_s, duration_s),))
    if arrivals == "poisson":
        return Poisson(curve, seed=seed, index=index, publishers=publishers)
    return Following(curve=curve, index=index, publishers=publishers)


def steady(rate_per_s: float, duration_s: float, name: str = "steady") -> Phase:
    """A phase of one rate."""
    return Phase(name=name, segments=(Segment(from_per_s=rate_per_s, to_per_s=rate_per_s, for_s=duration_s),))


class LagClock:
    """Splits the lag of each message into what the broker made it wait and what we did.

    ``free`` is told when the loop had nothing to do although messages were due: nothing was there to be
    read, and nothing could be sent. From then on a delay is our own work, or our own rest. So a message's
    own lag runs from the later of its intended time and that instant; a loop that never rests is
    saturated, and its lag counts as its own.
    """

    __slots__ = ("_free_ns",)

    def __init__(self, start_ns: int) -> None:
        self._free_ns = start_ns

    def free(self, at_ns: int) -> None:
        self._free_ns = at_ns

    def split(self, intended_ns: int, sent_ns: int) -> tuple[int, int]:
        """(self, blocked) nanoseconds of a message meant for ``intended_ns`` and sent at ``sent_ns``."""
        lag = max(0, sent_ns - intended_ns)
        own = min(lag, max(0, sent_ns - max(intended_ns, self._free_ns)))
        return own, lag - own
