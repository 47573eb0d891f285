"""Churn by plan: a worker closes its connection, or its channel, after so many messages and makes another.

What is unanswered then is in doubt, what is unsettled comes again: as with any lost connection, only that it
is told in the log and not on the screen.
"""

from __future__ import annotations

from typing import Protocol

from loadgen.ledger import EventLog, Kind
from loadgen.roles import Renews


class Renewer(Protocol):
    """The part of `loadgen.worker.Worker` that is used here."""

    def renew(self, what: Renews) -> bool:
        """Close it and make another; False where there is none to close."""


class Renewals:
    """Counts one worker's messages up to the next planned change."""

    __slots__ = ("_at", "_every", "_log", "_what", "_worker")

    def __init__(self, every: int | None, what: Renews, worker: Renewer, log: EventLog) -> None:
        """``every`` of None plans none."""
        self._what: Renews = what
        self._every = every
        self._at = every
        self._worker = worker
        self._log = log

    def room(self, count: int) -> int:
        """How many messages after the first ``count`` may go before the change."""
        return _NO_LIMIT if self._at is None else max(0, self._at - count)

    def check(self, count: int, now_ns: int) -> bool:
        """Change where ``count`` messages are enough; True when what there was is given up."""
        if self._at is None or self._every is None or count < self._at or not self._worker.renew(self._what):
            return False
        self._at += self._every
        self._log.add(Kind.RENEWED, 0, 0, now_ns, aux=count, detail=int(self._what == "channel"))
        return True

    def tally(self, count: int, now_ns: int) -> None:
        """Say at the end how many messages there were."""
        if self._every is not None:
            self._log.add(Kind.TALLY, 0, 0, now_ns, aux=count)


_NO_LIMIT = 1 << 62
