"""One reader process over the stream protocol: it follows offsets, alone or as the one active of its group.

Of a group of the same name the broker lets one read at a time and says which; that one begins behind the
offset that was stored for the name last. https://www.rabbitmq.com/docs/streams#single-active-consumer
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

from loadgen import stream
from loadgen.codec import codec, numbered_by
from loadgen.curve import SECOND_NS, Split
from loadgen.histogram import record
from loadgen.ledger import Bitmap, Bits, EventLog, Kind
from loadgen.renewal import Renewals
from loadgen.reporting import Gaps, end_to_end, taken
from loadgen.spec import ConsumerSpec
from loadgen.streaming import section
from loadgen.streaming.hearing import Chunk, Hearing, LinkError, Place
from loadgen.streaming.runner import Worker
from loadgen.streaming.transport import Connection

#: Chunks that the broker may send ahead of what has been read, as the protocol's own clients ask for.
_CREDIT = 10
_FAR_NS = 3600 * SECOND_NS
_COUNTS = ("consumed", "streamed", "settled", "foreign", "duplicates")


class Reader:
    """A `Job` that reads one stream."""

    at_leader = False

    def __init__(self, spec: ConsumerSpec, worker: Worker) -> None:
        self.stream = spec.queue
        self.hearing = Hearing(chunk=self._on_chunk, active=self._on_active)
        self._spec = spec
        self._worker = worker
        self._folder = Path(spec.folder)
        self._meaning = {"worker": spec.name, "queue": spec.unit or spec.queue, "nonce": spec.nonce}
        about = {"queues": [spec.queue], "from_ns": stream.from_ns(spec.from_epoch_s), "group": spec.group}
        self._log = EventLog(self._folder / f"{spec.name}.log", {**self._meaning, **about})
        self._done: list[Bitmap | None] = [None] * spec.publishers
        self._highest = [-1] * spec.publishers
        self._codec = codec(spec.body, nonce=spec.nonce, publishers=spec.publishers)
        self._limit = self._codec.limit
        self._size, self._rest = 0, b""
        self._connection: Connection | None = None
        self._offsets = stream.Offsets(spec.from_epoch_s)
        self._from = 0
        self._active = not spec.group
        self._deciding: asyncio.Task[None] | None = None
        self._read_chunks = 0
        self._unstored = 0
        self._store_at_ns = 0
        self._taken = 0
        self._renewals = Renewals(spec.reconnect_every, spec.renews, worker, self._log)
        self._by_class = [Split(spec.phase_ends_ns) for _ in spec.classes]
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._gaps = Gaps()
        self._finish = False

    # --- the job's life

    async def opened(self, connection: Connection) -> None:
        spec, place = self._spec, self._place()
        self._from = place[1] if place[0] == "offset" else 0
        self._connection = connection
        group = {"single-active-consumer": "true", "name": spec.group} if spec.group else {}
        await connection.subscribe(self.stream, place, _CREDIT, group)

    def _place(self) -> Place:
        """Where to begin: as the profile says at first, later at the next unread offset."""
        if self._offsets.last is not None and not self._spec.group:
            return "offset", self._offsets.last + 1
        return self._given()

    def _given(self) -> Place:
        if self._spec.from_epoch_s is not None:
            return "timestamp", self._spec.from_epoch_s * 1000
        asked = self._spec.arguments.get(stream.KEY, "next")
        return ("offset", asked) if isinstance(asked, int) else (str(asked), 0)

    def lost(self) -> None:
        """What came and was not read is sent again."""
        self._connection = None
        self._read_chunks = self._unstored = 0
        if self._deciding is not None:
            self._deciding.cancel()
        if not self._finish:
            self._log.add(Kind.CONNECTION_LOST, 0, 0, time.monotonic_ns())
        self._active = not self._spec.group
        self._log.flush()

    def command(self, name: str) -> None:
        if name == "start":
            self._codec.begin(self._worker.t0_ns + self._worker.body_clock_ns)
            self._bound()
            self._gaps.begin(self._worker.t0_ns)
        elif name == "finish":
            now = time.monotonic_ns()
            self._finish = True
            self._offsets.tell(self._log, now)
            self._renewals.tally(self._taken, now)
            self._log.flush()

    @property
    def credit(self) -> int:
        return self._spec.prefetch

    @property
    def over(self) -> bool:
        return self._finish

    def turn(self, now_ns: int, *, rested_ns: int) -> int:
        del rested_ns
        return self._store_at_ns if self._unstored else now_ns + _FAR_NS

    def before_flush(self) -> None:
        """What was read is written down before more is asked for and before the broker is told how far."""
        self._log.flush()
        if self._connection is None:
            return
        if self._read_chunks:
            self._connection.credit(self._read_chunks)
            self._read_chunks = 0
        due = self._unstored >= self._spec.ack_batch or time.monotonic_ns() >= self._store_at_ns
        if self._unstored and (due or self._finish):
            self._store()

    def _store(self) -> None:
        if self._connection is not None and self._offsets.last is not None:
            self._connection.store_offset(self.stream, self._spec.group, self._offsets.last)
        self._unstored = 0

    # --- one active of several

    def _on_active(self, correlation: int, active: bool) -> None:
        self._deciding = asyncio.get_running_loop().create_task(self._decide(correlation, active))

    async def _decide(self, correlation: int, active: bool) -> None:
        """Answer the broker: where to begin, or that the end is noted."""
        connection = self._connection
        if connection is None:
            return
        if not active:
            self._rest_now(connection, correlation)
            return
        try:
            stored = await connection.query_offset(self.stream, self._spec.group)
        except LinkError:
            return  # the connection is gone or about to go, and with it the question
        place = self._given() if stored is None else ("offset", stored + 1)
        self._from = place[1] if place[0] == "offset" else 0
        self._offsets = stream.Offsets(self._spec.from_epoch_s)
        self._active = True
        self._log.add(Kind.ACTIVE, 0, 0, time.monotonic_ns(), detail=int(stored is not None), aux=self._from)
        connection.answer_active(correlation, place)
        self._worker.poke()

    def _rest_now(self, connection: Connection, correlation: int) -> None:
        self._active = False
        last = self._offsets.last
        self._log.add(Kind.INACTIVE, 0, 0, time.monotonic_ns(), aux=0 if last is None else last)
        self._log.flush()
        self._store()
        connection.answer_active(correlation, ("next", 0))
        self._worker.poke()

    # --- messages

    def _on_chunk(self, chunk: Chunk) -> None:
        now = time.monotonic_ns()
        self._gaps.event(now)
        for offset, message in enumerate(chunk.messages, chunk.first_offset):
            if offset >= self._from:
                self._take(offset, message, now)
        self._read_chunks += 1
        if self._connection is not None and self._renewals.check(self._taken, now):
            self._connection = None
        self._worker.poke()

    def _take(self, offset: int, message: bytes, now: int) -> None:
        if self._taken == self._spec.crash_after:
            os.kill(os.getpid(), signal.SIGKILL)
        self._taken += 1
        self._counts["consumed"] += 1
        self._counts["streamed"] += 1
        self._offsets.follow(offset, self._log, now)
        if self._spec.group:
            if not self._unstored:
                self._store_at_ns = now + int(self._spec.ack_interval_s * SECOND_NS)
            self._unstored += 1
        body = section.body_of(message)
        found = None if body is None else self._codec.read(body)
        if body is None or found is None:
            self._strange(now, Kind.FOREIGN)
            return
        publisher, kind, seq, _ = found
        if len(body) != self._size:
            self._size, self._rest = len(body), self._codec.rest(len(body))
        sound = publisher < self._spec.publishers and seq < self._limit and kind < len(self._by_class)
        if not sound or not body.endswith(self._rest):
            self._strange(now, Kind.UNREADABLE)
            return
        self._keep(offset, found, now)

    def _keep(self, offset: int, message: tuple[int, int, int, int], now: int) -> None:
        publisher, kind, seq, stamped_ns = message
        intended_ns = stamped_ns - self._worker.body_clock_ns
        if self._spec.log_offsets:
            self._log.add(Kind.READ, publisher, seq, now, detail=kind, aux=offset, aux2=intended_ns)
        if self._spec.log_arrivals:
            self._log.add(Kind.ARRIVED, publisher, seq, now, detail=kind, aux=intended_ns)
        if self._spec.does == "replay":
            return
        done = self._done[publisher] or self._done_bitmap(publisher)
        if done.test_and_set(seq):
            self._counts["duplicates"] += 1
            self._log.add(Kind.DUPLICATE, publisher, seq, now)
            return
        self._counts["settled"] += 1
        record(self._by_class[kind].of(intended_ns - self._worker.t0_ns), now - intended_ns)
        if self._spec.sole and seq <= self._highest[publisher]:
            self._log.add(Kind.REORDERED, publisher, seq, now, aux=self._highest[publisher])
        self._highest[publisher] = max(self._highest[publisher], seq)

    def _done_bitmap(self, publisher: int) -> Bitmap:
        meaning = {**self._meaning, "kind": Bits.DONE, "publisher": publisher}
        made = Bitmap(self._folder / f"{self._spec.name}.done-{publisher}", meaning)
        self._done[publisher] = made
        return made

    def _strange(self, now: int, kind: Kind) -> None:
        """A message of something else, or one of ours that cannot be: noted, and not judged by content."""
        self._counts["foreign"] += 1
        self._log.add(kind, 0, 0, now)

    def _bound(self) -> None:
        """Which numbers are believed until the next tick."""
        self._limit = min(self._codec.limit, numbered_by(time.monotonic_ns() - self._worker.t0_ns))

    def tick(self) -> dict[str, Any]:
        self._bound()
        return {
            "counts": taken(self._counts),
            "histograms": end_to_end(self._spec.classes, self._by_class),
            **self._gaps.tell(),
            "offset": self._offsets.last,
        }
