"""What every act is made of: its plan, and a middleman that does nothing wrong and keeps count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from loadgen.selftest.passage import Lane, Passing


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which act, on which messages, and for its stops when (after the first publish) and how long."""

    act: str
    picked: tuple[int, ...] = ()
    at_s: float = 0.0
    for_s: float = 0.0
    rate_per_s: float = 1000.0


class Honest:
    """Passes everything on, and keeps count of what it saw: who was answered, who was delivered."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.picked = frozenset(plan.picked)
        self.did = 0
        self._sent: dict[tuple[Lane, int], tuple[int, int]] = {}
        self._confirmed: set[tuple[int, int]] = set()
        self._delivered: set[tuple[int, int]] = set()

    def publish(self, lane: Lane, publish: Passing) -> None:
        if publish.stamp is not None:
            self._sent[lane, publish.tag] = (publish.stamp.publisher, publish.stamp.seq)
        if self.picks(publish):
            self.on_publish(lane, publish)
        else:
            lane.forward(publish)

    def delivery(self, lane: Lane, delivery: Passing) -> None:
        if delivery.stamp is not None:
            self._delivered.add((delivery.stamp.publisher, delivery.stamp.seq))
        if self.picks(delivery):
            self.on_delivery(lane, delivery)
        else:
            lane.hand(delivery)

    def answered(self, lane: Lane, tags: Iterable[int]) -> None:
        for tag in tags:
            if message := self._sent.pop((lane, tag), None):
                self._confirmed.add(message)

    def picks(self, passing: Passing) -> bool:
        stamp = passing.stamp
        return stamp is not None and stamp.seq in self.picked and stamp.attempt == 0

    def on_publish(self, lane: Lane, publish: Passing) -> None:
        lane.forward(publish)

    def on_delivery(self, lane: Lane, delivery: Passing) -> None:
        lane.hand(delivery)

    def report(self) -> dict[str, Any]:
        """What was done, for the one who judges the verifier."""
        return {"did": self.did, "vanished": len(self._confirmed - self._delivered)}
