"""A queue whose truth is known, seen through counters as the broker shows them: stale by up to five seconds."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from exporters.arrival_curve import Reading

REFRESH_S = 5
NODES = ("a", "b")


@dataclass(slots=True)
class ModelQueue:
    """First in, first out; one step is one second. ``skew_s`` is when in the five seconds the backlog is
    refreshed; channel counters are refreshed at 0."""

    skew_s: int = 0
    queue: deque[float] = field(default_factory=deque)
    published: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NODES, 0))
    acked: int = 0
    arrivals: list[float] = field(default_factory=list)
    departed: int = 0
    shown_published: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NODES, 0))
    shown_acked: int = 0
    shown_backlog: int = 0

    def step(
        self, second: int, arrivals: int, departures: int, *, by_publish: bool = True, acked: bool = True
    ) -> None:
        """One second: ``arrivals`` come evenly over it, at most ``departures`` leave at its end."""
        for index in range(arrivals):
            at = second + index / arrivals
            self.queue.append(at)
            self.arrivals.append(at)
            if by_publish:
                self.published[NODES[len(self.arrivals) % 2]] += 1
        for _ in range(min(departures, len(self.queue))):
            self.queue.popleft()
            self.departed += 1
            self.acked += int(acked)
        now = second + 1
        if now % REFRESH_S == 0:
            self.shown_published, self.shown_acked = dict(self.published), self.acked
        if now % REFRESH_S == self.skew_s:
            self.shown_backlog = len(self.queue)

    def reading(self, **flags: bool) -> Reading:
        acked: Mapping[str, float] = {"a": self.shown_acked, "b": 0}
        return Reading(
            ready=self.shown_backlog, unacked=0, published=self.shown_published, acked=acked,
            delivered=acked, **flags,
        )

    def restart(self, node: str) -> None:
        """The node comes back with its counters at nought."""
        self.published[node] = self.shown_published[node] = 0

    def true_age(self, now_s: float) -> float:
        return now_s - self.queue[0] if self.queue else 0.0

    def age_of(self, number: int, now_s: float) -> float:
        """Age that arrival ``number`` (from 1, clipped to those there are) has now."""
        return now_s - self.arrivals[max(0, min(number, len(self.arrivals)) - 1)]

    def arrived_since(self, since_s: float) -> int:
        return len(self.arrivals) - bisect_left(self.arrivals, since_s)
