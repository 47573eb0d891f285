"""One process that asks: a publisher whose messages are requests, and which takes the answers to them.

A request keeps its number however often it is asked, and its correlation id names run, process and number.
An unconfirmed request is the publisher's to send again; a confirmed one without an answer in time has lost
it, or its server, and is asked again until its deadline. So a lost answer is a timeout and a retry.
"""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

from pika.channel import Channel

from loadgen import body, wire
from loadgen.curve import SECOND_NS, Split, ends_ns
from loadgen.histogram import record
from loadgen.ledger import Bitmap, Bits, Kind
from loadgen.publisher import Publisher
from loadgen.publishing import Again
from loadgen.reporting import pairs
from loadgen.roles import REPLIES
from loadgen.spec import PublisherSpec
from loadgen.transport import Connection
from loadgen.worker import Worker

#: The broker's pseudo-queue; it must be consumed without acks, on the channel that publishes.
#: https://www.rabbitmq.com/docs/direct-reply-to
_DIRECT = "amq.rabbitmq.reply-to"
#: A queue of answers that a killed run left goes away by itself.
_EXPIRES_MS = 600_000


class _Asked(NamedTuple):
    """A request that was sent, and when its answer is late."""

    due_ns: int
    seq: int
    intended_ns: int
    attempt: int


