"""A path that stands still, and the truth about what that did to every message."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from loadgen.selftest.act import Honest, Plan
from loadgen.selftest.passage import SECOND_NS, Lane, Passing

#: A stamp whose times are within this of our own clock is one of Warren's; other bodies decode to nonsense.
_PLAUSIBLE_NS = 3600 * SECOND_NS


@dataclass(slots=True)
class Times:
    """When one publish was meant to leave and when its answer and its delivery went through, in ns."""

    intended: int
    confirmed: int = 0
    delivered: int = 0


@dataclass(slots=True)
class _Clocked:
    by_place: list[Times] = field(default_factory=list)
    by_tag: dict[tuple[Lane, int], Times] = field(default_factory=dict)


class Freeze(Honest):
    """Stands still once, on all connections, and writes down when each message went through.

    A delivery is told by its place: the n-th delivered is the n-th published, which holds for one publisher
    and one consumer. Where a message says itself when it was meant to leave, that is its time; else its
    place in a schedule of ``rate_per_s`` from the first publish on.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._log = _Clocked()
        self._first_ns = 0
        self._delivered_count = 0

    def publish(self, lane: Lane, publish: Passing) -> None:
        now = lane.passage.clock_ns()
        self._first_ns = self._first_ns or now
        times = Times(self._intended_ns(publish, len(self._log.by_place)))
        self._log.by_place.append(times)
        self._log.by_tag[lane, publish.tag] = times
        lane.forward(publish)
        if not self.did and now - self._first_ns >= self.plan.at_s * SECOND_NS:
            self.did = 1
            lane.passage.freeze_s = self.plan.for_s

    def delivery(self, lane: Lane, delivery: Passing) -> None:
        if self._delivered_count < len(self._log.by_place):
            self._log.by_place[self._delivered_count].delivered = lane.passage.clock_ns()
            self._delivered_count += 1
        lane.hand(delivery)

    def answered(self, lane: Lane, tags: Iterable[int]) -> None:
        now = lane.passage.clock_ns()
        for tag in tags:
            if times := self._log.by_tag.pop((lane, tag), None):
                times.confirmed = now

    def _intended_ns(self, publish: Passing, place: int) -> int:
        if publish.stamp is not None and abs(publish.stamp.sent_ns - self._first_ns) < _PLAUSIBLE_NS:
            return publish.stamp.intended_ns
        return self._first_ns + int(place * SECOND_NS / self.plan.rate_per_s)

    def report(self) -> dict[str, Any]:
        """Beside the base's: latencies in microseconds, of every message that got as far."""
        confirm = [each.confirmed - each.intended for each in self._log.by_place if each.confirmed]
        arrival = [each.delivered - each.intended for each in self._log.by_place if each.delivered]
        return {
            **super().report(),
            "confirm_us": [each // 1000 for each in confirm],
            "end_to_end_us": [each // 1000 for each in arrival],
        }
