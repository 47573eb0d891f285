"""Age of a queue's oldest message from counters alone: pure, no clock, no broker.

No metric of RabbitMQ tells the age of the oldest message of a quorum queue (``head_message_timestamp`` is
filled by classic queues only; rabbitmq-server#6813). But the curve of arrivals tells it: with A(t) messages
arrived by time t and B of them still in a first-in-first-out queue, the oldest of those is arrival number
A(now) - B + 1, and it arrived when the curve passed that number.

Under any other order the messages present are B of the same arrivals, and the youngest that the oldest of
them can be is what first in, first out would leave: the answer is then a lower bound.

An error in A that happened before the oldest message arrived is in both ends and cancels out; only errors
since then count. `QueueArrivals` keeps track of when each way of counting went wrong.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from statistics import median

#: Older points of a curve are thinned so that they lie this part of their age apart: an age is known to
#: about 1 %, and a day at a scrape every second needs some 1,000 points instead of 86,400.
_RESOLUTION = 0.01
#: Points are kept for this long before the oldest message's arrival, since counters of one moment may have
#: been refreshed up to five seconds apart (https://www.rabbitmq.com/docs/management#statistics-interval).
_MARGIN_S = 60.0
#: Whatever happens, a curve holds no more points than this.
_MOST_POINTS = 4096
#: The broker refreshes its counters every five seconds, each at a moment of its own; rounded up.
_REFRESH_S = 6.0
#: Two ways of counting are compared over this long, and not more often than this.
_COMPARE_S = 120.0
_EVERY_S = 4.0
#: The difference of the two ways is smoothed over this long: some refreshes, and short against a lag.
_SMOOTH_S = 20.0
#: The net rate at which a queue shrinks is taken over this long.
_DRAIN_S = 60.0


class Source(Enum):
    """Where a queue's curve of arrivals comes from."""

    PUBLISHED = "published"
    CONSERVATION = "conservation"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """When the oldest message arrived; ``exactly`` False: at that time or before it."""

    at_s: float
    exactly: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """Answer for one queue; both None where the arrivals are not known.

    ``age_s`` is the age of the oldest message (0: the queue is empty), ``at_least_s`` stands in for it where
    that message arrived before the curve begins.
    """

    source: Source
    age_s: float | None = None
    at_least_s: float | None = None


