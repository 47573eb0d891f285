"""One pair's flights: what is asked of its lane, what is made of the answers, and when time is up. Pure.

A flight begins with a lane that is made ready, where it is not any more. Then one message goes out, and two
things are waited for: the broker's confirm at the origin, and the delivery at the target. Whatever is
delivered is acknowledged on sight; what is not this flight's own is left over from an earlier one and only
counted. A flight that fails leaves its lane to be torn down (`Pilot.tidy`): the next one begins with new
channels, to which the broker delivers first what is left in the queue.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from exporters.canary.pair import Event, Outcome, Pair

#: Failures for want of an answer: there the time waited is a lower bound of the latency.
_IN_VAIN = frozenset({Outcome.NOT_CONFIRMED, Outcome.NOT_DELIVERED})
_BLOCKED = "the broker takes no publishes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """How a flight ended. Latencies in seconds, None where nothing was measured; one that was waited for in
    vain is the time waited. ``why`` is for a person, and empty where all went well."""

    outcome: Outcome
    why: str = ""
    confirm_s: float | None = None
    end_to_end_s: float | None = None


class Hears(Protocol):
    """Who is told what comes of a lane's calls."""

    def ready(self) -> None:
        """The lane can be published on, and consumes."""

    def failed(self, outcome: Outcome, why: str) -> None:
        """The lane could not be made ready, or is no more; `Lane.prepare` makes it anew."""

    def confirmed(self, message_id: str, *, stored: bool) -> None: ...

    def returned(self, message_id: str) -> None: ...

    def delivered(self, message_id: str, tag: int) -> None: ...


class Lane(Protocol):
    """One pair's way through the broker, kept from flight to flight. No call waits; each may be answered at
    once."""

    @property
    def blocked(self) -> bool:
        """The broker has said that it takes no publishes on a connection of this lane: it reads nothing
        more from it (https://www.rabbitmq.com/docs/alarms#effects-on-clients)."""

    def prepare(self) -> None:
        """End in `Hears.ready` or `Hears.failed`, or say nothing for long."""

    def awaited(self) -> tuple[Outcome, str]:
        """What a flight that is not ready fails of now."""

    def publish(self, message_id: str) -> None:
        """Once ready: a persistent, mandatory message of this id."""

    def ack(self, tag: int) -> None: ...

    def reset(self) -> None:
        """Forget the channels, and connections that do not open or have said nothing for long."""


class Log(Protocol):
    """Where flights and messages are counted."""

    def landed(self, pair: Pair, landing: Landing) -> None: ...

    def counted(self, pair: Pair, event: Event) -> None: ...


@dataclass(slots=True)
class _Flight:
    message_id: str
    landed: Callable[[], None]
    began_s: float | None = None
    confirm_s: float | None = None
    end_to_end_s: float | None = None


class Pilot:
    """Flies one pair, one flight at a time."""

    def __init__(
        self,
        pair: Pair,
        lane: Callable[[Hears], Lane],
        log: Log,
        *,
        now_s: Callable[[], float] = time.monotonic,
        new_id: Callable[[], object] = uuid.uuid4,
    ) -> None:
        self.pair = pair
        self._lane = lane(self)
        self._log, self._now_s, self._new_id = log, now_s, new_id
        self._flight: _Flight | None = None
        self._untidy = False

    def take_off(self, landed: Callable[[], None]) -> str:
        """Begin a flight; ``landed`` is called at its end. Returns its message's id, for `expire`."""
        flight = self._flight = _Flight(str(self._new_id()), landed)
        if self._lane.blocked:
            # Whatever is sent now, a declaration too, would lie in a socket until the alarm is over.
            self._land(Outcome.BLOCKED, _BLOCKED)
        else:
            self._lane.prepare()
        return flight.message_id

    def expire(self, message_id: str) -> None:
        """Time is up for this flight; one that has landed does not mind."""
        flight = self._flight
        if flight is None or flight.message_id != message_id:
            return
        if flight.began_s is None:
            self._land(*self._lane.awaited())
        elif flight.confirm_s is not None:
            self._land(Outcome.NOT_DELIVERED, "confirmed, and not delivered in time")
        elif self._lane.blocked:
            self._land(Outcome.BLOCKED, _BLOCKED)
        else:
            self._land(Outcome.NOT_CONFIRMED, "published, and not confirmed in time")

    def tidy(self) -> None:
        """After a flight that failed: nothing of it stays on the lane."""
        if self._untidy:
            self._untidy = False
            self._lane.reset()

    # What the lane tells.

    def ready(self) -> None:
        flight = self._flight
        if flight is None or flight.began_s is not None:
            return
        self._log.counted(self.pair, Event.PUBLISHED)
        flight.began_s = self._now_s()
        self._lane.publish(flight.message_id)

    def failed(self, outcome: Outcome, why: str) -> None:
        if self._flight is not None:
            self._land(outcome if self._flight.began_s is None else Outcome.BROKEN_OFF, why)

    def confirmed(self, message_id: str, *, stored: bool) -> None:
        self._log.counted(self.pair, Event.CONFIRMED if stored else Event.NACKED)
        flight = self._under_way(message_id)
        if flight is None:
            return
        if stored:
            flight.confirm_s = self._since(flight)
            self._land_if_whole(flight)
        else:
            self._land(Outcome.NACKED, "the broker did not keep it")

    def returned(self, message_id: str) -> None:
        self._log.counted(self.pair, Event.RETURNED)
        if self._under_way(message_id) is not None:
            self._land(Outcome.RETURNED, "no queue took it")

    def delivered(self, message_id: str, tag: int) -> None:
        self._lane.ack(tag)
        self._log.counted(self.pair, Event.DELIVERED)
        flight = self._under_way(message_id)
        if flight is None or flight.end_to_end_s is not None:
            self._log.counted(self.pair, Event.STALE)
            return
        flight.end_to_end_s = self._since(flight)
        self._land_if_whole(flight)

    def _under_way(self, message_id: str) -> _Flight | None:
        flight = self._flight
        return flight if flight and flight.message_id == message_id and flight.began_s is not None else None

    def _since(self, flight: _Flight) -> float:
        assert flight.began_s is not None  # noqa: S101 - asked for by _under_way or before
        return max(0.0, self._now_s() - flight.began_s)

    def _land_if_whole(self, flight: _Flight) -> None:
        if flight.confirm_s is not None and flight.end_to_end_s is not None:
            self._land(Outcome.OK, "")

    def _land(self, outcome: Outcome, why: str) -> None:
        flight, self._flight = self._flight, None
        assert flight is not None  # noqa: S101 - nobody lands who is not under way
        waited_s = self._since(flight) if outcome in _IN_VAIN else None
        self._untidy = outcome is not Outcome.OK and (
            outcome is not Outcome.BLOCKED or flight.began_s is not None
        )
        landing = Landing(
            outcome=outcome,
            why=why,
            confirm_s=waited_s if flight.confirm_s is None else flight.confirm_s,
            end_to_end_s=waited_s if flight.end_to_end_s is None else flight.end_to_end_s,
        )
        self._log.landed(self.pair, landing)
        flight.landed()
