"""The canary's share of the broker's counts. It flies all the time, is none of the run's doing, and knows to
the message what it sent and got, so that it can be taken off.

It tells its figures when a round of flights has ended, and begins the next one no sooner than `EVERY_S`
later: what is read in between is of one moment.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families

from loadgen.broker_counters import OPENED, Counted
from warren.errors import DeadlineError, NotReadyError
from warren.wait import Clock, until

T = TypeVar("T")

#: What the exporters call these, and how long the canary rests; a test compares.
MESSAGES = "warren_canary_messages_total"
CONNECTIONS = "warren_canary_connections"
CONNECTED = "warren_canary_connections_opened_total"
ROUND_ENDED = "warren_exporter_collector_last_success_timestamp_seconds"
COLLECTOR = "canary"
EVERY_S = 5.0
#: Begins the names of its connections.
NAMED = "warren-canary "

#: The canary's word -> the broker's counter.
_COUNTERS = {
    "published": "received",
    "confirmed": "confirmed",
    "returned": "unroutable_returned",
    "delivered": "delivered_consume_manual_ack",
}
#: A round takes three seconds at the worst; the counters of a few nodes are read in less than one.
_QUIET_DEADLINE_S = 12.0
_READING_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What the canary had sent and got by the end of a round, by its own words for it; ``open`` connections
    now, ``opened`` since its process began. ``ended_s`` is the round's end (Unix time); not ``whole`` where
    it may have flown while others were read."""

    messages: Mapping[str, int]
    opened: int
    open: int
    ended_s: float
    whole: bool = True


def parse(text: str) -> Share:
    """The probe's page. Raises NotReadyError where no round has ended yet."""
    messages: Counter[str] = Counter()
    single: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == MESSAGES:
                messages[sample.labels["event"]] += round(sample.value)
            elif sample.name in (CONNECTIONS, CONNECTED):
                single[sample.name] = sample.value
            elif sample.name == ROUND_ENDED and sample.labels.get("collector") == COLLECTOR:
                single[ROUND_ENDED] = sample.value
    if missing := [name for name in (CONNECTIONS, CONNECTED, ROUND_ENDED) if name not in single]:
        raise NotReadyError("canary", f"has ended no round yet: {missing[0]} is missing")
    return Share(
        messages=messages,
        opened=round(single[CONNECTED]),
        open=round(single[CONNECTIONS]),
        ended_s=single[ROUND_ENDED],
    )


def beside(
    read: Callable[[], T],
    page: Callable[[], str],
    *,
    wall_s: Callable[[], float] = time.time,
    clock: Clock | None = None,
) -> tuple[T, Share | None]:
    """What ``read`` gives, and the canary's share at that moment; None where there is no canary to ask.

    Waits for the moments between two rounds, and where none comes in time says that the share is not whole.
    """
    try:
        seen = [parse(page())]
    except NotReadyError:
        return read(), None

    def at_rest() -> tuple[T, Share]:
        first = parse(page())
        if wall_s() > first.ended_s + EVERY_S - _READING_S:
            raise NotReadyError("canary", "flies, or is about to")
        found, last = read(), parse(page())
        seen.append(last)
        if last.ended_s != first.ended_s or wall_s() > last.ended_s + EVERY_S:
            raise NotReadyError("canary", "flew meanwhile")
        return found, last

    try:
        return until(
            at_rest, what="the canary to rest", deadline_s=_QUIET_DEADLINE_S, every_s=0.2, clock=clock
        )
    except DeadlineError:
        return read(), dataclasses.replace(seen[-1], whole=False)


def without(counted: Counted, before: Share | None, after: Share | None) -> Counted:
    """``counted`` without the canary's share; what keeps that from being exact is among its gaps."""
    if before is None or after is None:
        return counted if before is after else _but(counted, "the canary was seen at one end only")
    names = {*before.messages, *after.messages}
    grown = {name: after.messages.get(name, 0) - before.messages.get(name, 0) for name in names}
    if min([*grown.values(), after.opened - before.opened], default=0) < 0:
        return _but(counted, "the canary began anew meanwhile")
    counts = dict(counted.counts)
    for ours, theirs in {**_COUNTERS, OPENED: OPENED}.items():
        share = after.opened - before.opened if ours == OPENED else grown.get(ours, 0)
        counts[theirs] = counts.get(theirs, 0) - share
    counted = Counted(counts=counts, gaps=counted.gaps)
    if not (before.whole and after.whole):
        return _but(counted, "the canary flew while the counts were read")
    if len({grown.get(word, 0) for word in ("published", "confirmed", "delivered")}) > 1:
        return _but(counted, "some of the canary's messages did not come through")
    return counted


def _but(counted: Counted, why: str) -> Counted:
    return Counted(counts=counted.counts, gaps=(*counted.gaps, why))
