"""One consumer process: works or fails by the plan, writes its evidence, then settles in batches."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pika.channel import Channel

from loadgen import death, plan, wire
from loadgen.codec import codec, numbered_by
from loadgen.curve import SECOND_NS, Split
from loadgen.histogram import record
from loadgen.ledger import Bitmap, Bits, EventLog, Kind
from loadgen.reporting import Gaps, end_to_end, pairs, taken
from loadgen.spec import ConsumerSpec
from loadgen.stamps import Stamps
from loadgen.transport import Connection
from loadgen.worker import Worker

_FAR_NS = 3600 * SECOND_NS
_COUNTS = ("consumed", "settled", "redelivered", "foreign", "duplicates", "rejected", "requeued")


class Consumer:
    """A `Job` that consumes one queue, one message at a time in order of arrival."""

    def __init__(self, spec: ConsumerSpec, worker: Worker) -> None:
        self._spec = spec
        self._worker = worker
        self._failures = plan.failures(spec.failures, spec.seed)
        self._folder = Path(spec.folder)
        self._unit = spec.unit or spec.queue
        self._meaning = {"worker": spec.name, "queue": self._unit, "nonce": spec.nonce}
        self._log = EventLog(self._folder / f"{spec.name}.log", self._about())
        self._done: list[Bitmap | None] = [None] * spec.publishers
        self._origins: dict[tuple[str, int], Bitmap] = {}
        self._requeues = "requeue" in spec.on_failure
        self._mark = death.EITHER_MARK if self._requeues else death.MARK
        self._noted = spec.log_tries or spec.log_served or spec.log_arrivals
        self._dead: dict[tuple[str, str, int], Bitmap] = {}
        self._highest = [-1] * spec.publishers
        self._codec = codec(spec.body, nonce=spec.nonce, publishers=spec.publishers)
        self._limit = self._codec.limit
        self._size, self._rest = 0, b""
        self._connection: Connection | None = None
        self._channel: Channel | None = None
        self._number = 0
        self._batch = max(1, min(spec.ack_batch, spec.prefetch))
        self._unacked = self._last_tag = 0
        self._flush_at_ns = 0
        self._queue: deque[tuple[wire.Delivery, int, int]] = deque()
        self._work_ns = int(spec.work_time_s * SECOND_NS)
        self._busy_until_ns = 0
        self._free_since_ns = 0
        self._finish = False
        self._by_class = [Split(spec.phase_ends_ns) for _ in spec.classes]
        self._stamps = Stamps(time.time_ns, time.monotonic_ns) if spec.stamps else None
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._gaps = Gaps()

    # --- the job's life

    def opened(self, connection: Connection, channel: Channel) -> None:
        self._connection = connection
        self._channel = channel
        self._number = int(channel.channel_number)
        connection.on_delivery = self._on_delivery
        channel.add_on_cancel_callback(
            lambda _frame: self._worker.reopen("the broker cancelled the consumer")
        )
        channel.basic_qos(prefetch_count=self._spec.prefetch, callback=lambda _ok: self._consume(channel))

    def _consume(self, channel: Channel) -> None:
        self._free_since_ns = time.monotonic_ns()
        channel.basic_consume(
            self._spec.queue,
            lambda *_: None,
            consumer_tag=self._spec.name,
            arguments=self._arguments() or None,
            callback=lambda _ok: self._worker.ready(),
        )

    def _arguments(self) -> dict[str, Any]:
        return dict(self._spec.arguments)

    def lost(self) -> None:
        """What was not settled comes again; what was done stays done."""
        self._connection = self._channel = None
        self._queue.clear()
        self._unacked = 0
        if not self._finish:
            self._log.add(Kind.CONNECTION_LOST, 0, 0, time.monotonic_ns())
        self._log.flush()

    def command(self, name: str) -> None:
        if name == "start":
            self._codec.begin(self._worker.t0_ns + self._worker.body_clock_ns)
            self._bound()
            self._gaps.begin(self._worker.t0_ns)
        elif name == "anew" and not self._finish:
            self._flush_acks()
            self._worker.reopen("the drain waits in vain: connecting anew")
        elif name == "finish":
            self._finish = True
            self._flush_acks()
            self._take_no_more()

    def _about(self) -> dict[str, Any]:
        """What the log says of itself."""
        return {**self._meaning, "queues": [self._spec.queue]}

    def _take_no_more(self) -> None:
        """Leave what still comes on this connection to the broker, which gives it to somebody again."""
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
        wake_ns = self._serve(now_ns) if self._work_ns else now_ns + _FAR_NS
        if not self._unacked:
            return wake_ns
        if now_ns >= self._flush_at_ns:
            self._flush_acks()
            return wake_ns
        return min(wake_ns, self._flush_at_ns)

    def before_flush(self) -> None:
        self._log.flush()

    # --- deliveries

    def _on_delivery(self, delivery: wire.Delivery) -> None:
        now = time.monotonic_ns()
        self._gaps.event(now)
        self._counts["consumed"] += 1
        if self._work_ns:
            if not self._queue:
                self._busy_until_ns = now + self._work_ns
            self._queue.append((delivery, now, self._free_since_ns))
        else:
            self._handle(delivery, now, self._free_since_ns)

    def _serve(self, now_ns: int) -> int:
        """Settle what has been worked on long enough; returns when the next one will have been."""
        while self._queue and self._busy_until_ns <= now_ns:
            self._handle(*self._queue.popleft())
            self._busy_until_ns += self._work_ns
        return self._busy_until_ns if self._queue else now_ns + _FAR_NS

    def _handle(self, delivery: wire.Delivery, now: int, free_ns: int) -> None:
        payload = delivery.body
        found = self._codec.read(payload)
        if found is None:
            self._strange(delivery, now, Kind.FOREIGN)
            return
        publisher, kind, seq, intended_ns = found
        if len(payload) != self._size:
            self._size, self._rest = len(payload), self._codec.rest(len(payload))
        unsound = publisher >= self._spec.publishers or seq >= self._limit or kind >= len(self._by_class)
        if unsound or not payload.endswith(self._rest):
            self._strange(delivery, now, Kind.UNREADABLE)
            return
        at = (now, intended_ns - self._worker.body_clock_ns, free_ns)
        if self._stamps is not None and not delivery.redelivered:
            self._stamps.take(delivery.header, self._codec.sent_ns(payload) - self._worker.body_clock_ns, now)
        if self._spec.does == "finish":
            if self._spec.log_arrivals:
                self._note(delivery, (publisher, seq, kind), at, 0)
            self._bury(delivery, publisher, seq, now)
            return
        self._work(delivery, (publisher, seq, kind), at)

    def _work(self, delivery: wire.Delivery, message: tuple[int, int, int], at: tuple[int, int, int]) -> None:
        publisher, seq, kind = message
        now, intended_ns, _ = at
        tried, origin = 0, ""
        scheduled = self._mark in delivery.header
        if scheduled:
            headers = delivery.headers()
            tried = self._tries_before(headers)
            origin = self._origin(headers)
        elif not delivery.redelivered or not self._was_done(publisher, seq):
            # What a lost connection swallowed comes flagged, and its wait is the one that a fault is about.
            record(self._by_class[kind].of(intended_ns - self._worker.t0_ns), now - intended_ns)
        if delivery.redelivered and (self._requeues or not scheduled):
            self._counts["redelivered"] += 1
            self._log.add(Kind.REDELIVERED, publisher, seq, now)
        if self._noted:
            self._note(delivery, message, at, tried)
        if not self._failures.trivial and tried < self._failures.of(publisher, seq):
            self._reject(delivery, publisher, seq, tried)
        else:
            if scheduled and delivery.redelivered:
                self._log.add(Kind.FLAGGED, publisher, seq, now)
            self._finish_one(delivery, publisher, seq, now, origin)

    def _note(
        self, delivery: wire.Delivery, message: tuple[int, int, int], at: tuple[int, int, int], tried: int
    ) -> None:
        """Write down what an oracle asked for."""
        publisher, seq, kind = message
        now, intended_ns, free_ns = at
        spec, flag = self._spec, int(delivery.redelivered)
        if spec.log_tries:
            self._log.add(Kind.TRIED, publisher, seq, now, detail=flag, aux=tried)
        if spec.log_served:
            self._log.add(Kind.SERVED, publisher, seq, now, detail=kind, aux=free_ns, aux2=flag)
        if spec.log_arrivals:
            self._log.add(Kind.ARRIVED, publisher, seq, now, detail=kind, aux=intended_ns, aux2=flag)

    def _tries_before(self, headers: Mapping[str, Any]) -> int:
        """Told by the broker's count where failed messages go back into their queue, else by rejections."""
        if self._requeues:
            return death.failed_deliveries(headers)
        return death.tries_before(headers, self._spec.queue)

    def _origin(self, headers: Mapping[str, Any]) -> str:
        """Where a dead-lettered message is booked; empty for the queue that it was taken from."""
        found = death.read_death(headers) if self._spec.settles == "origin" else None
        return found.queue if found is not None else ""

    def _was_done(self, publisher: int, seq: int) -> bool:
        done = self._done[publisher]
        return done is not None and done.holds(seq)

    def _reject(self, delivery: wire.Delivery, publisher: int, seq: int, tried: int) -> None:
        ways = self._spec.on_failure
        back = ways[min(tried, len(ways) - 1)] == "requeue"
        if self._spec.log_tries:
            self._log.add(Kind.REJECTED, publisher, seq, time.monotonic_ns(), detail=back, aux=tried)
        if self._connection is not None:
            self._connection.queue(wire.reject(self._number, delivery.tag, requeue=back))
            self._counts["requeued" if back else "rejected"] += 1
        self._free_since_ns = time.monotonic_ns()

    def _finish_one(self, delivery: wire.Delivery, publisher: int, seq: int, now: int, origin: str) -> None:
        done = self._origins.get((origin, publisher)) if origin else self._done[publisher]
        if done is None:
            done = self._done_bitmap(publisher, origin)
        if done.test_and_set(seq):
            self._counts["duplicates"] += 1
            self._log.add(Kind.DUPLICATE, publisher, seq, now, detail=delivery.redelivered)
        else:
            self._counts["settled"] += 1
            if self._spec.sole:
                self._judge_order(delivery, publisher, seq, now)
        self._ack(delivery.tag, now)

    def _judge_order(self, delivery: wire.Delivery, publisher: int, seq: int, now: int) -> None:
        highest = self._highest[publisher]
        if seq > highest:
            self._highest[publisher] = seq
        else:
            self._log.add(Kind.REORDERED, publisher, seq, now, detail=delivery.redelivered, aux=highest)

    def _bury(self, delivery: wire.Delivery, publisher: int, seq: int, now: int) -> None:
        found = death.read_death(delivery.headers())
        origin, reason = (found.queue, found.reason) if found else ("", "none")
        dead = self._dead.get((origin, reason, publisher))
        if dead is None:
            extra = {"queue": origin, "reason": reason, "found_in": self._spec.queue}
            name = f"dead-{len(self._dead)}"
            dead = self._dead[origin, reason, publisher] = self._bitmap(Bits.DEAD, publisher, name, extra)
        if dead.test_and_set(seq):
            self._counts["duplicates"] += 1
            self._log.add(Kind.DUPLICATE, publisher, seq, now, detail=delivery.redelivered)
        else:
            self._counts["settled"] += 1
        self._ack(delivery.tag, now)

    def _done_bitmap(self, publisher: int, origin: str) -> Bitmap:
        if origin:
            name = f"done-{publisher}-{len(self._origins)}"
            made = self._bitmap(Bits.DONE, publisher, name, {"queue": origin})
            self._origins[origin, publisher] = made
        else:
            made = self._bitmap(Bits.DONE, publisher, f"done-{publisher}", {})
            self._done[publisher] = made
        return made

    def _bitmap(self, kind: Bits, publisher: int, name: str, extra: dict[str, Any]) -> Bitmap:
        meaning = {**self._meaning, "kind": kind, "publisher": publisher, **extra}
        return Bitmap(self._folder / f"{self._spec.name}.{name}", meaning)

    def _strange(self, delivery: wire.Delivery, now: int, kind: Kind) -> None:
        """A message of something else, or one of ours that cannot be: noted, not judged by content, acked."""
        self._counts["foreign"] += 1
        self._log.add(kind, 0, 0, now)
        self._ack(delivery.tag, now)

    # --- acks

    def _ack(self, tag: int, now: int) -> None:
        if self._connection is None:
            return
        if not self._unacked:
            self._flush_at_ns = now + int(self._spec.ack_interval_s * SECOND_NS)
        self._unacked += 1
        self._last_tag = tag
        if self._unacked >= self._batch:
            self._flush_acks()

    def _flush_acks(self) -> None:
        """One ack for everything up to the last tag; rejects before it have left already, in order."""
        if self._unacked and self._connection is not None:
            self._connection.queue(wire.ack(self._number, self._last_tag, multiple=self._unacked > 1))
        self._unacked = 0
        self._free_since_ns = time.monotonic_ns()

    def _bound(self) -> None:
        """Which numbers are believed until the next tick."""
        self._limit = min(self._codec.limit, numbered_by(time.monotonic_ns() - self._worker.t0_ns))

    def tick(self) -> dict[str, Any]:
        self._bound()
        histograms = end_to_end(self._spec.classes, self._by_class)
        if self._stamps is not None:
            histograms |= {name: pairs(each) for name, each in self._stamps.tick().items()}
        return {"counts": taken(self._counts), "histograms": histograms, **self._gaps.tell()}
