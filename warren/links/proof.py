"""The ledger of a proof: what was published at one end of a link and what arrived at the other. Pure.

The unit is a message in a queue where it must arrive. Of what was confirmed nothing may be missing in the
end; what came twice is told with its reason: the broker redelivered it to us, or the link published it twice,
as it does when it is cut between the confirm of the destination and the ack at the source.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from warren.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK

#: How many lost messages are named.
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One delivery: ``redelivered`` says that we, or a consumer before us, may have had it already."""

    redelivered: bool


@dataclass(slots=True)
class Ledger:
    """Written by the publisher before it goes on, and by the consumer before it acks; safe between the two.

    ``queues`` are those in which each message must arrive.
    """

    queues: Sequence[str]
    confirmed: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    in_doubt: set[int] = field(default_factory=set)
    arrivals: dict[tuple[str, int], list[Arrival]] = field(default_factory=dict)
    foreign: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def published(self) -> int:
        return len(self.confirmed) + len(self.refused) + len(self.in_doubt)

    def sent(self, seq: int) -> None:
        """It leaves now, and is in doubt until the broker has said something of it."""
        with self._lock:
            self.in_doubt.add(seq)

    def told(self, seq: int, *, confirmed: bool) -> None:
        with self._lock:
            self.in_doubt.discard(seq)
            (self.confirmed if confirmed else self.refused).add(seq)

    def arrived(self, queue: str, seq: int, arrival: Arrival) -> None:
        with self._lock:
            self.arrivals.setdefault((queue, seq), []).append(arrival)

    def missing(self) -> list[tuple[str, int]]:
        """What was confirmed and has not arrived, by queue."""
        with self._lock:
            there, confirmed = set(self.arrivals), sorted(self.confirmed)
        wanted = ((queue, seq) for seq in confirmed for queue in self.queues)
        return [each for each in wanted if each not in there]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Messages, by what became of them; ``expected`` and ``arrived`` count each queue's own, ``cuts`` how
    often the link was seen to have stopped or begun anew."""

    published: int
    confirmed: int
    refused: int
    in_doubt: int
    recovered: int
    expected: int
    arrived: int
    lost: int
    stuck: int
    twice_by_link: int
    twice_to_us: int
    foreign: int
    cuts: int

    def as_result(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``word`` is passed, failed or inconclusive."""

    word: str
    reasons: tuple[str, ...]
    queues: tuple[str, ...]
    figures: Figures

    @property
    def exit_code(self) -> int:
        codes: Mapping[str, int] = {"passed": EXIT_OK, "failed": EXIT_FAILED}
        return codes.get(self.word, EXIT_INCONCLUSIVE)

    def as_result(self) -> dict[str, Any]:
        return {
            "verdict": self.word,
            "reasons": list(self.reasons),
            "queues": list(self.queues),
            "figures": self.figures.as_result(),
        }


def judge(ledger: Ledger, *, stuck: int, cuts: int) -> Verdict:
    """The verdict over ``ledger``, once nothing has arrived for long enough. ``stuck`` messages are still at
    the source, ``cuts`` is how often the link was seen to stop or to begin anew."""
    again = [(key, each) for key, all_of in ledger.arrivals.items() for each in all_of[1:]]
    to_us = [key for key, each in again if each.redelivered]
    by_link = [key for key, each in again if not each.redelivered]
    missing = ledger.missing()
    # What is still at the source is not lost; which of the missing it is cannot be told from here.
    lost = max(0, len(missing) - stuck * len(ledger.queues))
    there = {seq for _, seq in ledger.arrivals}
    figures = Figures(
        published=ledger.published,
        confirmed=len(ledger.confirmed),
        refused=len(ledger.refused),
        in_doubt=len(ledger.in_doubt),
        recovered=len(ledger.in_doubt & there),
        expected=len(ledger.confirmed) * len(ledger.queues),
        arrived=sum(1 for _, seq in ledger.arrivals if seq in ledger.confirmed),
        lost=lost,
        stuck=stuck,
        twice_by_link=len(by_link),
        twice_to_us=len(to_us),
        foreign=ledger.foreign,
        cuts=cuts,
    )
    failed = _failures(figures, missing)
    told = [*failed, *_told(figures)]
    word = "failed" if failed else "passed"
    if not failed and not ledger.confirmed:
        word, told = "inconclusive", ["nothing was confirmed", *told]
    return Verdict(word=word, reasons=tuple(told), queues=tuple(ledger.queues), figures=figures)


def _failures(figures: Figures, missing: Sequence[tuple[str, int]]) -> list[str]:
    found: list[str] = []
    if figures.lost:
        named = ", ".join(f"{seq} in {queue}" for queue, seq in missing[:_MOST_NAMED])
        found.append(f"{figures.lost} messages were confirmed and are in neither place: {named}")
    if figures.stuck:
        found.append(
            f"{figures.stuck} messages still wait at the source: does the link run? warren links status"
        )
    if figures.twice_by_link and not figures.cuts:
        found.append(f"{figures.twice_by_link} came twice though the link was not seen to be cut")
    return found


def _told(figures: Figures) -> list[str]:
    """What is no failure, with its reason."""
    found: list[str] = []
    if figures.twice_by_link and figures.cuts:
        found.append(
            f"{figures.twice_by_link} came twice: the link was cut {figures.cuts} times, between the confirm "
            "of the destination and the ack at the source"
        )
    if figures.twice_to_us:
        found.append(f"{figures.twice_to_us} were redelivered to us: our connection ended before the ack")
    if figures.foreign:
        found.append(f"{figures.foreign} messages were not of this proof, and were given back")
    return found
