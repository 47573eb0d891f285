"""One relay process: for each message that it takes it publishes one, and acks once that is confirmed.

So nothing is lost where it dies in between; what it may have published twice then is marked in the body
(the attempt) and in its log. The message that it publishes keeps publisher, number, class and intended time,
which makes a chain of relays one message to the ledger, with a debt in each queue that it comes to.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from pathlib import Path
from typing import Any

from pika.channel import Channel

from loadgen import body, wire
from loadgen.codec import numbered_by
from loadgen.curve import SECOND_NS, Split
from loadgen.histogram import record
from loadgen.ledger import Bitmap, Bits, EventLog, Kind
from loadgen.passing import Passing, Router
from loadgen.reporting import Gaps, end_to_end, taken
from loadgen.spec import RelaySpec
from loadgen.transport import Connection
from loadgen.worker import Worker

_FAR_NS = 3600 * SECOND_NS
#: How long a nacked message waits before it is published again.
_NACK_PAUSE_NS = 200_000_000
#: A relay's own publishes and their answers are counted apart from the publishers'.
_COUNTS = (
    "consumed", "settled", "redelivered", "foreign", "duplicates",
    "relay_sent", "relay_confirmed", "relay_nacked",
)  # fmt: skip


class Relay:
    """A `Job` that passes on what it takes, one for one."""

    def __init__(self, spec: RelaySpec, worker: Worker) -> None:
        self._spec = spec
        self._worker = worker
        self._router = Router(spec)
        self._folder = Path(spec.folder)
        self._meaning = {"worker": spec.name, "queue": spec.queue, "nonce": spec.nonce}
        self._log = EventLog(self._folder / f"{spec.name}.log", {**self._meaning, "queues": [spec.queue]})
        self._final: dict[tuple[int, str], Bitmap] = {}
        self._connection: Connection | None = None
        self._number = 0
        self._next_tag = self._low_tag = 1
        self._waiting: dict[int, Passing] = {}
        self._again: deque[tuple[int, Passing]] = deque()
        self._queue: deque[tuple[wire.Delivery, int]] = deque()
        self._work_ns = int(spec.work_time_s * SECOND_NS)
        self._busy_until_ns = 0
        self._left = -1 if spec.crash_after is None else spec.crash_after
        self._finish = False
        self._by_class = [Split(spec.phase_ends_ns) for _ in spec.classes]
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._gaps = Gaps()

    # --- the job's life

    def opened(self, connection: Connection, channel: Channel) -> None:
        self._number = int(channel.channel_number)
        self._router.opened(self._number, connection.frame_max)
        self._next_tag = self._low_tag = 1
        connection.on_confirm = self._on_confirm
        connection.on_delivery = self._on_delivery
        channel.add_on_cancel_callback(
            lambda _frame: self._worker.reopen("the broker cancelled the consumer")
        )
        channel.confirm_delivery(
            lambda _frame: None,
            callback=lambda _ok: channel.basic_qos(
                prefetch_count=self._spec.prefetch, callback=lambda _ok: self._consume(connection, channel)
            ),
        )

    def _consume(self, connection: Connection, channel: Channel) -> None:
        self._connection = connection
        channel.basic_consume(
            self._spec.queue,
            lambda *_: None,
            consumer_tag=self._spec.name,
            callback=lambda _ok: self._worker.ready(),
        )

    def lost(self) -> None:
        """What was not acked comes again, flagged, to this relay or another."""
        self._connection = None
        self._waiting.clear()
        self._again.clear()
        self._queue.clear()
        if not self._finish:
            self._log.add(Kind.CONNECTION_LOST, 0, 0, time.monotonic_ns())
        self._log.flush()

    def command(self, name: str) -> None:
        if name == "start":
            self._gaps.begin(self._worker.t0_ns)
        elif name == "anew" and not self._finish:
            self._worker.reopen("the drain waits in vain: connecting anew")
        elif name == "finish":
            self._finish = True
            if self._connection is not None:
                self._connection.on_delivery = lambda _delivery: None

    @property
    def credit(self) -> int:
        return self._spec.prefetch

    @property
    def over(self) -> bool:
        return self._finish

    def turn(self, now_ns: int, *, rested_ns: int) -> int:
        del rested_ns
        wake_ns = now_ns + _FAR_NS
        while self._queue and self._busy_until_ns <= now_ns:
            self._handle(*self._queue.popleft())
            self._busy_until_ns += self._work_ns
        if self._queue:
            wake_ns = self._busy_until_ns
        while self._again and self._again[0][0] <= now_ns:
            self._publish(self._again.popleft()[1], again=True)
        return min(wake_ns, self._again[0][0]) if self._again else wake_ns

    def before_flush(self) -> None:
        self._log.flush()

    # --- deliveries

    def _on_delivery(self, delivery: wire.Delivery) -> None:
        now = time.monotonic_ns()
        self._gaps.event(now)
        self._counts["consumed"] += 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1
        if self._work_ns:
            if not self._queue:
                self._busy_until_ns = now + self._work_ns
            self._queue.append((delivery, now))
        else:
            self._handle(delivery, now)

    def _handle(self, delivery: wire.Delivery, now: int) -> None:
        stamp = body.decode(delivery.body)
        if stamp is None or stamp.nonce != self._spec.nonce:
            self._strange(delivery, now, Kind.FOREIGN)
            return
        known = stamp.publisher < self._spec.publishers and stamp.kind < len(self._by_class)
        if not known or stamp.seq >= numbered_by(now - self._worker.t0_ns):
            self._strange(delivery, now, Kind.UNREADABLE)
            return
        passing = self._router.passing(delivery, stamp, now, self._worker.body_clock_ns)
        if passing.tried == self._spec.crash_try:
            os.kill(os.getpid(), signal.SIGKILL)
        self._note(passing)
        if passing.outcome is None and self._spec.to != "reply":
            self._settle(passing)
        else:
            self._publish(passing, again=delivery.redelivered)

    def _note(self, passing: Passing) -> None:
        delivery, now = passing.delivery, passing.arrived_ns
        if not passing.tried and not delivery.redelivered:
            split = self._by_class[passing.kind]
            record(split.of(passing.intended_ns - self._worker.t0_ns), now - passing.intended_ns)
        if delivery.redelivered:
            self._counts["redelivered"] += 1
            self._log.add(Kind.REDELIVERED, passing.publisher, passing.seq, now)
        if self._spec.log_tries:
            flag = int(delivery.redelivered)
            self._log.add(Kind.TRIED, passing.publisher, passing.seq, now, detail=flag, aux=passing.tried)
        if self._spec.log_arrivals:
            publisher, seq, flag = passing.publisher, passing.seq, int(delivery.redelivered)
            intended_ns = passing.intended_ns
            self._log.add(Kind.ARRIVED, publisher, seq, now, detail=passing.kind, aux=intended_ns, aux2=flag)

    def _strange(self, delivery: wire.Delivery, now: int, kind: Kind) -> None:
        """A message of something else, or one of ours that cannot be: noted, not passed on, acked."""
        self._counts["foreign"] += 1
        self._log.add(kind, 0, 0, now)
        self._ack(delivery)

    # --- passing on

    def _publish(self, passing: Passing, *, again: bool) -> None:
        """Send what follows from ``passing``; ``again`` says that it may have been sent before."""
        connection = self._connection
        if connection is None:
            return
        now = time.monotonic_ns()
        if passing.comes_back and self._spec.log_tries:
            self._log.add(Kind.REJECTED, passing.publisher, passing.seq, now, aux=passing.tried)
        if again:
            self._log.add(Kind.RELAYED_AGAIN, passing.publisher, passing.seq, now)
        nonce, attempt = self._spec.nonce, min(passing.attempt, 255)
        ahead = self._worker.body_clock_ns
        head = body.HEADER.pack(
            nonce, passing.publisher, passing.kind, attempt, passing.seq, passing.stamped_ns, now + ahead
        )
        rest = passing.delivery.body[body.HEADER_SIZE :]
        connection.queue(self._router.template(passing).frames(head, rest))
        self._counts["relay_sent"] += 1
        self._waiting[self._next_tag] = passing
        self._next_tag += 1

    # --- answers

    def _on_confirm(self, tag: int, multiple: bool, is_ack: bool) -> None:
        now = time.monotonic_ns()
        for each in range(self._low_tag, tag + 1) if multiple else (tag,):
            passing = self._waiting.pop(each, None)
            if passing is None:
                continue
            if is_ack:
                self._counts["relay_confirmed"] += 1
                self._settle(passing)
            else:
                self._counts["relay_nacked"] += 1
                passing.attempt += 1
                self._again.append((now + _NACK_PAUSE_NS, passing))
        self._low_tag = next(iter(self._waiting), self._next_tag)

    def _settle(self, passing: Passing) -> None:
        """What was passed on is the broker's now: write that down, then ack what it came from."""
        now = time.monotonic_ns()
        if not passing.comes_back:
            self._end(passing, now)
        self._ack(passing.delivery)

    def _end(self, passing: Passing, now: int) -> None:
        if self._bitmap(passing).test_and_set(passing.seq):
            self._counts["duplicates"] += 1
            flag = int(passing.delivery.redelivered)
            self._log.add(Kind.DUPLICATE, passing.publisher, passing.seq, now, detail=flag)
        else:
            self._counts["settled"] += 1

    def _bitmap(self, passing: Passing) -> Bitmap:
        outcome = passing.outcome
        reason = outcome.name if outcome is not None and outcome.final == "dead" else ""
        found = self._final.get((passing.publisher, reason))
        if found is None:
            kind = Bits.DEAD if reason else Bits.DONE
            meaning = {**self._meaning, "kind": kind, "publisher": passing.publisher, "reason": reason}
            name = f"{self._spec.name}.final-{len(self._final)}"
            found = self._final[passing.publisher, reason] = Bitmap(self._folder / name, meaning)
        return found

    def _ack(self, delivery: wire.Delivery) -> None:
        if self._connection is not None:
            self._connection.queue(wire.ack(self._number, delivery.tag, multiple=False))

    def tick(self) -> dict[str, Any]:
        histograms = end_to_end(self._spec.classes, self._by_class)
        return {"counts": taken(self._counts), "histograms": histograms, **self._gaps.tell()}
