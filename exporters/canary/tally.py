"""Counts flights since the process began, and tells them as metric families."""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import Metric

from exporters import names
from exporters.canary.flight import Landing
from exporters.canary.pair import Event, Outcome, Pair
from exporters.collector import family, histogram

_log = logging.getLogger(__name__)
#: Upper bounds in seconds: a confirm within the machine takes milliseconds, a failover seconds.
BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """Observations in seconds, by `BOUNDS_S`."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(BOUNDS_S, seconds)] += 1
        self._sum_s += seconds

    def samples(self) -> tuple[list[tuple[str, float]], float]:
        """(upper bound, how many up to it) of each bucket, and the sum of all observations."""
        total, buckets = 0, []
        for bound, count in zip((*BOUNDS_S, float("inf")), self._counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
        return buckets, self._sum_s


@dataclass(slots=True)
class _OfPair:
    flights: Counter[Outcome] = field(default_factory=Counter)
    messages: Counter[Event] = field(default_factory=Counter)
    confirm: Histogram = field(default_factory=Histogram)
    end_to_end: Histogram = field(default_factory=Histogram)
    last: Outcome | None = None
    last_success_s: float | None = None


class Tally:
    """What all flights came to; `exporters.canary.flight.Log`."""

    def __init__(self, pairs: Sequence[Pair], *, now_s: Callable[[], float] = time.time) -> None:
        self._pairs = {pair: _OfPair() for pair in pairs}
        self._now_s = now_s

    def landed(self, pair: Pair, landing: Landing) -> None:
        """Count it; what differs from the flight before is said, since nobody reads a line every second."""
        of_pair = self._pairs[pair]
        if landing.outcome is not (of_pair.last or Outcome.OK):
            _log.warning("canary %s: %s %s", pair, landing.outcome, landing.why)
        of_pair.last = landing.outcome
        of_pair.flights[landing.outcome] += 1
        if landing.outcome is Outcome.OK:
            of_pair.last_success_s = self._now_s()
        if landing.confirm_s is not None:
            of_pair.confirm.observe(landing.confirm_s)
        if landing.end_to_end_s is not None:
            of_pair.end_to_end.observe(landing.end_to_end_s)

    def counted(self, pair: Pair, event: Event) -> None:
        self._pairs[pair].messages[event] += 1

    def families(self) -> Iterable[Metric]:
        """Every counter from nought on; what depends on a flight is absent before the first."""
        success, last = family(names.CANARY_SUCCESS), family(names.CANARY_LAST_SUCCESS)
        flights, messages = family(names.CANARY_FLIGHTS), family(names.CANARY_MESSAGES)
        confirm, end_to_end = histogram(names.CANARY_CONFIRM), histogram(names.CANARY_END_TO_END)
        for pair, of_pair in self._pairs.items():
            for outcome in Outcome:
                flights.add_metric([*pair.labels, outcome], of_pair.flights[outcome])
            for event in Event:
                messages.add_metric([*pair.labels, event], of_pair.messages[event])
            confirm.add_metric(pair.labels, *of_pair.confirm.samples())
            end_to_end.add_metric(pair.labels, *of_pair.end_to_end.samples())
            if of_pair.last is not None:
                success.add_metric(pair.labels, float(of_pair.last is Outcome.OK))
            if of_pair.last_success_s is not None:
                last.add_metric(pair.labels, of_pair.last_success_s)
        return success, last, flights, confirm, end_to_end, messages
