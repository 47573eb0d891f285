"""One publisher process: open loop, confirms in a window, nothing forgotten over a reconnect."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pika.channel import Channel

from loadgen import pacing, plan
from loadgen.codec import codec
from loadgen.curve import Split, ends_ns
from loadgen.histogram import Counts, record
from loadgen.ledger import Bitmap, Bits, EventLog, Kind
from loadgen.renewal import Renewals
from loadgen.spec import MessageClass, PublisherSpec
from loadgen.transport import Connection
from loadgen.wire import Properties, Template, properties
from loadgen.worker import SECOND_NS, Gaps, Worker, pairs

#: More than this in front of the socket, and the socket counts as not writable.
_UNSENT_LIMIT_BYTES = 256 * 1024
#: How long a nacked message waits before it is published again.
_NACK_PAUSE_NS = 200_000_000
#: What was sent at the very last still gets this long for its answer.
_LAST_ANSWER_NS = 5 * SECOND_NS
#: More than a publisher sends between two ticks: it stops this long before its numbers run out.
_SPARE_NUMBERS = 1_000_000
_FAR_NS = 3600 * SECOND_NS
#: ``acked_again`` counts confirms of what an earlier publish had confirmed already.
_COUNTS = (
    "published",
    "confirmed",
    "nacked",
    "failed",
    "republished",
    "acked_again",
    "returned",
)


@dataclass(slots=True)
class Again:
    """A message to be published once more, not before ``not_before_ns``."""

    seq: int
    intended_ns: int
    attempt: int
    not_before_ns: int
    nacked: bool


class Publisher:
    """A `Job` that publishes on schedule and records what the broker answered."""

    def __init__(self, spec: PublisherSpec, worker: Worker) -> None:
        self._spec = spec
        self._worker = worker
        self._schedule = pacing.schedule(
            spec.rate_per_s,
            index=spec.index,
            publishers=spec.publishers,
            duration_s=spec.duration_s,
            phases=spec.phases,
            arrivals=spec.arrivals,
            seed=spec.seed,
        )
        self._classes = plan.classes([each.share for each in spec.classes], spec.seed)
        self._one_class = self._classes.trivial
        self._kinds = spec.kinds or tuple(range(len(spec.classes)))
        self._codec = codec(spec.body, nonce=spec.nonce, publishers=spec.publishers, publisher=spec.index)
        self._rest = self._codec.rest(spec.size_bytes)
        folder = Path(spec.folder)
        meaning = {"worker": spec.name, "publisher": spec.index, "nonce": spec.nonce}
        self._confirmed = Bitmap(folder / f"{spec.name}.confirmed", {**meaning, "kind": Bits.CONFIRMED})
        self._log = EventLog(folder / f"{spec.name}.log", meaning)
        self._renewals = Renewals(spec.reconnect_every, spec.renews, worker, self._log)
        self._deadline_ns = int(spec.publish_deadline_s * SECOND_NS)
        self._end_ns = self._last_sent_ns = 0
        self._next_seq = 0
        self._creating = False
        self._finish = False
        self._again: deque[Again] = deque()
        self._lag = pacing.LagClock(0)
        self._blocked = False
        self._broker_blocks = False
        self._told_by: Connection | None = None
        self._connection: Connection | None = None
        self._templates: list[Template] = []
        self._number = self._frame_max = 0
        ring = 1 << (4 * spec.window).bit_length()
        self._mask = ring - 1
        self._slots: list[tuple[int, int, int] | None] = [None] * ring
        self._next_tag = self._low_tag = 1
        self._in_flight = 0
        ends = ends_ns(spec.phases)
        self._confirms, self._waits = Split(ends), Split(ends)
        self._own_lag: Counts = {}
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._gaps = Gaps()
        self._said_finished = False

    # --- the job's life

    def opened(self, connection: Connection, channel: Channel) -> None:
        self._next_tag = self._low_tag = 1
        connection.on_confirm = self._on_confirm
        if connection is not self._told_by:
            # Another channel of a connection that is blocked is blocked too.
            self._told_by, self._broker_blocks = connection, False
            connection.add_on_connection_blocked_callback(lambda *_: self._set_broker_blocks(True))
            connection.add_on_connection_unblocked_callback(lambda *_: self._set_broker_blocks(False))
        channel.add_on_return_callback(self._on_return)
        self._number, self._frame_max = int(channel.channel_number), connection.frame_max
        self._templates = [self._made(each, self._properties(each)) for each in self._spec.classes]
        channel.confirm_delivery(lambda _frame: None, callback=lambda _ok: self._on_confirming(connection))

    def _made(self, kind: MessageClass, about: Properties) -> Template:
        """The frames around the body of a message of ``kind``."""
        spec = self._spec
        return Template(
            channel=self._number,
            frame_max=self._frame_max,
            exchange=spec.exchange if kind.exchange is None else kind.exchange,
            routing_key=spec.routing_key if kind.routing_key is None else kind.routing_key,
            properties=about,
            mandatory=spec.mandatory,
            body_size=spec.size_bytes,
        )

    @staticmethod
    def _properties(kind: MessageClass) -> Properties:
        return properties(kind.headers, priority=kind.priority, expiration_ms=kind.expiration_ms)

    def _on_confirming(self, connection: Connection) -> None:
        self._connection = connection
        self._worker.ready()

    def lost(self) -> None:
        """Everything unanswered is in doubt and will be published again under its own number."""
        now = time.monotonic_ns()
        self._connection = None
        doubtful = [slot for slot in self._slots if slot is not None]
        for seq, intended_ns, attempt in sorted(doubtful, reverse=True):
            self._log.add(Kind.IN_DOUBT, self._spec.index, seq, now, detail=attempt)
            self._again.appendleft(Again(seq, intended_ns, attempt + 1, now, nacked=False))
        self._slots = [None] * len(self._slots)
        self._in_flight = 0
        self._log.flush()

    def command(self, name: str) -> None:
        if name == "start":
            self._creating = True
            self._codec.begin(self._worker.t0_ns + self._worker.body_clock_ns)
            self._lag = pacing.LagClock(self._worker.t0_ns)
            self._end_ns = self._worker.t0_ns + int(self._spec.duration_s * SECOND_NS)
            self._gaps.begin(self._worker.t0_ns)
        elif name == "stop":
            self._creating = False
            self._end_ns = min(self._end_ns, time.monotonic_ns())
        elif name == "finish":
            self._finish = True

    @property
    def credit(self) -> int:
        return self._spec.window

    @property
    def over(self) -> bool:
        return self._finish

    def _set_broker_blocks(self, blocks: bool) -> None:
        self._broker_blocks = blocks
        kind = Kind.BLOCKED if blocks else Kind.UNBLOCKED
        self._log.add(kind, self._spec.index, 0, time.monotonic_ns())
        self._worker.say("note", text="the broker blocks publishing" if blocks else "the broker unblocked")

    # --- turns

    def turn(self, now_ns: int, *, rested_ns: int) -> int:
        if rested_ns and self._blocked:
            self._lag.free(rested_ns)
        wake_ns = now_ns + _FAR_NS
        if self._again:
            wake_ns = self._publish_again(now_ns)
        if self._creating:
            wake_ns = min(wake_ns, self._publish_due())
        elif self._end_ns and not self._said_finished:
            self._settle(now_ns)
        if self._connection is not None and self._renewals.check(self._next_seq, now_ns):
            self._connection = None
        return wake_ns

    def before_flush(self) -> None:
        self._confirmed.set_counter(self._next_seq)
        self._log.flush()

    def _can_send(self) -> bool:
        return (
            self._connection is not None
            and not self._broker_blocks
            and self._in_flight < self._spec.window
            and self._next_tag - self._low_tag < self._mask - self._spec.window
            and self._connection.unsent_bytes() < _UNSENT_LIMIT_BYTES
        )

    def _publish_due(self) -> int:
        """Publish what is due and return when the next message is."""
        paced, t0_ns = self._schedule.paced, self._worker.t0_ns
        room = self._spec.window - self._in_flight if self._can_send() else 0
        room = min(room, self._renewals.room(self._next_seq))
        while True:
            now = time.monotonic_ns()
            intended = t0_ns + self._schedule.intended_ns(self._next_seq) if paced else now
            if intended >= self._end_ns:
                self._creating = False
                return now
            if intended > now:
                self._blocked = False
                return intended
            if now >= self._end_ns + self._deadline_ns:
                self._abandon(intended)
                return now
            if room <= 0:
                self._blocked = True
                return self._end_ns + self._deadline_ns
            own, waited = self._lag.split(intended, now)
            record(self._own_lag, own)
            record(self._waits.of(intended - t0_ns), waited)
            self._send(self._next_seq, intended, now, 0)
            self._next_seq += 1
            self._counts["published"] += 1
            room -= 1

    def _abandon(self, intended: int) -> None:
        """What could not leave within the deadline after the end never does: each is a failed publish."""
        seq, abandoned = self._next_seq, 0
        while intended < self._end_ns:
            abandoned += 1
            seq += 1
            intended = self._worker.t0_ns + self._schedule.intended_ns(seq)
        self._counts["failed"] += abandoned
        self._creating = False
        self._worker.say("note", text=f"could not send {abandoned} messages in time and left them unsent")

    def _publish_again(self, now_ns: int) -> int:
        while self._again and self._can_send():
            head = self._again[0]
            if head.not_before_ns > now_ns:
                return head.not_before_ns
            self._again.popleft()
            if now_ns - head.intended_ns > self._deadline_ns:
                self._give_up(head)
                continue
            self._log.add(Kind.REPUBLISHED, self._spec.index, head.seq, now_ns, detail=min(head.attempt, 255))
            self._counts["republished"] += 1
            self._send(head.seq, head.intended_ns, now_ns, head.attempt)
        return now_ns + _FAR_NS

    def _send(self, seq: int, intended_ns: int, now_ns: int, attempt: int) -> None:
        spec = self._spec
        kind = 0 if self._one_class else self._classes.of(spec.index, seq)
        number, ahead = self._kinds[kind], self._worker.body_clock_ns
        head = self._codec.head(number, attempt, seq, intended_ns + ahead, now_ns + ahead)
        self._connection.queue(self._template(kind, seq).frames(head, self._rest))  # type: ignore[union-attr]
        if spec.sent_times:
            self._log.add(Kind.SENT_AT, spec.index, seq, now_ns, detail=number)
        self._slots[self._next_tag & self._mask] = (seq, intended_ns, attempt)
        self._last_sent_ns = now_ns
        self._next_tag += 1
        self._in_flight += 1

    def _template(self, kind: int, seq: int) -> Template:
        """The frames of one message; here all of a class are alike."""
        del seq
        return self._templates[kind]

    def _give_up(self, message: Again) -> None:
        """Past its deadline: it stays nacked or in doubt for good."""
        del message
        self._counts["failed"] += 1

    def _settle(self, now_ns: int) -> None:
        """Nothing new is made: say so once everything is answered or past its deadline."""
        late = max(self._end_ns + self._deadline_ns, self._last_sent_ns + _LAST_ANSWER_NS)
        if now_ns >= late:
            self._counts["failed"] += self._in_flight + len(self._again)
            self._again.clear()
        if now_ns >= late or (not self._in_flight and not self._again):
            self._said_finished = True
            self.before_flush()
            self._worker.say("finished", published=self._next_seq, unanswered=self._in_flight)

    # --- answers

    def _on_confirm(self, tag: int, multiple: bool, is_ack: bool) -> None:
        now = time.monotonic_ns()
        self._gaps.event(now)
        for each in range(self._low_tag, tag + 1) if multiple else (tag,):
            slot = self._slots[each & self._mask]
            if slot is None:
                continue
            self._slots[each & self._mask] = None
            self._in_flight -= 1
            if is_ack:
                self._confirm(slot, now)
            else:
                self._nack(slot, now)
        while self._low_tag < self._next_tag and self._slots[self._low_tag & self._mask] is None:
            self._low_tag += 1

    def _confirm(self, slot: tuple[int, int, int], now: int) -> None:
        seq, intended_ns, _ = slot
        if self._confirmed.test_and_set(seq):
            self._counts["acked_again"] += 1
            return
        latency = now - intended_ns
        record(self._confirms.of(intended_ns - self._worker.t0_ns), latency)
        self._counts["confirmed"] += 1
        if latency > self._deadline_ns:
            self._counts["failed"] += 1
            self._log.add(Kind.CONFIRMED_LATE, self._spec.index, seq, now)
        if self._spec.confirm_times:
            kind = self._kinds[self._classes.of(self._spec.index, seq)]
            self._log.add(Kind.CONFIRMED_AT, self._spec.index, seq, now, detail=kind)

    def _nack(self, slot: tuple[int, int, int], now: int) -> None:
        seq, intended_ns, attempt = slot
        self._counts["nacked"] += 1
        self._log.add(Kind.NACKED, self._spec.index, seq, now, detail=min(attempt, 255))
        if now + _NACK_PAUSE_NS - intended_ns > self._deadline_ns:
            self._counts["failed"] += 1
            return
        self._again.append(Again(seq, intended_ns, attempt + 1, now + _NACK_PAUSE_NS, nacked=True))

    def _on_return(self, _channel: Any, _method: Any, _properties: Any, payload: bytes) -> None:
        found = self._codec.read(payload)
        if found is not None:
            publisher, _, seq, _ = found
            self._counts["returned"] += 1
            self._log.add(Kind.RETURNED, publisher, seq, time.monotonic_ns())

    def tick(self) -> dict[str, Any]:
        if self._creating and self._next_seq > self._codec.limit - _SPARE_NUMBERS:
            self._creating = False
            self._worker.say("note", text=f"stopped: a body numbers {self._codec.limit} messages a publisher")
        counts = {key: value for key, value in self._counts.items() if value}
        self._counts = dict.fromkeys(self._counts, 0)
        histograms = {
            "self": self._own_lag,
            **self._confirms.named("confirm"),
            **self._waits.named("blocked"),
        }
        return {
            "counts": counts,
            "histograms": {name: pairs(each) for name, each in histograms.items() if each},
            "gaps": self._gaps.take(),
            "in_flight": self._in_flight,
            "waiting": len(self._again),
        }
