"""The rate over a run's time, phase by phase, and its inverse: when the n-th message of the run is due.

Within a segment the rate goes in a straight line from one value to another, so the number of messages
that are due grows as a parabola, whose inverse is in closed form: no step of time, no accumulated error.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from loadgen.histogram import Counts

SECOND_NS = 1_000_000_000
#: Counts at the ends of segments are rounded to this many digits, so that sums of whole numbers stay whole.
_DIGITS = 6
#: What the curve does not hold is due so long after its end that no rounding brings it back.
_NEVER_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A straight piece of the curve: from one rate (messages per second) to another in ``for_s`` seconds."""

    from_per_s: float
    to_per_s: float
    for_s: float

    @property
    def messages(self) -> float:
        return (self.from_per_s + self.to_per_s) / 2 * self.for_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A named stretch of a run, for which the result has figures of its own."""

    name: str
    segments: tuple[Segment, ...]

    @property
    def for_s(self) -> float:
        return math.fsum(each.for_s for each in self.segments)

    @property
    def messages(self) -> float:
        return math.fsum(each.messages for each in self.segments)


class Curve:
    """All phases in a row, as a function from a count of messages to a time. All rates at least 0.

    Counts are mostly asked for in order, so the segment of the last one is at hand for the next.
    """

    __slots__ = (
        "_counts",
        "_from",
        "_high",
        "_length_s",
        "_low",
        "_segments",
        "_slope",
        "_start_s",
        "_starts_s",
    )

    def __init__(self, phases: Sequence[Phase]) -> None:
        self._segments = [each for phase in phases for each in phase.segments if each.for_s > 0]
        counts = accumulate((each.messages for each in self._segments), initial=0.0)
        self._counts = [round(count, _DIGITS) for count in counts]
        self._starts_s = list(accumulate((each.for_s for each in self._segments), initial=0.0))
        self._low = self._high = self._start_s = self._length_s = self._from = self._slope = 0.0

    @property
    def total(self) -> float:
        """How many messages the whole curve holds."""
        return self._counts[-1]

    @property
    def duration_s(self) -> float:
        return self._starts_s[-1]

    def time_of(self, count: float) -> float:
        """Seconds after the start at which ``count`` messages have become due; after a pause rather than
        before it. What the curve does not hold is due long after its end."""
        if not self._low <= count < self._high:
            if count >= self._counts[-1]:
                return self._starts_s[-1] + _NEVER_S
            self._seek(bisect_right(self._counts, count) - 1)
        count -= self._low
        if not self._slope:
            return self._start_s + min(self._length_s, count / self._from)
        # The root of from·t + slope·t²/2 = count, in the form that cancels nothing.
        root = math.sqrt(max(0.0, self._from * self._from + 2 * self._slope * count))
        below = self._from + root
        return self._start_s + (min(self._length_s, 2 * count / below) if below > 0 else 0.0)

    def _seek(self, at: int) -> None:
        """Have the segment at hand in which counts from ``_counts[at]`` on become due: its rate is not 0."""
        segment = self._segments[at]
        self._low, self._high = self._counts[at], self._counts[at + 1]
        self._start_s, self._length_s = self._starts_s[at], segment.for_s
        self._from = segment.from_per_s
        self._slope = (segment.to_per_s - segment.from_per_s) / segment.for_s


def ends_ns(phases: Sequence[Phase]) -> tuple[int, ...]:
    """When each phase ends, in nanoseconds after the start."""
    return tuple(round(end * SECOND_NS) for end in accumulate(phase.for_s for phase in phases))


class Split:
    """One histogram per phase of the run, by the time for which a message was meant.

    Messages come nearly in order, so the last phase that was asked for is mostly the one.
    """

    __slots__ = ("_bounds", "_current", "_high", "_low", "_parts")

    def __init__(self, ends: Sequence[int]) -> None:
        """``ends`` as from `ends_ns`; none or one means one histogram."""
        self._bounds = list(ends[:-1])
        self._parts: list[Counts] = [{} for _ in range(len(self._bounds) + 1)]
        self._low = self._high = 0
        self._current = self._parts[0]

    def of(self, at_ns: int) -> Counts:
        """The histogram of the phase that ``at_ns`` (after the start) lies in."""
        if not self._low <= at_ns < self._high:
            self._seek(at_ns)
        return self._current

    def _seek(self, at_ns: int) -> None:
        index = bisect_right(self._bounds, at_ns)
        far = 1 << 62
        self._low = self._bounds[index - 1] if index else -far
        self._high = self._bounds[index] if index < len(self._bounds) else far
        self._current = self._parts[index]

    def named(self, name: str) -> dict[str, Counts]:
        """Those with counts, called ``name`` or, where there are several phases, ``name#index``."""
        if not self._bounds:
            return {name: self._parts[0]} if self._parts[0] else {}
        return {f"{name}#{index}": part for index, part in enumerate(self._parts) if part}


def phase_of(name: str) -> tuple[str, int]:
    """The inverse of the names that `Split.named` gives: what is measured, and in which phase."""
    short, _, index = name.partition("#")
    return short, int(index or 0)
