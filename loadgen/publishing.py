"""What publishers share, whatever protocol they speak: open loop, window, deadlines, nothing forgotten.

How a message leaves and how its answer is read is a subclass's; which message is due, what is in doubt, what
is published again and what is written down is decided here.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from loadgen import pacing, plan
from loadgen.codec import codec
from loadgen.curve import SECOND_NS, Split, ends_ns
from loadgen.histogram import Counts, record
from loadgen.ledger import Bitmap, Bits, EventLog, Kind
from loadgen.renewal import Renewals, Renewer
from loadgen.reporting import Gaps, pairs, taken
from loadgen.spec import PublisherSpec

#: More than this in front of the socket, and the socket counts as not writable.
UNSENT_LIMIT_BYTES = 256 * 1024
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

#: What is sent and not answered: number, intended time, attempt (0 first).
Slot = tuple[int, int, int]


class Coordinated(Renewer, Protocol):
    """What a publisher needs of the worker that runs it."""

    t0_ns: int
    body_clock_ns: int

    def ready(self) -> None: ...
    def say(self, kind: str, **fields: Any) -> None: ...


@dataclass(slots=True)
class Again:
    """A message to be published once more, not before ``not_before_ns``."""

    seq: int
    intended_ns: int
    attempt: int
    not_before_ns: int
    nacked: bool


class Publishing(ABC):
    """Publishes on schedule and records what the broker answered."""

    def __init__(self, spec: PublisherSpec, worker: Coordinated) -> None:
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
        self._in_flight = 0
        ends = ends_ns(spec.phases)
        self._confirms, self._waits = Split(ends), Split(ends)
        self._own_lag: Counts = {}
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._gaps = Gaps()
        self._said_finished = False

    # --- what a protocol does in its own way

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether there is a connection that takes messages."""

    @abstractmethod
    def disconnect(self) -> None:
        """Send no more on this connection: it is about to be changed."""

    @abstractmethod
    def _can_send(self) -> bool:
        """Whether one more message may leave now."""

    def _can_create(self) -> bool:
        """Whether a new message may leave now."""
        return self._can_send()

    @abstractmethod
    def _send(self, seq: int, intended_ns: int, now_ns: int, attempt: int) -> None:
        """Let a message leave with the next flush."""

    # --- the job's life

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

    def _doubt(self, unanswered: Iterable[Slot]) -> None:
        """Everything unanswered is in doubt and will be published again under its own number."""
        now = time.monotonic_ns()
        for seq, intended_ns, attempt in sorted(unanswered, reverse=True):
            self._log.add(Kind.IN_DOUBT, self._spec.index, seq, now, detail=min(attempt, 255))
            self._again.appendleft(Again(seq, intended_ns, attempt + 1, now, nacked=False))
        self._in_flight = 0
        self._log.flush()

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
        if self.connected and self._renewals.check(self._next_seq, now_ns):
            self.disconnect()
        return wake_ns

    def before_flush(self) -> None:
        self._confirmed.set_counter(self._next_seq)
        self._log.flush()

    def _publish_due(self) -> int:
        """Publish what is due and return when the next message is."""
        paced, t0_ns = self._schedule.paced, self._worker.t0_ns
        room = self._spec.window - self._in_flight if self._can_create() else 0
        room = min(room, self._renewals.room(self._next_seq))
        while True:
            now = time.monotonic_ns()
            intended = t0_ns + self._schedule.intended_ns(self._next_seq) if paced else max(now, t0_ns)
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
        self._fail(abandoned)
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

    def _head(self, seq: int, intended_ns: int, now_ns: int, attempt: int) -> tuple[int, bytes]:
        """The place of a message's class among the role's, and the head of its body."""
        kind = 0 if self._one_class else self._classes.of(self._spec.index, seq)
        number, ahead = self._kinds[kind], self._worker.body_clock_ns
        if self._spec.sent_times:
            self._log.add(Kind.SENT_AT, self._spec.index, seq, now_ns, detail=number)
        return kind, self._codec.head(number, attempt, seq, intended_ns + ahead, now_ns + ahead)

    def _give_up(self, message: Again) -> None:
        """Past its deadline: it stays nacked or in doubt for good."""
        del message
        self._fail()

    def _fail(self, count: int = 1) -> None:
        """Count what has no confirm in time. What was under way at the finish has been counted there,
        whatever is heard of it later."""
        if not self._said_finished:
            self._counts["failed"] += count

    def _settle(self, now_ns: int) -> None:
        """Nothing new is made: say so once everything is answered or past its deadline."""
        late = max(self._end_ns + self._deadline_ns, self._last_sent_ns + _LAST_ANSWER_NS)
        if now_ns >= late:
            self._fail(self._in_flight + len(self._again))
            self._again.clear()
        if now_ns >= late or (not self._in_flight and not self._again):
            self._said_finished = True
            self.before_flush()
            self._worker.say("finished", published=self._next_seq, unanswered=self._in_flight)

    # --- answers

    def _confirm(self, slot: Slot, now: int) -> None:
        seq, intended_ns, _ = slot
        if self._confirmed.test_and_set(seq):
            self._counts["acked_again"] += 1
            return
        latency = now - intended_ns
        record(self._confirms.of(intended_ns - self._worker.t0_ns), latency)
        self._counts["confirmed"] += 1
        if latency > self._deadline_ns:
            self._fail()
            self._log.add(Kind.CONFIRMED_LATE, self._spec.index, seq, now)
        if self._spec.confirm_times:
            kind = self._kinds[self._classes.of(self._spec.index, seq)]
            self._log.add(Kind.CONFIRMED_AT, self._spec.index, seq, now, detail=kind)

    def _nack(self, slot: Slot, now: int) -> None:
        seq, intended_ns, attempt = slot
        self._note_nack(seq, attempt, now)
        if now + _NACK_PAUSE_NS - intended_ns > self._deadline_ns:
            self._fail()
            return
        self._again.append(Again(seq, intended_ns, attempt + 1, now + _NACK_PAUSE_NS, nacked=True))

    def _note_nack(self, seq: int, attempt: int, now: int) -> None:
        self._counts["nacked"] += 1
        self._log.add(Kind.NACKED, self._spec.index, seq, now, detail=min(attempt, 255))

    def tick(self) -> dict[str, Any]:
        if self._creating and self._next_seq > self._codec.limit - _SPARE_NUMBERS:
            self._creating = False
            self._worker.say("note", text=f"stopped: a body numbers {self._codec.limit} messages a publisher")
        histograms = {
            "self": self._own_lag,
            **self._confirms.named("confirm"),
            **self._waits.named("blocked"),
        }
        return {
            "counts": taken(self._counts),
            "histograms": {name: pairs(each) for name, each in histograms.items() if each},
            **self._gaps.tell(),
            "in_flight": self._in_flight,
            "waiting": len(self._again),
        }
