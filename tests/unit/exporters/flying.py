"""A sky without a broker: a loop whose time is the test's, and lanes that fail at whatever step is asked."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from exporters.canary.fleet import Fleet
from exporters.canary.flight import Hears, Landing, Pilot
from exporters.canary.pair import Event, Outcome, Pair, pairs
from exporters.canary.tally import Tally

TIMEOUT_S = 3.0
#: What each step takes here.
CONNECT_S, CONFIRM_S, DELIVER_S = 0.030, 0.004, 0.006


class Time:
    """pika's loop as the fleet sees it; time passes by jumps to what is due next."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._stopped = False

    def now(self) -> float:
        return self.now_s

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (self.now_s + delay, self._count, callback))

    def start(self) -> None:
        self._stopped = False
        while not self._stopped:
            due_s, _, callback = heapq.heappop(self._due)  # a loop without an end would be an IndexError
            self.now_s = max(self.now_s, due_s)
            callback()

    def stop(self) -> None:
        self._stopped = True


@dataclass
class Fault:
    """What goes wrong for pairs that ``touches`` names: one word for each step there is."""

    step: str
    touches: Callable[[Pair], bool] = lambda _pair: True


@dataclass
class Sky:
    """The queues, and what is wrong now."""

    time: Time
    faults: list[Fault] = field(default_factory=list)
    queues: dict[Pair, list[str]] = field(default_factory=dict)
    lanes: dict[Pair, FakeLane] = field(default_factory=dict)
    #: (pair, what) of every call, in order.
    calls: list[tuple[Pair, str]] = field(default_factory=list)

    def wrong(self, pair: Pair, step: str) -> bool:
        return any(fault.step == step and fault.touches(pair) for fault in self.faults)

    def lane(self, pair: Pair) -> Callable[[Hears], FakeLane]:
        def make(hears: Hears) -> FakeLane:
            return self.lanes.setdefault(pair, FakeLane(self, pair, hears))

        return make


class FakeLane:
    """A lane whose queue remembers: what is not acked comes again to the next consumer."""

    def __init__(self, sky: Sky, pair: Pair, hears: Hears) -> None:
        self._sky, self._pair, self._hears = sky, pair, hears
        self._life = 0
        self.is_ready = self._preparing = False
        self._unacked: dict[int, str] = {}
        self._tag = 0
        sky.queues.setdefault(pair, [])

    @property
    def blocked(self) -> bool:
        return self._sky.wrong(self._pair, "blocked")

    @property
    def held(self) -> int:
        """Messages that the broker still has for this pair."""
        return len(self._sky.queues[self._pair]) + len(self._unacked)

    def prepare(self) -> None:
        self._sky.calls.append((self._pair, "prepare"))
        if self.is_ready:
            self._hears.ready()
        elif not self._preparing:
            self._preparing = True
            self._soon(CONNECT_S, self._connected)

    def awaited(self) -> tuple[Outcome, str]:
        hung = self._sky.wrong(self._pair, "connect hangs")
        return (Outcome.NOT_CONNECTED if hung else Outcome.NOT_DECLARED), "waiting"

    def publish(self, message_id: str) -> None:
        self._sky.calls.append((self._pair, "publish"))
        if self._sky.wrong(self._pair, "breaks"):
            return self._soon(0.001, self._break)
        if self._sky.wrong(self._pair, "returned"):
            self._soon(CONFIRM_S, lambda: self._hears.returned(message_id))
            return self._soon(CONFIRM_S, lambda: self._hears.confirmed(message_id, stored=True))
        if self._sky.wrong(self._pair, "nacked"):
            return self._soon(CONFIRM_S, lambda: self._hears.confirmed(message_id, stored=False))
        self._sky.queues[self._pair].append(message_id)
        if not self._sky.wrong(self._pair, "no confirm"):
            self._soon(CONFIRM_S, lambda: self._hears.confirmed(message_id, stored=True))
        return self._soon(DELIVER_S, self._deliver)

    def ack(self, tag: int) -> None:
        self._sky.calls.append((self._pair, "ack"))
        del self._unacked[tag]

    def hand_over(self, message_id: str) -> None:
        """Deliver a message, wherever it comes from."""
        self._tag += 1
        self._unacked[self._tag] = message_id
        self._hears.delivered(message_id, self._tag)

    def reset(self) -> None:
        self._sky.calls.append((self._pair, "reset"))
        self._life += 1
        self.is_ready = self._preparing = False
        self._sky.queues[self._pair][:0] = self._unacked.values()
        self._unacked.clear()

    def _soon(self, delay_s: float, then: Callable[[], None]) -> None:
        life = self._life
        self._sky.time.call_later(delay_s, lambda: then() if life == self._life else None)

    def _connected(self) -> None:
        self._preparing = False
        if self._sky.wrong(self._pair, "refused"):
            self._hears.failed(Outcome.NOT_CONNECTED, "connection refused")
        elif self._sky.wrong(self._pair, "not declared"):
            self._hears.failed(Outcome.NOT_DECLARED, "403")
        elif not (self._sky.wrong(self._pair, "connect hangs") or self._sky.wrong(self._pair, "hangs")):
            self.is_ready = True
            left = len(self._sky.queues[self._pair])
            self._soon(0.0005, lambda: self._deliver(left))
            self._hears.ready()

    def _deliver(self, most: int = 1000) -> None:
        if self._sky.wrong(self._pair, "no delivery"):
            return
        queue = self._sky.queues[self._pair]
        for _ in range(min(most, len(queue))):
            self.hand_over(queue.pop(0))

    def _break(self) -> None:
        self.reset()
        self._hears.failed(Outcome.NOT_CONNECTED, "connection reset")


@dataclass
class Landings:
    """A log that keeps everything, over the real tally."""

    tally: Tally
    landings: list[tuple[Pair, Landing]] = field(default_factory=list)
    events: list[tuple[Pair, Event]] = field(default_factory=list)

    def landed(self, pair: Pair, landing: Landing) -> None:
        self.landings.append((pair, landing))
        self.tally.landed(pair, landing)

    def counted(self, pair: Pair, event: Event) -> None:
        self.events.append((pair, event))
        self.tally.counted(pair, event)


class Airfield:
    """A whole canary without a broker."""

    def __init__(
        self, vhosts: tuple[str, ...] = ("/a",), nodes: tuple[str, ...] = ("n1", "n2", "n3")
    ) -> None:
        self.pairs = pairs(vhosts, nodes)
        self.time = Time()
        self.sky = Sky(self.time)
        self.tally = Tally(self.pairs, now_s=self.time.now)
        self.log = Landings(self.tally)
        ids = iter(range(10_000))
        pilots = [
            Pilot(pair, self.sky.lane(pair), self.log, now_s=self.time.now, new_id=lambda: f"m{next(ids)}")
            for pair in self.pairs
        ]
        self.fleet = Fleet(pilots, self.time, timeout_s=TIMEOUT_S)

    def fly(self) -> dict[Pair, Landing]:
        """One round, and what came of it."""
        self.log.landings.clear()
        self.log.events.clear()
        self.fleet.fly()
        landings = dict(self.log.landings)
        assert len(landings) == len(self.pairs)
        return landings

    def held(self) -> int:
        """Messages that the broker still has, of all pairs."""
        return sum(lane.held for lane in self.sky.lanes.values())
