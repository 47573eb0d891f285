"""The broker's own counts against the ledger's: what either side saw that the other did not.

Pure. Where nothing broke, the two are equal to the message. A lost connection leaves messages that were sent
and never arrived, and confirms and deliveries that were sent and never read, so bounds take the place of
equality; a node that restarted took its counts with it, and strangers add theirs. Each of these is said. A
difference that none of them explains makes a run inconclusive: then one of the two is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadgen.broker_counters import OPENED, STREAMED, Counted
from warren.results import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One count of the broker beside the least and the most that the ledger allows."""

    counter: str
    broker: int
    least: int
    most: int | None

    @property
    def agrees(self) -> bool:
        return self.broker >= self.least and (self.most is None or self.broker <= self.most)

    @property
    def off_by(self) -> int:
        """How far outside the bounds, with its sign."""
        if self.broker < self.least:
            return self.broker - self.least
        return max(0, self.broker - self.most) if self.most is not None else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """``explained`` says what may account for the lines that do not agree; without it they are a doubt."""

    lines: tuple[Line, ...] = ()
    explained: tuple[str, ...] = field(default=())

    @property
    def doubts(self) -> tuple[str, ...]:
        """One sentence for each difference that nothing explains."""
        if self.explained:
            return ()
        return tuple(
            f"the broker counted {line.broker} {line.counter.replace('_', ' ')}, the ledger "
            f"{span(line.least, line.most)}: {abs(line.off_by)} too {'many' if line.off_by > 0 else 'few'}"
            for line in self.lines
            if not line.agrees
        )

    def to_dict(self) -> dict[str, Any]:
        """For the result."""
        return {
            "counters": {
                line.counter: {
                    "broker": line.broker,
                    "ledger_least": line.least,
                    "ledger_most": line.most,
                    "agrees": line.agrees,
                }
                for line in self.lines
            },
            "explained": list(self.explained),
        }


def reconcile(
    counted: Counted, ours: Traffic, *, whole: bool, strangers: Sequence[str] = ()
) -> Reconciliation:
    """Put the two beside each other. ``whole`` says that the run was drained to its end; ``strangers`` are
    other clients that were seen connected."""
    lines = tuple(_lines(counted.counts, ours, whole=whole))
    explained = list(counted.gaps)
    if strangers:
        explained.append(f"other clients were connected: {', '.join(sorted(strangers)[:3])}")
    others = counted.counts.get(OPENED, 0) - ours.links_opened
    if others > 0 and not ours.died:
        explained.append(f"{others} connections of other clients were opened meanwhile")
    return Reconciliation(lines=lines, explained=tuple(explained))


def _lines(counts: Mapping[str, int], ours: Traffic, *, whole: bool) -> Iterator[Line]:
    """The last second of a process that died is told by nobody, so there is no upper bound with one."""
    equal = whole and not ours.links_lost and not ours.died
    most = None if ours.died else ours.sent
    answered = ours.acked + ours.nacked
    delivered = counts.get("delivered_consume_manual_ack", 0) + counts.get("delivered_consume_auto_ack", 0)
    yield _line(counts, "received", ours.sent if equal else answered, most)
    yield _line(counts, "confirmed", ours.acked, ours.acked if equal else most)
    yield _line(counts, "unroutable_returned", ours.returned, ours.returned if equal else most)
    # An answer to a requester whose queue went with its connection is dropped, and asked for again.
    yield _line(counts, "unroutable_dropped", 0, 0 if equal else most)
    acked = ours.deliveries - ours.streamed
    yield _line({"delivered": delivered}, "delivered", acked, acked if equal else None)
    # Whole chunks are counted: a reader that begins within one leaves out what is before its place.
    yield _line(counts, STREAMED, ours.streamed, None)
    rejected = None if ours.died else ours.rejected
    yield _line(counts, "dead_lettered_rejected", ours.rejected if equal else 0, rejected)


def _line(counts: Mapping[str, int], counter: str, least: int, most: int | None) -> Line:
    return Line(counter=counter, broker=counts.get(counter, 0), least=least, most=most)


def span(least: int, most: int | None) -> str:
    """What the ledger allows, in words; ``most`` of None is no upper bound."""
    if most is None:
        return f"{least} or more"
    return str(least) if least == most else f"{least} to {most}"