class CounterSum:
    """The growth of one counter that every node keeps for itself, summed over nodes; resets are seen."""

    __slots__ = ("_last", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self._last: dict[str, float] = {}

    def advance(self, readings: Mapping[str, float]) -> None:
        """``readings`` holds the counter of each node that answered, 0 where the node has no such series.

        A node's first reading is the base it is counted from. A smaller value than before is a restart: all
        of it is growth. A node that is missing keeps its place, so what it counted meanwhile is added when
        it answers again. A restart that is hidden because the counter already passed its old value is not
        seen; its loss is the old value.
        """
        for node, value in readings.items():
            last = self._last.get(node, value)
            self.total += value - last if value >= last else value
            self._last[node] = value


class CountersSum:
    """The growth of counters of which every node keeps several by name, which come and go; summed over all.

    Such are a queue's publishes, one counter for each exchange. Their sum on a node falls when an exchange is
    deleted, which for `CounterSum` would be a restart, and the counters of all the others growth.
    """

    __slots__ = ("_last", "total")

    def __init__(self) -> None:
        self.total = 0.0
        self._last: dict[str, Mapping[str, float]] = {}

    def advance(self, readings: Mapping[str, Mapping[str, float]]) -> None:
        """``readings`` holds all counters of each node that answered, by name; they are kept, not copied.

        What a node shows first is the base. Later, a counter that is new is growth in whole, as one is that
        fell; one that is gone is forgotten. A node that is missing keeps its place.
        """
        for node, values in readings.items():
            last = self._last.get(node, values)
            for name, value in values.items():
                before = last.get(name, 0.0)
                self.total += value - before if value >= before else value
            self._last[node] = values


class Curve:
    """A(t) as points, never falling; between two points arrivals are taken as evenly spread.

    Of points in a row with one total only the first and the last are kept: a queue in which nothing arrives
    costs two, however long. Arrays hold a number in eight bytes, a quarter of what a list needs.
    """

    __slots__ = ("_thin_at", "_times", "_totals")

    def __init__(self) -> None:
        self._times = array("d")
        self._totals = array("d")
        self._thin_at = 64

    def __len__(self) -> int:
        return len(self._times)

    def record(self, now_s: float, total: float) -> None:
        """Add the number of arrivals by ``now_s``; one below an earlier one is taken as equal to it."""
        if self._times and now_s <= self._times[-1]:
            return
        total = max(total, self._totals[-1]) if self._totals else total
        if len(self._totals) > 1 and self._totals[-2] == total:
            self._times[-1] = now_s
            return
        self._times.append(now_s)
        self._totals.append(total)

    def arrival(self, number: float) -> Arrived | None:
        """When arrival ``number`` (the first is 1) came; None if that is below 1 or nothing is known yet.

        One that is beyond the curve has come since its last point was refreshed: just now.
        """
        if not self._times or number < 1:
            return None
        if number > self._totals[-1]:
            return Arrived(at_s=self._times[-1], exactly=True)
        if number <= self._totals[0]:
            return Arrived(at_s=self._times[0], exactly=False)
        after = bisect_left(self._totals, number)
        before = after - 1
        share = (number - self._totals[before]) / (self._totals[after] - self._totals[before])
        at = self._times[before] + share * (self._times[after] - self._times[before])
        return Arrived(at_s=at, exactly=True)

    def forget(self, before_s: float, now_s: float) -> None:
        """Drop points that no answer at or after ``before_s`` needs, and thin the rest by their age."""
        first = max(0, bisect_left(self._times, before_s) - 1)
        del self._times[:first], self._totals[:first]
        if len(self._times) >= self._thin_at:
            self._thin(now_s)
            self._thin_at = max(64, 2 * len(self._times))

    def _thin(self, now_s: float) -> None:
        times, totals = array("d", self._times[:1]), array("d", self._totals[:1])
        for index in range(1, len(self._times) - 1):
            gap = self._times[index + 1] - times[-1]
            if gap > _RESOLUTION * (now_s - self._times[index]):
                times.append(self._times[index])
                totals.append(self._totals[index])
        times.append(self._times[-1])
        totals.append(self._totals[-1])
        self._times, self._totals = times[-_MOST_POINTS:], totals[-_MOST_POINTS:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one scrape says of one queue. The mappings go by node; a node that did not answer is left out.

    ``published``: messages routed to the queue by publishers (AMQP 0-9-1 channels), by exchange. ``acked``:
    messages that left it by an acknowledgement or by delivery to a consumer that does not acknowledge.
    ``delivered``: all deliveries. ``unseen_departures``: messages may leave without being delivered (a
    message TTL, or a length limit at which the oldest are dropped). ``unseen_arrivals``: the queue is a
    target of dead-lettering. ``refusing``: it is at its length limit, so that publishes are counted which it
    refused.
    """

    ready: float
    unacked: float
    published: Mapping[str, Mapping[str, float]]
    acked: Mapping[str, float]
    delivered: Mapping[str, float]
    unseen_arrivals: bool = False
    unseen_departures: bool = False
    refusing: bool = False

    @property
    def backlog(self) -> float:
        return self.ready + self.unacked


class _Compared:
    """Both ways of counting, compared at some moments: their difference, all that was counted by then, and
    its recent growth, one after the other in one array. As objects of their own the points of ten thousand
    busy queues would take fifty megabytes."""

    __slots__ = ("_points",)
    _WIDTH = 4

    def __init__(self) -> None:
        self._points = array("d")

    @property
    def last_s(self) -> float | None:
        return self._points[-self._WIDTH] if self._points else None

    def note(self, now_s: float, difference: float, moved: float) -> None:
        """Add a point; of equal ones in a row, as of an idle queue, only those of late and the first stay."""
        points, width = self._points, self._WIDTH
        before = max(0, bisect_right(points[0::width], now_s - _REFRESH_S) - 1) * width
        grown = moved - points[before + 2] if points else 0.0
        points.extend((now_s, difference, moved, grown))
        while (
            len(points) > 2 * width
            and points[width] <= now_s - _SMOOTH_S
            and points[1:width] == points[width + 1 : 2 * width]
        ):
            del points[width : 2 * width]
        while len(points) > width and points[width] < now_s - _COMPARE_S:
            del points[:width]

    def drifted(self, now_s: float) -> tuple[bool, bool]:
        """Whether the difference rose, and whether it fell, for good and by more than the skew explains."""
        points, width = self._points, self._WIDTH
        ago = bisect_right(points[0::width], now_s - 2 * _REFRESH_S)
        differences = points[1::width]
        early, late = differences[:ago], differences[ago:]
        if not early or not late:
            return False, False
        allowed = 1.0 + max(points[3::width])
        return min(late) - min(early) > allowed, max(early) - max(late) > allowed

    def usual(self, now_s: float) -> float:
        """The difference of late, smoothed."""
        points, width = self._points, self._WIDTH
        of_late = points[1::width][bisect_right(points[0::width], now_s - _SMOOTH_S) :]
        return median(of_late) if of_late else points[1 - width]


class QueueArrivals:
    """One queue's curves: by publishes, and by conservation (what is there plus what left).

    Both count too few arrivals when something goes on unseen: publishes miss dead-lettering and other
    protocols, conservation misses departures by rejection, expiry, purge. Where both see all, their
    difference stays; when it rises for good, arrivals were missed, when it falls, departures (or publishes
    were refused). A way of counting is good for an answer if it has not failed since the oldest message came.

    A target of dead-lettering is counted by conservation over deliveries, which includes what consumers
    reject; messages that consumers put back count twice, so there the age may come out too young by them.
    """

    __slots__ = (
        "_acked", "_backlogs", "_base", "_base_ready", "_by_departure", "_by_publish", "_compared",
        "_delivered", "_departure_failed_s", "_publish_failed_s", "_published", "_start_s",
    )  # fmt: skip

    def __init__(self) -> None:
        self._published = CountersSum()
        self._acked, self._delivered = CounterSum(), CounterSum()
        self._by_publish, self._by_departure = Curve(), Curve()
        self._base: float | None = None
        self._base_ready = 0.0
        self._start_s = 0.0
        self._compared = _Compared()
        self._backlogs = array("d")
        self._publish_failed_s: float | None = None
        self._departure_failed_s: float | None = None

    def __len__(self) -> int:
        return len(self._by_publish) + len(self._by_departure)

    def record(self, now_s: float, reading: Reading) -> Age:
        """Take one scrape in and answer for its moment; ``now_s`` is monotonic and the caller's."""
        self._published.advance(reading.published)
        self._acked.advance(reading.acked)
        self._delivered.advance(reading.delivered)
        if self._base is None:
            self._base, self._base_ready = reading.backlog, reading.ready
            self._start_s = now_s
        by_publish = self._base + self._published.total
        if reading.unseen_arrivals:
            by_departure = self._base - self._base_ready + reading.ready + self._delivered.total
        else:
            by_departure = reading.backlog + self._acked.total
        self._by_publish.record(now_s, by_publish)
        self._by_departure.record(now_s, by_departure)
        self._remember_backlog(now_s, reading.backlog)
        self._compare(now_s, by_departure - by_publish, reading)
        age = self._answer(now_s, by_departure - reading.backlog, reading)
        self._forget(now_s, age)
        return age

    def drain_s(self) -> float | None:
        """Seconds until it is empty at the net rate of the last minute; None while it does not shrink."""
        if not self._backlogs:
            return None
        now, backlog = self._backlogs[-2:]
        if backlog == 0:
            return 0.0
        then, before = self._backlogs[:2]
        if now <= then or before <= backlog:
            return None
        return backlog * (now - then) / (before - backlog)

    def _remember_backlog(self, now_s: float, backlog: float) -> None:
        """Keep the last minute, moment and backlog by turns; of an empty queue, of which nothing is asked,
        only the last."""
        backlogs = self._backlogs
        if backlog == 0:
            del backlogs[:]
        while backlogs and backlogs[0] < now_s - _DRAIN_S:
            del backlogs[:2]
        backlogs.extend((now_s, backlog))

    def _compare(self, now_s: float, difference: float, reading: Reading) -> None:
        """Note which way of counting has failed by now.

        The refresh skew alone makes the difference swing by what arrives and leaves between two refreshes;
        only a rise or a fall that is greater, and is still there two refreshes later, counts.
        """
        moved = self._published.total + self._acked.total + self._delivered.total
        last_s = self._compared.last_s
        if last_s is None or now_s - last_s >= _EVERY_S:
            self._compared.note(now_s, difference, moved)
        rose, fell = self._compared.drifted(now_s)
        if reading.refusing or reading.unseen_arrivals or rose:
            self._publish_failed_s = now_s
        if reading.unseen_departures or (fell and not reading.refusing and not reading.unseen_arrivals):
            self._departure_failed_s = now_s

    def _answer(self, now_s: float, departed: float, reading: Reading) -> Age:
        """``departed`` is counted by the consumers' channels alone, so nothing of it is skewed against the
        backlog. By publishes it is this less the usual difference of the two ways, which smooths the skew."""
        usual = self._compared.usual(now_s)
        for source, curve, left, failed_s in (
            (Source.PUBLISHED, self._by_publish, departed - usual, self._publish_failed_s),
            (Source.CONSERVATION, self._by_departure, departed, self._departure_failed_s),
        ):
            arrived = curve.arrival(left + 1)
            if arrived is None or (failed_s is not None and failed_s >= arrived.at_s):
                continue
            if reading.backlog == 0:
                return Age(source=source, age_s=0.0)
            if arrived.exactly:
                return Age(source=source, age_s=max(0.0, now_s - arrived.at_s))
            return Age(source=source, at_least_s=now_s - arrived.at_s)
        return Age(source=Source.UNKNOWN, age_s=0.0 if reading.backlog == 0 else None)

    def _forget(self, now_s: float, age: Age) -> None:
        age_s = age.age_s if age.age_s is not None else age.at_least_s
        horizon = now_s - age_s - _MARGIN_S if age_s is not None else self._start_s
        for curve in (self._by_publish, self._by_departure):
            curve.forget(horizon, now_s)
