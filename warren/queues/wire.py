"""The one connection of the queue commands: takes a message, publishes it with confirm, acks, gives back.

Every wait has a deadline: pika's own blocking connection would wait for a confirm for ever.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import pika
from pika import frame, spec
from pika.adapters.select_connection import IOLoop, SelectConnection

from warren.connection_errors import describe
from warren.errors import NotReadyError, RefusedError, WarrenError
from warren.queues import encoding
from warren.queues.faithful import FaithfulProperties, read
from warren.queues.message import Message

#: A quorum confirms within milliseconds; one that lost a node elects in seconds (6.4 s at the worst seen).
ANSWER_S = 30.0
#: Acks are not answered: what was sent last must be applied before the channel goes (rabbitmq-server#10327).
_LINGER_S = 0.5
#: Failures of the broker's that are an answer to us, by AMQP reply code.
_REFUSALS = {403: "is not allowed to us", 404: "is not there", 405: "is held by one consumer alone"}


class Outcome(Enum):
    """What became of a publish."""

    CONFIRMED = "confirmed"
    RETURNED = "returned"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A message in our hands: ``tag`` is how the channel knows it; ``redelivered``: it was out before."""

    tag: int
    message: Message
    redelivered: bool = False


class Hands(Protocol):
    """What a redrive and a look do with one queue. Each raises NotReadyError when the connection is gone."""

    def waiting(self) -> int:
        """How many messages are ready."""

    def take(self) -> Taken | None:
        """The next message, None where there is none; it is ours until `done` or `give_back`."""

    def publish(
        self,
        exchange: str,
        keys: Sequence[str],
        *,
        properties: Mapping[str, Any],
        headers: Mapping[str, Any],
        encoded: Mapping[str, bytes],
        body: bytes,
    ) -> Outcome:
        """Publish, mandatory, and wait for the broker's word. ``encoded`` are headers as they came, by name,
        of those that are still the same. Raises InconclusiveError where the message
        cannot be written down, with nothing sent."""

    def done(self, tag: int) -> None:
        """Ack one message."""

    def give_back(self, tags: Sequence[int]) -> None:
        """Return messages in the order in which they were taken."""

    def rest(self, seconds: float) -> None:
        """Wait, answering heartbeats."""


class _Connection(SelectConnection):  # type: ignore[misc]
    """Hands pika each message without its headers, and keeps those as they came in ``properties.kept``."""

    def _read_frame(self) -> tuple[int, Any]:
        data = bytes(self._frame_buffer[: spec.FRAME_HEADER_SIZE])
        if len(data) < spec.FRAME_HEADER_SIZE or data[0] != spec.FRAME_HEADER:
            return super()._read_frame()  # type: ignore[no-any-return]
        end = spec.FRAME_HEADER_SIZE + struct.unpack_from(">L", data, 3)[0] + spec.FRAME_END_SIZE
        if end > len(self._frame_buffer):
            return 0, None
        whole = bytes(self._frame_buffer[:end])
        fixed = spec.FRAME_HEADER_SIZE + _BEFORE_PROPERTIES
        try:
            without, table = encoding.take_headers_out(whole[fixed:-1])
        except ValueError:
            return super()._read_frame()  # type: ignore[no-any-return]
        size = struct.pack(">L", _BEFORE_PROPERTIES + len(without))
        _, value = frame.decode_frame(whole[:3] + size + whole[7:fixed] + without + whole[-1:])
        value.properties.kept = table
        return end, value


#: What is overridden and read inside pika. A test checks that it is still there.
PIKA_INTERNALS: tuple[tuple[Any, str], ...] = ((SelectConnection, "_read_frame"), (frame, "decode_frame"))
#: Class, weight and body size in front of the properties of a header frame.
_BEFORE_PROPERTIES = 12


