"""Clients that make too much: messages, queues, messages that nobody can work on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from pika import BasicProperties
from pika.exceptions import AMQPError, ChannelWrongStateError

from chaos.clients.crowd import Crowd
from chaos.clients.orders import DEAD_SUFFIX, Orders, own_queue

_TURN_S = 0.02
#: More than this of what was sent and not confirmed is held in no one's memory: the flood waits.
_MOST_UNCONFIRMED = 10_000
_MIB = 1024 * 1024
#: A queue that its client left behind is deleted by the broker after this long without any use.
_EXPIRES_MS = 900_000
_MOST_ASKED = 8
_POISON_PREFETCH = 100
_PERSISTENT = 2


def _bounded(length: int, octets: int, **more: Any) -> dict[str, Any]:
    return {
        "x-queue-type": "quorum",
        "x-max-length": length,
        "x-max-length-bytes": octets,
        "x-overflow": "drop-head",
        "x-expires": _EXPIRES_MS,
        **more,
    }


class Pourer:
    """Publishes to one queue on a channel of its own, at a rate and no more than ``most`` messages."""

    def __init__(self, crowd: Crowd, queue: str, *, per_s: float, most: int, size_bytes: int) -> None:
        self._crowd, self._queue, self._per_s, self._most = crowd, queue, per_s, most
        self._body = bytes(size_bytes)
        self._properties = BasicProperties(delivery_mode=_PERSISTENT)
        self._sent = self._answered = 0
        self._due, self._then_s = 0.0, 0.0

    def start(self, channel: Any) -> None:
        self._sent = self._answered = 0
        self._due, self._then_s = 0.0, time.monotonic()
        channel.confirm_delivery(ack_nack_callback=self._answer)
        self._crowd.every(_TURN_S, lambda: self._turn(channel))

    def _answer(self, frame: Any) -> None:
        """A multiple answer is for all up to its number."""
        self._answered = max(self._answered, int(frame.method.delivery_tag))

    def _turn(self, channel: Any) -> bool:
        if not channel.is_open:
            return False
        now_s = time.monotonic()
        self._due = min(self._due + (now_s - self._then_s) * self._per_s, self._per_s)
        self._then_s = now_s
        counts = self._crowd.tally.counts
        while self._due >= 1 and self._sent - self._answered < _MOST_UNCONFIRMED:
            if counts["published"] >= self._most:
                return False
            channel.basic_publish("", self._queue, self._body, self._properties)
            self._due -= 1
            self._sent += 1
            counts["published"] += 1
        counts["confirmed_on_this_connection"] = self._answered
        return True


def flood(orders: Orders) -> None:
    """Messages as fast as was asked for, into a queue that keeps the newest few."""
    queue = own_queue(orders.program)

    def member(crowd: Crowd, connection: Any, _number: int) -> None:
        pourer = Pourer(
            crowd,
            queue,
            per_s=orders.number("messages_per_s"),
            most=orders.whole("messages_count"),
            size_bytes=orders.whole("size_bytes"),
        )

        def opened(channel: Any) -> None:
            arguments = _bounded(orders.whole("kept_count"), 64 * _MIB)
            channel.queue_declare(
                queue, durable=True, arguments=arguments, callback=lambda _ok: pourer.start(channel)
            )

        connection.channel(on_open_callback=opened)

    Crowd(orders, member).run(count=1, per_s=10)


def churn(orders: Orders) -> None:
    """Queues that are declared and soon deleted, the oldest first, with so many at a time."""
    most, per_s = orders.whole("queues_count"), orders.number("queues_per_s")
    there: deque[str] = deque()
    serial, asked, credit = 0, 0, 0.0

    def member(crowd: Crowd, connection: Any, _number: int) -> None:
        def done(what: str) -> Callable[[Any], None]:
            def count(_frame: Any) -> None:
                nonlocal asked
                asked -= 1
                crowd.tally.counts[what] += 1

            return count

        def turn(channel: Any) -> bool:
            nonlocal serial, asked, credit
            credit = min(credit + per_s * _TURN_S, _MOST_ASKED)
            while channel.is_open and credit >= 1 and asked < _MOST_ASKED:
                credit -= 1
                serial += 1
                asked += 1
                name = own_queue(orders.program, f".{serial:08d}")
                there.append(name)
                arguments = _bounded(1000, _MIB)
                channel.queue_declare(name, durable=True, arguments=arguments, callback=done("declared"))
                if len(there) > most:
                    asked += 1
                    channel.queue_delete(there.popleft(), callback=done("deleted"))
            return bool(channel.is_open)

        def opened(channel: Any) -> None:
            nonlocal asked
            asked = 0
            crowd.every(_TURN_S, lambda: turn(channel))

        connection.channel(on_open_callback=opened)

    Crowd(orders, member).run(count=1, per_s=10)


def poison(orders: Orders) -> None:
    """Messages on which every worker fails: each is rejected back into its queue until the delivery limit
    sends it to the dead. A reject counts as a failed delivery, a nack does not
    (https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling)."""
    queue, kept = own_queue(orders.program), 10_000
    dead = queue + DEAD_SUFFIX
    arguments = _bounded(
        kept,
        16 * _MIB,
        **{
            "x-delivery-limit": orders.whole("deliveries_count"),
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead,
        },
    )

    def member(crowd: Crowd, connection: Any, _number: int) -> None:
        pourer = Pourer(
            crowd,
            queue,
            per_s=orders.number("messages_per_s"),
            most=orders.whole("messages_count"),
            size_bytes=200,
        )

        def declared(channel: Any) -> None:
            pourer.start(channel)
            connection.channel(on_open_callback=work)

        def opened(channel: Any) -> None:
            channel.queue_declare(dead, durable=True, arguments=_bounded(kept, 16 * _MIB))
            channel.queue_declare(
                queue, durable=True, arguments=arguments, callback=lambda _ok: declared(channel)
            )

        def work(channel: Any) -> None:
            channel.basic_qos(prefetch_count=_POISON_PREFETCH)
            channel.basic_consume(queue, fail)

        def fail(channel: Any, method: Any, _properties: Any, _body: bytes) -> None:
            crowd.tally.counts["failed"] += 1
            try:
                channel.basic_reject(method.delivery_tag, requeue=True)
            except (ChannelWrongStateError, AMQPError) as error:  # it was closed at this moment
                crowd.tally.trouble = f"{type(error).__name__}: {error}"

        connection.channel(on_open_callback=opened)

    Crowd(orders, member).run(count=1, per_s=10)
