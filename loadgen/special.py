"""Consumers that do not simply work: they hold, read a stream, slow down, reconnect or kill themselves.

They are a class of their own so that the hot path of those who do work asks nothing about them.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from loadgen import stream, wire
from loadgen.consumer import Consumer
from loadgen.curve import SECOND_NS
from loadgen.ledger import Kind
from loadgen.renewal import Renewals
from loadgen.roles import Slow
from loadgen.spec import ConsumerSpec
from loadgen.varied import Varied
from loadgen.worker import Worker


def consumer(spec: ConsumerSpec, worker: Worker) -> Consumer:
    """The consumer that ``spec`` asks for."""
    lives = spec.crash_after is None and spec.crash_try is None
    unbroken = lives and spec.reconnect_every is None and spec.slow is None
    alike = spec.body != "varied"
    plain = unbroken and alike and not spec.stream and spec.does in ("work", "finish")
    return Consumer(spec, worker) if plain else Special(spec, worker)


class Special(Consumer):
    """A consumer that looks at each delivery before it takes it, if it does."""

    def __init__(self, spec: ConsumerSpec, worker: Worker) -> None:
        self._from_ns = stream.from_ns(spec.from_epoch_s)
        super().__init__(spec, worker)
        self._offsets = stream.Offsets(spec.from_epoch_s) if spec.stream else None
        self._offset: int | None = None
        self._left = -1 if spec.crash_after is None else spec.crash_after
        self._holding = spec.does == "hold"
        self._renewals = Renewals(spec.reconnect_every, spec.renews, worker, self._log)
        self._taken = 0
        self._varied = Varied(spec.nonce, 0) if spec.body == "varied" else None

    def command(self, name: str) -> None:
        if name == "release" and self._holding:
            self._finish = True
            return
        super().command(name)
        if name == "finish":
            now = time.monotonic_ns()
            if self._offsets is not None:
                self._offsets.tell(self._log, now)
            self._renewals.tally(self._taken, now)
            self._log.flush()

    def _about(self) -> dict[str, Any]:
        return {**super()._about(), "from_ns": self._from_ns}

    def _arguments(self) -> dict[str, Any]:
        given = super()._arguments()
        return given if self._offsets is None else self._offsets.resume(given)

    def _on_delivery(self, delivery: wire.Delivery) -> None:
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1
        self._taken += 1
        if self._holding:
            self._counts["consumed"] += 1
        else:
            super()._on_delivery(delivery)
        if self._renewals.check(self._taken, time.monotonic_ns()):
            self._take_no_more()

    def turn(self, now_ns: int, *, rested_ns: int) -> int:
        if self._spec.slow is None:
            return super().turn(now_ns, rested_ns=rested_ns)
        change_ns = self._set_pace(now_ns, self._spec.slow)
        return min(change_ns, super().turn(now_ns, rested_ns=rested_ns))

    def _set_pace(self, now_ns: int, slow: Slow) -> int:
        """Take the time for a message that belongs to this moment; returns when that changes next."""
        begin_ns = self._worker.t0_ns + int(slow.from_s * SECOND_NS)
        end_ns = begin_ns + int(slow.for_s * SECOND_NS)
        is_slow = self._worker.t0_ns > 0 and begin_ns <= now_ns < end_ns
        self._work_ns = int((slow.work_time_s if is_slow else self._spec.work_time_s) * SECOND_NS)
        while not self._work_ns and self._queue:
            self._handle(*self._queue.popleft())
        if self._worker.t0_ns and now_ns < begin_ns:
            return begin_ns
        return end_ns if is_slow else now_ns + SECOND_NS

    def _handle(self, delivery: wire.Delivery, now: int, free_ns: int) -> None:
        # Not on arrival: what still waits to be worked on is read again after a lost connection.
        if self._offsets is not None:
            self._offset = self._offsets.check(delivery, self._log, now)
        if self._varied is not None and (found := self._varied.read(delivery.body)) is not None:
            publisher, _, seq, _ = found
            self._size = len(delivery.body)
            self._rest = self._varied.rest_of(publisher, seq, self._size)
        super()._handle(delivery, now, free_ns)

    def _work(self, delivery: wire.Delivery, message: tuple[int, int, int], at: tuple[int, int, int]) -> None:
        publisher, seq, kind = message
        if (
            self._spec.crash_try is not None
            and self._tries_before(delivery.headers()) == self._spec.crash_try
        ):
            os.kill(os.getpid(), signal.SIGKILL)
        if self._spec.log_offsets and self._offset is not None:
            self._log.add(Kind.READ, publisher, seq, at[0], detail=kind, aux=self._offset, aux2=at[1])
        if self._spec.does == "replay":
            self._ack(delivery.tag, at[0])
        else:
            super()._work(delivery, message, at)

    def tick(self) -> dict[str, Any]:
        return {**super().tick(), "offset": None if self._offsets is None else self._offsets.last}
