"""One pair's two channels over pika, one on each node's connection, so that what the broker holds against one
pair's channel costs no other."""

from __future__ import annotations

from typing import Any

from pika.exceptions import ChannelClosedByBroker
from pika.spec import Basic, BasicProperties

from exporters.canary.flight import Hears
from exporters.canary.link import Link
from exporters.canary.pair import EXCHANGE, QUEUE_ARGUMENTS, Outcome, Pair
from warren.connection_errors import describe

#: Enough for what a few failed flights left; more of it comes as this is acked.
_PREFETCH = 20
_PERSISTENT = 2


class PikaLane:
    """One pair's two channels; `exporters.canary.flight.Lane`. What a channel says that was given up before
    is not heard."""

    def __init__(self, pair: Pair, origin: Link, target: Link, hears: Hears) -> None:
        self._pair, self._origin, self._target, self._hears = pair, origin, target, hears
        self._links = (origin,) if origin is target else (origin, target)
        for link in self._links:
            link.lanes.append(self)
        self._publishing: Any = None
        self._consuming: Any = None
        self._wanted = self._is_ready = False
        #: The message that waits for its confirm; a lane on which one waited in vain is reset.
        self._unconfirmed: str | None = None

    @property
    def blocked(self) -> bool:
        return any(link.blocked for link in self._links)

    def prepare(self) -> None:
        for link in self._links:
            link.listen()
        if self._is_ready:
            self._hears.ready()
            return
        self._wanted = True
        for link in self._links:
            if link.refused:
                self._fail(Outcome.NOT_CONNECTED, link.refused)
                return
        for link in self._links:
            link.connect()
        self.link_opened()

    def awaited(self) -> tuple[Outcome, str]:
        for link in self._links:
            if not link.is_open:
                return Outcome.NOT_CONNECTED, f"{link.node} gives no connection in time"
        return Outcome.NOT_DECLARED, f"queue {self._pair.queue} is not declared and consumed from in time"

    def publish(self, message_id: str) -> None:
        self._unconfirmed = message_id
        properties = BasicProperties(message_id=message_id, delivery_mode=_PERSISTENT)
        self._publishing.basic_publish(
            EXCHANGE, self._pair.queue, message_id.encode(), properties=properties, mandatory=True
        )

    def ack(self, tag: int) -> None:
        self._consuming.basic_ack(tag)

    def reset(self) -> None:
        self._forget()
        for link in self._links:
            link.drop_if_silent()

    # What links tell.

    def link_opened(self) -> None:
        """Go on where both are open: first the queue, then its consumer."""
        both = all(link.is_open for link in self._links)
        if self._wanted and both and self._publishing is None:
            self._publishing = self._origin.channel(self._declare)

    def link_ended(self, why: str) -> None:
        if self._wanted or self._is_ready:
            self._fail(Outcome.NOT_CONNECTED, why)

    # What channels tell.

    def _declare(self, channel: Any) -> None:
        if channel is not self._publishing:
            return
        channel.add_on_close_callback(self._closed)
        channel.add_on_return_callback(self._returned)
        channel.confirm_delivery(lambda answer: self._answered(channel, answer.method))
        # The broker works one channel's requests off in their order: the last answer is all answers.
        channel.exchange_declare(EXCHANGE, "direct", durable=True)
        channel.queue_declare(self._pair.queue, durable=True, arguments=QUEUE_ARGUMENTS)
        channel.queue_bind(
            self._pair.queue, EXCHANGE, self._pair.queue, callback=lambda _answer: self._declared(channel)
        )

    def _declared(self, channel: Any) -> None:
        if channel is self._publishing:
            self._consuming = self._target.channel(self._consume)

    def _consume(self, channel: Any) -> None:
        if channel is not self._consuming:
            return
        channel.add_on_close_callback(self._closed)
        channel.add_on_cancel_callback(lambda _frame: self._cancelled(channel))
        channel.basic_qos(prefetch_count=_PREFETCH)
        channel.basic_consume(
            self._pair.queue, self._delivered, callback=lambda _answer: self._consumes(channel)
        )

    def _consumes(self, channel: Any) -> None:
        if channel is self._consuming:
            self._wanted, self._is_ready = False, True
            self._hears.ready()

    def _answered(self, channel: Any, method: Any) -> None:
        message_id = self._unconfirmed if channel is self._publishing else None
        if message_id is not None:
            self._unconfirmed = None
            self._hears.confirmed(message_id, stored=isinstance(method, Basic.Ack))

    def _returned(self, channel: Any, _method: Any, properties: Any, _body: bytes) -> None:
        if channel is self._publishing:
            self._hears.returned(properties.message_id or "")

    def _delivered(self, channel: Any, method: Any, properties: Any, _body: bytes) -> None:
        if channel is self._consuming:
            self._hears.delivered(properties.message_id or "", method.delivery_tag)

    def _cancelled(self, channel: Any) -> None:
        if channel is self._consuming:
            self._fail(Outcome.NOT_DECLARED, f"queue {self._pair.queue} was deleted")

    def _closed(self, channel: Any, reason: BaseException) -> None:
        if channel in (self._publishing, self._consuming):
            by_broker = isinstance(reason, ChannelClosedByBroker)
            outcome = Outcome.NOT_DECLARED if by_broker else Outcome.NOT_CONNECTED
            self._fail(outcome, describe(reason))

    def _fail(self, outcome: Outcome, why: str) -> None:
        self._forget()
        self._hears.failed(outcome, why)

    def _forget(self) -> None:
        """Channels that were given up are closed, which puts back what they have not acked."""
        given_up = (self._publishing, self._consuming)
        self._publishing = self._consuming = None
        self._wanted = self._is_ready = False
        self._unconfirmed = None
        for channel in given_up:
            if channel is not None and channel.connection.is_open and not _ends(channel):
                channel.close()


def _ends(channel: Any) -> bool:
    return bool(channel.is_closed or channel.is_closing)
