"""All pairs' flights, round by round.

They share one thread and one loop that waits for all their sockets at once: a node that is dead, or frozen so
that it accepts connections and says nothing, costs its own pairs their deadline and the others nothing. A
thread for each would need a deadline around every blocking call of pika's, which has none for a confirm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from exporters.canary.flight import Pilot

#: Between the starts of two flights of a round, so that they do not measure each other.
STAGGER_S = 0.02
#: After the last landing: acks and closings leave the process before the loop rests.
LINGER_S = 0.05


class Loop(Protocol):
    """What a round needs of pika's loop."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any: ...

    def start(self) -> None:
        """Run until stopped; may be started again."""

    def stop(self) -> None: ...


class Fleet:
    """Flies every pair once a round. A flight has ``timeout_s`` from its own start, connecting included."""

    def __init__(self, pilots: Sequence[Pilot], loop: Loop, *, timeout_s: float) -> None:
        self._pilots = tuple(pilots)
        self._loop, self._timeout_s = loop, timeout_s
        self._round = 0
        self._to_land = 0

    @property
    def longest_s(self) -> float:
        """The longest that a round takes, in seconds."""
        return (len(self._pilots) - 1) * STAGGER_S + self._timeout_s + LINGER_S

    def fly(self) -> None:
        """One flight of each pair; returns when all have landed, after `longest_s` at the latest."""
        self._round += 1
        self._to_land = len(self._pilots)
        for place, pilot in enumerate(self._pilots):
            self._loop.call_later(place * STAGGER_S, partial(self._launch, pilot, self._round))
        self._loop.start()

    def _launch(self, pilot: Pilot, of_round: int) -> None:
        if of_round != self._round:  # left over from a round that a bug ended
            return
        message_id = pilot.take_off(partial(self._landed, of_round))
        self._loop.call_later(self._timeout_s, partial(pilot.expire, message_id))

    def _landed(self, of_round: int) -> None:
        if of_round != self._round:
            return
        self._to_land -= 1
        if self._to_land == 0:
            # Only now: to tear down what pairs share while others still fly would fail them for nothing.
            for pilot in self._pilots:
                pilot.tidy()
            self._loop.call_later(LINGER_S, self._loop.stop)
