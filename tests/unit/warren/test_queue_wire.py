"""The connection of the queue commands: real pika, against as much of a broker as it needs, on loopback."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pika
import pytest
from pika import frame, spec

from warren.connection import Credentials, Endpoint, parameters
from warren.errors import NotReadyError, RefusedError
from warren.queues.faithful import FaithfulProperties
from warren.queues.wire import AmqpHands, Outcome

FLOAT = b"d" + struct.pack(">d", 2.5)
SMALL = b"f" + struct.pack(">f", 0.25)


@dataclass
class TinyBroker:
    """One queue, ``q``. ``answer`` is what a publish gets: ack, nack, return, nothing, or the end."""

    waiting: list[tuple[dict[str, Any], dict[str, bytes], bytes]] = field(default_factory=list)
    answer: str = "ack"
    refuse: int = 0
    held: dict[int, Any] = field(default_factory=dict)
    acked: list[int] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    published: list[tuple[str, str, bool]] = field(default_factory=list)
    received: bytes = b""
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            self.sock, _ = self.listener.accept()
            data = b""
            while received := self.sock.recv(65536):
                self.received += received
                data += received
                while data:
                    consumed, value = frame.decode_frame(data)
                    if value is None:
                        break
                    data = data[consumed:]
                    self.take(value)

    def say(self, channel: int, *methods: Any) -> None:
        self.sock.sendall(b"".join(frame.Method(channel, method).marshal() for method in methods))

    def content(self, method: Any, properties: Any, body: bytes) -> None:
        parts = [frame.Method(1, method), frame.Header(1, len(body), properties)]
        self.sock.sendall(
            b"".join(part.marshal() for part in [*parts, *([frame.Body(1, body)] if body else [])])
        )

    def take(self, value: Any) -> None:
        if isinstance(value, frame.ProtocolHeader):
            known = {"capabilities": {"publisher_confirms": True, "basic.nack": True}}
            self.say(0, spec.Connection.Start(0, 9, known, "PLAIN", "en_US"))
        elif isinstance(value, frame.Body):
            self.publish()
        elif isinstance(value, frame.Method):
            name = type(value.method).__qualname__.replace(".", "_").lower()
            getattr(self, f"on_{name}", lambda _: None)(value.method)

    def on_connection_startok(self, _method: Any) -> None:
        self.say(0, spec.Connection.Tune(9, 131072, 20))

    def on_connection_open(self, _method: Any) -> None:
        self.say(0, spec.Connection.OpenOk(""))

    def on_connection_close(self, _method: Any) -> None:
        self.say(0, spec.Connection.CloseOk())

    def on_channel_open(self, _method: Any) -> None:
        self.say(1, spec.Channel.OpenOk(""))

    def on_channel_close(self, _method: Any) -> None:
        self.say(1, spec.Channel.CloseOk())

    def on_confirm_select(self, _method: Any) -> None:
        self.say(1, spec.Confirm.SelectOk())

    def on_queue_declare(self, method: Any) -> None:
        assert method.passive
        if self.refuse:
            self.say(1, spec.Channel.Close(self.refuse, "NO", 50, 10))
            return
        self.say(1, spec.Queue.DeclareOk(method.queue, len(self.waiting), 0))

    def on_queue_purge(self, _method: Any) -> None:
        self.say(1, spec.Queue.PurgeOk(len(self.waiting)))

    def on_basic_get(self, _method: Any) -> None:
        if not self.waiting:
            self.say(1, spec.Basic.GetEmpty())
            return
        tag = len(self.held) + 1
        self.held[tag] = properties, headers, body = self.waiting.pop(0)
        named = dict.fromkeys(headers, None)
        self.content(
            spec.Basic.GetOk(tag, False, "e", "k", 0), FaithfulProperties(properties, named, headers), body
        )

    def on_basic_ack(self, method: Any) -> None:
        self.acked.append(method.delivery_tag)

    def on_basic_nack(self, method: Any) -> None:
        assert method.requeue
        assert not method.multiple
        self.returned.append(method.delivery_tag)

    def on_basic_publish(self, method: Any) -> None:
        self.published.append((method.exchange, method.routing_key, method.mandatory))

    def publish(self) -> None:
        tag = len(self.published)
        if self.answer == "end":
            self.sock.shutdown(socket.SHUT_RDWR)
        elif self.answer == "return":
            self.content(spec.Basic.Return(312, "NO_ROUTE", "e", "k"), pika.BasicProperties(), b"")
            self.say(1, spec.Basic.Ack(tag))
        elif self.answer != "nothing":
            self.say(1, spec.Basic.Ack(tag) if self.answer == "ack" else spec.Basic.Nack(tag))


@pytest.fixture
def broker() -> Iterator[TinyBroker]:
    made = TinyBroker()
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    yield made
    with contextlib.suppress(OSError, AttributeError):
        made.sock.shutdown(socket.SHUT_RDWR)
    made.listener.close()
    thread.join(5)


@pytest.fixture
def hands(broker: TinyBroker) -> Iterator[AmqpHands]:
    wanted = parameters(
        Endpoint(name="n", host="127.0.0.1", port=broker.listener.getsockname()[1]),
        vhost="/",
        credentials=Credentials(username="u", password="p"),
        tls=None,
        connection_name="test",
    )
    made = AmqpHands(wanted, "q", answer_s=0.5)
    made.open()
    yield made
    made.close()


def test_message_is_taken_published_on_and_acked(broker: TinyBroker, hands: AmqpHands) -> None:
    headers = {"float": FLOAT, "small": SMALL, "text": b"S\x00\x00\x00\x01a"}
    broker.waiting.append(({"message_id": "m", "priority": 3}, headers, b"body"))
    assert hands.waiting() == 1
    taken = hands.take()
    assert taken is not None
    one = taken.message
    assert (one.message_id, one.properties["priority"], one.body, one.exchange) == ("m", 3, b"body", "e")
    assert (one.headers["float"], one.headers["text"], dict(one.encoded)) == (2.5, "a", headers)
    assert hands.take() is None
    outcome = hands.publish(
        "x",
        ("k1", "k2"),
        properties=one.properties,
        headers={**one.headers, "n": 1},
        encoded=one.encoded,
        body=b"body",
    )
    assert outcome is Outcome.CONFIRMED
    assert broker.published == [("x", "k1", True)]
    for name, raw in headers.items():
        assert bytes([len(name)]) + name.encode() + raw in broker.received
    assert b"CCA\x00\x00\x00\x07S\x00\x00\x00\x02k2" in broker.received.replace(b"\x02CC", b"CC")
    hands.done(taken.tag)
    hands.give_back([7, 8])
    assert (broker.acked, broker.returned) == ([1], [7, 8])
    assert hands.purge() == 0


def publish(hands: AmqpHands) -> Outcome:
    return hands.publish("x", ("k",), properties={}, headers={}, encoded={}, body=b"body")


def test_returned_message_is_not_taken_for_a_confirmed_one(broker: TinyBroker, hands: AmqpHands) -> None:
    for answer, outcome in (
        ("return", Outcome.RETURNED),
        ("nack", Outcome.REFUSED),
        ("ack", Outcome.CONFIRMED),
    ):
        broker.answer = answer
        assert publish(hands) is outcome


def test_confirm_that_does_not_come_is_waited_for_no_longer_than_said(
    broker: TinyBroker, hands: AmqpHands
) -> None:
    broker.answer = "nothing"
    with pytest.raises(NotReadyError, match=r"waited 0\.5 s for the confirm of a message"):
        publish(hands)
    broker.answer = "ack"
    with pytest.raises(NotReadyError):  # a late confirm would be taken for the next one's
        publish(hands)


def test_connection_that_ends_is_told(broker: TinyBroker, hands: AmqpHands) -> None:
    broker.answer = "end"
    with pytest.raises(NotReadyError, match="the connection is lost"):
        publish(hands)
    with pytest.raises(NotReadyError):
        hands.done(1)


@pytest.mark.parametrize(
    ("code", "words"), [(403, "not allowed"), (404, "is not there"), (405, "one consumer alone")]
)
def test_refusal_of_the_broker_is_ours(code: int, words: str, broker: TinyBroker, hands: AmqpHands) -> None:
    broker.refuse = code
    with pytest.raises(RefusedError, match=words):
        hands.waiting()


def test_nobody_there_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    wanted = parameters(
        Endpoint(name="n", host="127.0.0.1", port=port),
        vhost="/",
        credentials=Credentials(username="u", password="p"),
        tls=None,
        connection_name="test",
    )
    made = AmqpHands(wanted, "q", answer_s=5)
    with pytest.raises(NotReadyError, match="the connection is lost"):
        made.open()
    made.close()
