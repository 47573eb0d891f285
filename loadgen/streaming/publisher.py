"""One publisher process over the stream protocol: confirms by publishing id, which is the ledger's number.

Each publisher has a name of its own in the run, so that the broker stores a publishing id of it once at most
and confirms what comes twice: https://www.rabbitmq.com/docs/streams#deduplication-publisher. The broker
remembers the highest id only. A lower one is taken for a duplicate whether it was stored or not, so ids must
never go back: after a lost connection everything in doubt is published again, in order, before anything new,
and what the broker refuses is published again only while nothing above it is stored.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from loadgen.ledger import Kind
from loadgen.publishing import UNSENT_LIMIT_BYTES, Again, Publishing, Slot
from loadgen.spec import PublisherSpec
from loadgen.streaming import section
from loadgen.streaming.hearing import OK, Hearing
from loadgen.streaming.runner import Worker
from loadgen.streaming.transport import Connection


class Publisher(Publishing):
    """A `Job` that publishes on schedule and records what the broker answered."""

    at_leader = True
    _worker: Worker

    def __init__(self, spec: PublisherSpec, worker: Worker) -> None:
        super().__init__(spec, worker)
        self.stream = spec.routing_key
        self.hearing = Hearing(answers=self._on_answers)
        self._opening = section.opening(spec.size_bytes)
        self._connection: Connection | None = None
        self._slots: dict[int, Slot] = {}
        self._queued: list[tuple[int, bytes]] = []
        self._highest_stored = -1
        self._broken = False

    # --- the connection

    async def opened(self, connection: Connection) -> None:
        name = self._spec.link.connection_name
        await connection.declare_publisher(self.stream, name)
        if self._again:
            self._note_stored(await connection.last_published(self.stream, name))
        self._connection = connection
        self._broken = False

    def _note_stored(self, last: int) -> None:
        """Which of the messages in doubt are stored already: sent again, they put the broker to the test."""
        now = time.monotonic_ns()
        for each in self._again:
            if 0 < each.seq <= last and not self._confirmed.holds(each.seq):
                self._log.add(Kind.STORED_ALREADY, self._spec.index, each.seq, now, aux=last)

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def disconnect(self) -> None:
        self._connection = None

    def lost(self) -> None:
        """Everything unanswered is in doubt and will be published again under its own number."""
        self._connection = None
        self._queued.clear()
        doubtful, self._slots = list(self._slots.values()), {}
        self._doubt(doubtful)
        self._again = deque(sorted(self._again, key=lambda each: each.seq))

    # --- messages and answers

    def _can_send(self) -> bool:
        return (
            self._connection is not None
            and not self._broken
            and self._in_flight < self._spec.window
            and self._connection.unsent_bytes() < UNSENT_LIMIT_BYTES
        )

    def _can_create(self) -> bool:
        return not self._again and self._can_send()

    def _send(self, seq: int, intended_ns: int, now_ns: int, attempt: int) -> None:
        _, head = self._head(seq, intended_ns, now_ns, attempt)
        self._queued.append((seq, b"".join((self._opening, head, self._rest))))
        self._slots[seq] = (seq, intended_ns, attempt)
        self._last_sent_ns = now_ns
        self._in_flight += 1

    def before_flush(self) -> None:
        super().before_flush()
        if self._queued and self._connection is not None:
            self._connection.publish(self._queued)
            self._queued = []

    def _on_answers(self, numbers: Sequence[int], code: int) -> None:
        now = time.monotonic_ns()
        self._gaps.event(now)
        for number in numbers:
            slot = self._slots.pop(number, None)
            if slot is None:
                continue
            self._in_flight -= 1
            if code == OK:
                self._highest_stored = max(self._highest_stored, number)
                self._confirm(slot, now)
            else:
                self._refused(slot, code, now)
        self._worker.poke()

    def _refused(self, slot: Slot, code: int, now: int) -> None:
        seq, intended_ns, attempt = slot
        self._note_nack(seq, attempt, now)
        if seq < self._highest_stored:
            self._fail()
            return
        # Before anything new: on the next connection, in order with what is in doubt.
        self._again.append(Again(seq, intended_ns, attempt + 1, now, nacked=True))
        if not self._broken:
            self._broken = True
            self._worker.reopen(f"the broker does not take messages: code {code}")