class Requester(Publisher):
    """A `Job` that publishes requests on schedule and waits for what comes back."""

    def __init__(self, spec: PublisherSpec, worker: Worker) -> None:
        super().__init__(spec, worker)
        assert spec.replies is not None  # noqa: S101 - asked by the caller
        self._asks = spec.replies
        self._timeout_ns = int(spec.replies.timeout_s * SECOND_NS)
        meaning = {"worker": spec.name, "publisher": spec.index, "nonce": spec.nonce}
        where = Path(spec.folder) / f"{spec.name}.replied"
        self._replied = Bitmap(where, {**meaning, "kind": Bits.DONE, "queue": REPLIES})
        self._open: dict[int, int] = {}
        self._pending: deque[_Asked] = deque()
        self._asked_again: set[int] = set()
        self._round_trips = Split(ends_ns(spec.phases))
        self._channel: Channel | None = None
        self._openings = 0
        self._reply_to = _DIRECT
        self._counts |= dict.fromkeys(("replies", "replied", "timeouts"), 0)

    # --- the job's life

    def opened(self, connection: Connection, channel: Channel) -> None:
        self._channel = channel
        channel.add_on_cancel_callback(lambda _frame: self._worker.reopen("the broker cancelled the replies"))
        super().opened(connection, channel)

    def _on_confirming(self, connection: Connection) -> None:
        """Listen for answers first; only then is this ready to ask."""
        connection.on_delivery = self._on_reply
        if self._asks.by == "direct":
            self._listen(connection, _DIRECT)
        else:
            self._declare(connection)

    def _declare(self, connection: Connection) -> None:
        """A queue of answers: a quorum queue outlives a lost connection, an exclusive one is made anew."""
        assert self._channel is not None  # noqa: S101 - set in opened()
        channel, spec, lasting = self._channel, self._spec, self._asks.by == "quorum"
        self._openings += 1
        place = f"{spec.nonce:08x}.{spec.name}" + ("" if lasting else f".{self._openings}")
        self._reply_to = f"warren.replies.{place}"
        kind = (
            {"x-queue-type": "quorum", "x-expires": _EXPIRES_MS} if lasting else {"x-queue-type": "classic"}
        )

        def bind(_frame: Any) -> None:
            channel.queue_bind(
                self._reply_to,
                self._asks.exchange,
                routing_key=self._reply_to,
                callback=lambda _ok: self._listen(connection, self._reply_to),
            )

        channel.queue_declare(
            self._reply_to, durable=lasting, exclusive=not lasting, arguments=kind, callback=bind
        )

    def _listen(self, connection: Connection, queue: str) -> None:
        assert self._channel is not None  # noqa: S101 - set in opened()
        ready = super()._on_confirming
        self._channel.basic_consume(
            queue,
            lambda *_: None,
            auto_ack=self._asks.by == "direct",
            consumer_tag=self._spec.name,
            callback=lambda _ok: ready(connection),
        )

    def turn(self, now_ns: int, *, rested_ns: int) -> int:
        self._ask_again(now_ns)
        wake_ns = super().turn(now_ns, rested_ns=rested_ns)
        return min(wake_ns, self._pending[0].due_ns) if self._pending else wake_ns

    # --- asking

    def _template(self, kind: int, seq: int) -> wire.Template:
        message = self._spec.classes[kind]
        about = self._properties(message)
        about.reply_to, about.correlation_id = self._reply_to, self._correlation(seq)
        return self._made(message, about)

    def _correlation(self, seq: int) -> str:
        return f"{self._spec.nonce:08x}.{self._spec.index}.{seq}"

    def _send(self, seq: int, intended_ns: int, now_ns: int, attempt: int) -> None:
        super()._send(seq, intended_ns, now_ns, attempt)
        if not self._replied.holds(seq):
            self._open[seq] = attempt
            self._pending.append(_Asked(now_ns + self._timeout_ns, seq, intended_ns, attempt))

    def _ask_again(self, now_ns: int) -> None:
        while self._pending and self._pending[0].due_ns <= now_ns:
            asked = self._pending.popleft()
            if self._open.get(asked.seq) != asked.attempt:
                continue
            late = now_ns - asked.intended_ns > self._deadline_ns
            if not self._confirmed.holds(asked.seq):
                if not late:
                    self._pending.append(asked._replace(due_ns=now_ns + self._timeout_ns))
                continue
            again = Again(asked.seq, asked.intended_ns, asked.attempt + 1, now_ns, nacked=False)
            if late:
                self._give_up(again)
                continue
            self._counts["timeouts"] += 1
            self._log_of(Kind.REPLY_TIMEOUT, asked.seq, now_ns, asked.attempt)
            self._asked_again.add(asked.seq)
            self._again.append(again)

    def _give_up(self, message: Again) -> None:
        """An unconfirmed request is a failed publish; a confirmed one stays without an answer."""
        if self._confirmed.holds(message.seq):
            if self._open.pop(message.seq, None) is not None:
                self._log_of(Kind.UNANSWERED, message.seq, time.monotonic_ns(), message.attempt)
        else:
            super()._give_up(message)

    # --- answers

    def _on_reply(self, delivery: wire.Delivery) -> None:
        now = time.monotonic_ns()
        self._counts["replies"] += 1
        stamp = body.decode(delivery.body)
        if stamp is None or stamp.nonce != self._spec.nonce:
            self._log_of(Kind.FOREIGN, 0, now, 0)
        elif not self._fits(delivery, stamp):
            self._log_of(Kind.REPLY_WRONG, stamp.seq, now, min(stamp.attempt, 255))
        elif self._replied.test_and_set(stamp.seq):
            self._log_of(Kind.REPLY_AGAIN, stamp.seq, now, int(delivery.redelivered))
        else:
            self._answered(stamp, now)
        if self._asks.by != "direct" and self._connection is not None:
            self._connection.queue(wire.ack(self._number, delivery.tag, multiple=False))

    def _fits(self, delivery: wire.Delivery, stamp: body.Stamp) -> bool:
        """Whether the answer, which repeats the request's header, is to the request that its id names."""
        named = delivery.properties().correlation_id
        mine = stamp.publisher == self._spec.index and stamp.seq < self._next_seq
        return mine and named == self._correlation(stamp.seq)

    def _answered(self, stamp: body.Stamp, now: int) -> None:
        intended_ns = stamp.intended_ns - self._worker.body_clock_ns
        record(self._round_trips.of(intended_ns - self._worker.t0_ns), now - intended_ns)
        self._counts["replied"] += 1
        self._open.pop(stamp.seq, None)
        if stamp.seq in self._asked_again:
            self._asked_again.discard(stamp.seq)
            self._log_of(Kind.REPLY_LATE, stamp.seq, now, min(stamp.attempt, 255))

    def _log_of(self, kind: Kind, seq: int, at_ns: int, detail: int) -> None:
        self._log.add(kind, self._spec.index, seq, at_ns, detail=min(detail, 255))

    def tick(self) -> dict[str, Any]:
        found = super().tick()
        found["histograms"] |= {
            name: pairs(each) for name, each in self._round_trips.named("round_trip").items() if each
        }
        return found