class AmqpHands:
    """`Hands` over AMQP 0-9-1, for one queue of one virtual host."""

    def __init__(self, wanted: pika.ConnectionParameters, queue: str, *, answer_s: float = ANSWER_S) -> None:
        self.queue, self._answer_s = queue, answer_s
        self._loop = IOLoop()
        self._why = ""
        self._cause: BaseException | None = None
        self._got: list[Any] = []
        self._told: Callable[[Any], None] = self._got.append
        self._returned = False
        self._channel: Any = None
        self._connection = _Connection(
            wanted,
            on_open_callback=lambda _: self._loop.stop(),
            on_open_error_callback=self._ended,
            on_close_callback=self._ended,
            custom_ioloop=self._loop,
        )

    def open(self) -> None:
        """Connect and open the channel; raises NotReadyError saying why it could not."""
        self._wait(lambda: bool(self._connection.is_open), "the connection to open")
        self._channel = self._connection.channel(on_open_callback=lambda _: self._loop.stop())
        self._channel.add_on_close_callback(self._ended)
        self._channel.add_on_return_callback(self._on_return)
        self._channel.add_callback(self._on_empty, [spec.Basic.GetEmpty], one_shot=False)
        self._wait(lambda: bool(self._channel.is_open), "the channel to open")
        self._ask(lambda answer: self._channel.confirm_delivery(self._on_confirm, answer), "confirms")

    def close(self) -> None:
        """Let what was sent last be applied, then close; never raises."""
        if self._connection.is_open and not self._why:
            self._linger()
        if self._connection.is_open:
            self._connection.close()
            self._run(lambda: bool(self._connection.is_closed), 5.0)
        self._loop.close()

    # -- the acts ------------------------------------------------------------------------------------

    def waiting(self) -> int:
        answer = self._ask(
            lambda told: self._channel.queue_declare(self.queue, passive=True, callback=told), "the queue"
        )
        return int(answer.method.message_count)

    def purge(self) -> int:
        """Remove what is ready; returns how many the broker removed."""
        answer = self._ask(lambda told: self._channel.queue_purge(self.queue, callback=told), "the purge")
        return int(answer.method.message_count)

    def take(self) -> Taken | None:
        def ask(told: Callable[[Any], None]) -> None:
            self._channel.basic_get(self.queue, lambda _, *parts: told(parts))

        answer = self._ask(ask, "a message")
        if not isinstance(answer, tuple):
            return None
        method, properties, body = answer
        try:
            message = read(method.exchange, method.routing_key, properties, body)
        except ValueError as error:
            raise NotReadyError(f"queue {self.queue}", f"its next message cannot be read: {error}") from error
        return Taken(tag=int(method.delivery_tag), message=message, redelivered=bool(method.redelivered))

    def publish(
        self,
        exchange: str,
        keys: Sequence[str],
        *,
        properties: Mapping[str, Any],
        headers: Mapping[str, Any],
        encoded: Mapping[str, bytes],
        body: bytes,
    ) -> Outcome:
        beside = {"CC": list(keys[1:])} if keys[1:] else {}
        again = FaithfulProperties(properties, {**headers, **beside}, encoded)
        again.encode()  # raises before anything is sent
        self._returned = False
        answer = self._ask(
            lambda told: self._send(told, exchange, keys[0], again, body), "the confirm of a message"
        )
        if self._returned:
            return Outcome.RETURNED
        return Outcome.CONFIRMED if isinstance(answer, spec.Basic.Ack) else Outcome.REFUSED

    def _send(self, told: Callable[[Any], None], exchange: str, key: str, again: Any, body: bytes) -> None:
        self._told = told
        self._channel.basic_publish(exchange, key, body, again, mandatory=True)

    def done(self, tag: int) -> None:
        self._check()
        self._channel.basic_ack(tag)

    def give_back(self, tags: Sequence[int]) -> None:
        """One ``basic.nack`` each: since 4.3 it is not counted as a failed delivery, as ``basic.reject`` and
        a closed channel are (https://www.rabbitmq.com/docs/nack)."""
        for tag in tags:
            self._check()
            self._channel.basic_nack(tag, requeue=True)
        self._linger()

    def rest(self, seconds: float) -> None:
        self._check()
        self._run(lambda: bool(self._why), seconds)
        self._check()

    # -- waiting -------------------------------------------------------------------------------------

    def _ask(self, ask: Callable[[Callable[[Any], None]], Any], what: str) -> Any:
        """Ask, and wait for what ``ask`` hands to its argument."""
        self._check()
        self._got = []

        def told(answer: Any) -> None:
            self._got.append(answer)
            self._loop.stop()

        self._told = told
        ask(told)
        self._wait(lambda: bool(self._got), what)
        return self._got[0]

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        self._run(lambda: ready() or bool(self._why), self._answer_s)
        if not ready():
            self._check()
            self._why = f"waited {self._answer_s:g} s for {what}"
            self._check()

    def _run(self, ready: Callable[[], bool], seconds: float) -> None:
        late: list[bool] = []

        def end() -> None:
            late.append(True)
            self._loop.stop()

        timer = self._loop.call_later(seconds, end)
        while not ready() and not late:
            self._loop.start()
        self._loop.remove_timeout(timer)

    def _linger(self) -> None:
        self._run(lambda: bool(self._why), _LINGER_S)

    def _check(self) -> None:
        if self._why:
            raise self._reason()

    def _reason(self) -> WarrenError:
        code = getattr(self._cause, "reply_code", 0)
        if code in _REFUSALS:
            return RefusedError(f"queue {self.queue}", f"{_REFUSALS[code]}: {self._why}", "warren queue list")
        return NotReadyError(f"queue {self.queue}", self._why, "make cluster-status; then run it again")

    def _ended(self, _who: Any, error: BaseException) -> None:
        if not self._why:
            self._why, self._cause = f"the connection is lost: {describe(error)}", error
        self._loop.stop()

    def _on_empty(self, _frame: Any) -> None:
        self._told(None)

    def _on_confirm(self, frame: Any) -> None:
        self._told(frame.method)

    def _on_return(self, *_parts: Any) -> None:
        self._returned = True
