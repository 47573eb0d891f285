"""One publisher process over AMQP 0-9-1: confirms in a window, by delivery tag."""

from __future__ import annotations

import time
from typing import Any

from pika.channel import Channel

from loadgen.ledger import Kind
from loadgen.publishing import UNSENT_LIMIT_BYTES, Publishing, Slot
from loadgen.spec import MessageClass, PublisherSpec
from loadgen.transport import Connection
from loadgen.wire import Properties, Template, properties
from loadgen.worker import Worker


class Publisher(Publishing):
    """A `Job` that publishes on schedule and records what the broker answered."""

    _worker: Worker

    def __init__(self, spec: PublisherSpec, worker: Worker) -> None:
        super().__init__(spec, worker)
        self._broker_blocks = False
        self._told_by: Connection | None = None
        self._connection: Connection | None = None
        self._templates: list[Template] = []
        self._number = self._frame_max = 0
        ring = 1 << (4 * spec.window).bit_length()
        self._mask = ring - 1
        self._slots: list[Slot | None] = [None] * ring
        self._next_tag = self._low_tag = 1

    # --- the connection

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

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def disconnect(self) -> None:
        self._connection = None

    def lost(self) -> None:
        """Everything unanswered is in doubt and will be published again under its own number."""
        self._connection = None
        doubtful = [slot for slot in self._slots if slot is not None]
        self._slots = [None] * len(self._slots)
        self._doubt(doubtful)

    def _set_broker_blocks(self, blocks: bool) -> None:
        self._broker_blocks = blocks
        kind = Kind.BLOCKED if blocks else Kind.UNBLOCKED
        self._log.add(kind, self._spec.index, 0, time.monotonic_ns())
        self._worker.say("note", text="the broker blocks publishing" if blocks else "the broker unblocked")

    # --- messages and answers

    def _can_send(self) -> bool:
        return (
            self._connection is not None
            and not self._broker_blocks
            and self._in_flight < self._spec.window
            and self._next_tag - self._low_tag < self._mask - self._spec.window
            and self._connection.unsent_bytes() < UNSENT_LIMIT_BYTES
        )

    def _send(self, seq: int, intended_ns: int, now_ns: int, attempt: int) -> None:
        kind, head = self._head(seq, intended_ns, now_ns, attempt)
        self._connection.queue(self._template(kind, seq).frames(head, self._rest))  # type: ignore[union-attr]
        self._slots[self._next_tag & self._mask] = (seq, intended_ns, attempt)
        self._last_sent_ns = now_ns
        self._next_tag += 1
        self._in_flight += 1

    def _template(self, kind: int, seq: int) -> Template:
        """The frames of one message; here all of a class are alike."""
        del seq
        return self._templates[kind]

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

    def _on_return(self, _channel: Any, _method: Any, _properties: Any, payload: bytes) -> None:
        found = self._codec.read(payload)
        if found is not None:
            publisher, _, seq, _ = found
            self._counts["returned"] += 1
            self._log.add(Kind.RETURNED, publisher, seq, time.monotonic_ns())
