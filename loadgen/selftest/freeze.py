"""A path that stands still, and the truth about what that did to every message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from loadgen.curve import SECOND_NS
from loadgen.selftest.act import Honest, Plan
from loadgen.selftest.passage import Lane, Passing

#: A stamp whose times are within this of our own clock is one of Warren's; other bodies decode to nonsense.
_PLAUSIBLE_NS = 3600 * SECOND_NS


@dataclass(slots=True)
class Times:
    """When one publish was meant to leave (0: it does not say) and when it, its answer and its delivery went
    through, in monotonic ns."""

    intended: int
    passed: int
    confirmed: int = 0
    delivered: int = 0


class Freeze(Honest):
    """Stands still once, on all connections, and writes down when each message went through.

    A delivery is told by its place: the n-th delivered is the n-th published, which holds for one publisher
    and one consumer.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._log: list[Times] = []
        self._by_tag: dict[tuple[Lane, int], Times] = {}
        self._delivered_count = 0

    def publish(self, lane: Lane, publish: Passing) -> None:
        now = lane.passage.clock_ns()
        times = Times(_intended_ns(publish, now), now)
        self._log.append(times)
        self._by_tag[lane, publish.tag] = times
        lane.forward(publish)
        if not self.did and now - self._log[0].passed >= self.plan.at_s * SECOND_NS:
            self.did = 1
            lane.passage.freeze_s = self.plan.for_s

    def delivery(self, lane: Lane, delivery: Passing) -> None:
        if self._delivered_count < len(self._log):
            self._log[self._delivered_count].delivered = lane.passage.clock_ns()
            self._delivered_count += 1
        lane.hand(delivery)

    def answered(self, lane: Lane, tags: Iterable[int]) -> None:
        now = lane.passage.clock_ns()
        for tag in tags:
            if times := self._by_tag.pop((lane, tag), None):
                times.confirmed = now

    def report(self) -> dict[str, Any]:
        """Beside the base's: latencies in microseconds, and how many publishes passed."""
        return {
            **super().report(),
            "published": len(self._log),
            "confirm_us": list(self._waits_us([each.confirmed for each in self._log])),
            "end_to_end_us": list(self._waits_us([each.delivered for each in self._log])),
        }

    def _waits_us(self, through: Sequence[int]) -> Iterator[int]:
        """How long each message waited to be through (0: it never was).

        Where messages say when they were meant to leave, from then on. Else a message was due at each tick of
        the rate asked for, from the first publish to the last, and it was through when the first publish that
        came by at that tick or later was: a client that leaves its turns out does not shorten the wait so.
        """
        if all(each.intended for each in self._log):
            yield from (
                (at - each.intended) // 1000 for each, at in zip(self._log, through, strict=True) if at
            )
            return
        place = tick = 0
        while True:
            due = self._log[0].passed + int(tick * SECOND_NS / self.plan.rate_per_s)
            while place < len(self._log) and self._log[place].passed < due:
                place += 1
            if place == len(self._log):
                return
            if through[place]:
                yield (through[place] - due) // 1000
            tick += 1


def _intended_ns(publish: Passing, now: int) -> int:
    plausible = publish.stamp is not None and abs(publish.stamp.sent_ns - now) < _PLAUSIBLE_NS
    return publish.stamp.intended_ns if publish.stamp is not None and plausible else 0
