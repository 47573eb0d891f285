"""The line in which packets wait their time: by when they are due, and in order within a flow."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

#: Above so many flows, those that nobody waits in any more are forgotten.
_FLOWS = 4096


@dataclass(slots=True, kw_only=True)
class Line:
    """Packets, each held for ``delay_s`` more or less ``jitter_s``, drawn evenly from ``random``.

    A packet never overtakes one of its own flow: where jitter would make it, it goes with the one before,
    as on a line; so within a flow the spread is less than was drawn.
    """

    delay_s: float
    jitter_s: float
    random: Random
    held: int = 0
    waited_s: float = 0.0
    longest_s: float = 0.0
    _due: list[tuple[float, int, float, int]] = field(default_factory=list)
    _last: dict[bytes, float] = field(default_factory=dict)
    _turn: int = 0

    def __len__(self) -> int:
        return len(self._due)

    def take(self, number: int, flow: bytes, now_s: float) -> None:
        """A packet has come."""
        due_s = now_s + self.delay_s
        if self.jitter_s:
            due_s = max(now_s, due_s + self.jitter_s * (2 * self.random.random() - 1))
        due_s = max(due_s, self._last.get(flow, 0.0))
        self._last[flow] = due_s
        if len(self._last) > _FLOWS:
            self._last = {each: last_s for each, last_s in self._last.items() if last_s > now_s}
        self._turn += 1
        heapq.heappush(self._due, (due_s, self._turn, now_s, number))

    def due(self, now_s: float, *, ahead_s: float = 0.0) -> Iterator[int]:
        """The packets whose time has come, or comes within ``ahead_s``, in order."""
        while self._due and self._due[0][0] <= now_s + ahead_s:
            _, _, came_s, number = heapq.heappop(self._due)
            waited_s = now_s - came_s
            self.held += 1
            self.waited_s += waited_s
            self.longest_s = max(self.longest_s, waited_s)
            yield number

    def next_s(self) -> float | None:
        """When the next one is due; None while nobody waits."""
        return self._due[0][0] if self._due else None

    def facts(self) -> dict[str, float]:
        """How many have waited, and for how long by this process' own clock."""
        mean_ms = 1000 * self.waited_s / self.held if self.held else 0.0
        longest_ms = 1000 * self.longest_s
        return {"held": self.held, "mean_ms": round(mean_ms, 3), "longest_ms": round(longest_ms, 3)}
