"""The misbehaving clients without a broker: what they would do to one, and that they keep their limits."""

from __future__ import annotations

import ssl
from types import SimpleNamespace
from typing import Any

import pytest
from pika.exceptions import NoFreeChannels

from chaos.clients import crowd as crowds
from chaos.clients import handshakes, holding, pouring
from chaos.clients.crowd import Crowd
from chaos.clients.orders import Orders
from chaos.clients.telling import last
from warren.connection import Credentials, Endpoint


def orders(program: str, limit_s: float = 0.4, **settings: float | str) -> Orders:
    return Orders(
        program=program,
        endpoints=(Endpoint(name="rmq1", host="rmq1", port=1), Endpoint(name="rmq2", host="rmq2", port=1)),
        vhost="/v",
        credentials=Credentials(username="load", password="p"),
        ca_pem="",
        limit_s=limit_s,
        settings=settings,
        queue="orders.work",
    )


class Channel:
    """Confirms nothing by itself, answers everything else at once."""

    def __init__(self) -> None:
        self.is_open = True
        self.declared: list[tuple[str, dict[str, Any]]] = []
        self.deleted: list[str] = []
        self.rejected: list[int] = []
        self.published = 0
        self.consumed: list[str] = []
        self.prefetch = 0
        self.answer: Any = None
        self.deliver: Any = None

    def queue_declare(self, queue: str, *, durable: bool, arguments: Any, callback: Any = None) -> None:
        self.declared.append((queue, arguments))
        if callback is not None:
            callback(None)

    def queue_delete(self, queue: str, callback: Any) -> None:
        self.deleted.append(queue)
        callback(None)

    def confirm_delivery(self, *, ack_nack_callback: Any) -> None:
        self.answer = ack_nack_callback

    def basic_publish(self, _exchange: str, _queue: str, _body: bytes, _properties: Any) -> None:
        self.published += 1

    def basic_qos(self, *, prefetch_count: int) -> None:
        self.prefetch = prefetch_count

    def basic_consume(self, queue: str, callback: Any) -> None:
        self.consumed.append(queue)
        self.deliver = callback

    def basic_reject(self, tag: int, *, requeue: bool) -> None:
        assert requeue
        self.rejected.append(tag)


class Connection:
    """In place of pika's: open as soon as the loop turns, or refused where the test says so."""

    made: list[Connection]
    refuse: bool
    most_channels: int

    def __init__(self, wanted: Any, **callbacks: Any) -> None:
        self.wanted, self.callbacks = wanted, callbacks
        self.is_open = False
        self.channels: list[Channel] = []
        self.made.append(self)
        callbacks["custom_ioloop"].call_later(0, self._begin)

    def _begin(self) -> None:
        if self.refuse:
            self.callbacks["on_open_error_callback"](self, ConnectionRefusedError("no"))
            return
        self.is_open = True
        self.callbacks["on_open_callback"](self)

    def channel(self, on_open_callback: Any) -> None:
        if len(self.channels) == self.most_channels:
            raise NoFreeChannels
        self.channels.append(Channel())
        on_open_callback(self.channels[-1])

    def close(self) -> None:
        self.is_open = False
        self.callbacks["on_close_callback"](self, None)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    Connection.made, Connection.refuse, Connection.most_channels = [], False, 10_000
    monkeypatch.setattr(crowds, "SelectConnection", Connection)
    monkeypatch.setattr(crowds, "tls_context", lambda _material: ssl.create_default_context())
    monkeypatch.setattr(crowds, "_LEAVES_S", 0.05)
    monkeypatch.setattr(crowds, "_AGAIN_S", 0.1)
    return Connection.made


def nothing(_crowd: Crowd, _connection: Any, _number: int) -> None:
    """A connection that is only held."""


def test_connections_are_opened_at_their_pace_to_all_nodes_and_closed_at_the_end(
    made: list[Connection],
) -> None:
    Crowd(orders("x"), nothing).run(count=100, per_s=20)
    assert 3 <= len(made) <= 14
    assert {each.wanted.host for each in made} == {"rmq1", "rmq2"}
    assert [each.wanted.client_properties["connection_name"] for each in made[:2]] == [
        "warren-fault x 0",
        "warren-fault x 1",
    ]
    assert not [each for each in made if each.is_open]


def test_refused_connections_come_back_and_the_trouble_is_told(
    made: list[Connection], capfd: pytest.CaptureFixture[str]
) -> None:
    Connection.refuse = True
    Crowd(orders("x", limit_s=1.2), nothing).run(count=2, per_s=100)
    assert 4 < len(made) < 30
    counts, trouble = last(capfd.readouterr().out)
    assert counts["refused"] >= 4
    assert trouble == "refused: nobody listens there"


def test_storm_opens_again_what_has_lived(made: list[Connection]) -> None:
    holding.storm(orders("connection-storm", connections_count=3, connections_per_s=100, lives_s=0.1))
    assert 3 < len(made) < 15


def test_storm_that_is_kept_holds_what_it_has(made: list[Connection]) -> None:
    holding.storm(orders("connection-storm", connections_count=3, connections_per_s=100, lives_s=0))
    assert len(made) == 3
    assert all(len(each.channels) == 1 for each in made)


def test_leak_stops_at_what_was_asked_for(made: list[Connection]) -> None:
    holding.leak(orders("channel-leak", connections_count=2, channels_count=7, channels_per_s=500))
    assert [len(each.channels) for each in made] == [7, 7]


def test_leak_stops_where_the_connection_has_no_more(made: list[Connection]) -> None:
    Connection.most_channels = 4
    holding.leak(orders("channel-leak", connections_count=1, channels_count=70, channels_per_s=500))
    assert [len(each.channels) for each in made] == [4]


def test_stuck_consumer_takes_its_prefetch_and_answers_nothing(made: list[Connection]) -> None:
    holding.stuck(orders("stuck-consumer", consumers_count=1, prefetch_count=20))
    (channel,) = made[0].channels
    assert (channel.consumed, channel.prefetch) == (["orders.work"], 20)
    channel.deliver(channel, SimpleNamespace(delivery_tag=1), None, b"")
    assert channel.rejected == []


FLOOD = {"messages_per_s": 50_000.0, "size_bytes": 10.0, "kept_count": 100.0}


def test_flood_ends_at_its_count_and_its_queue_is_bounded(made: list[Connection]) -> None:
    pouring.flood(orders("publisher-flood", messages_count=300, **FLOOD))
    (channel,) = made[0].channels
    assert channel.published == 300
    ((queue, arguments),) = channel.declared
    assert queue == "warren.fault.publisher-flood"
    assert (arguments["x-max-length"], arguments["x-overflow"]) == (100, "drop-head")
    assert arguments["x-max-length-bytes"] <= 64 * 1024 * 1024
    assert arguments["x-expires"]


def test_flood_waits_for_a_broker_that_confirms_nothing(
    made: list[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pouring, "_MOST_UNCONFIRMED", 50)
    pouring.flood(orders("publisher-flood", messages_count=1_000_000, **FLOOD))
    assert made[0].channels[0].published == 50


def test_flood_keeps_its_rate(made: list[Connection]) -> None:
    pouring.flood(
        orders("publisher-flood", messages_count=1_000_000, messages_per_s=200, size_bytes=1, kept_count=1)
    )
    assert 30 <= made[0].channels[0].published <= 140


def test_churn_never_has_more_queues_than_it_may(made: list[Connection]) -> None:
    pouring.churn(orders("queue-churn", queues_count=4, queues_per_s=100))
    (channel,) = made[0].channels
    names = [name for name, _ in channel.declared]
    assert len(names) > 10
    assert len(set(names)) == len(names)
    assert len(names) - len(channel.deleted) == 4
    assert channel.deleted == names[: len(channel.deleted)]


def test_poison_is_rejected_back_and_has_a_limit_and_a_grave(made: list[Connection]) -> None:
    pouring.poison(orders("poison", messages_per_s=100, messages_count=5, deliveries_count=3))
    publishing, working = made[0].channels
    (grave, _), (queue, arguments) = publishing.declared
    assert arguments["x-delivery-limit"] == 3
    assert arguments["x-dead-letter-routing-key"] == grave == f"{queue}.dead"
    assert publishing.published == 5
    working.deliver(working, SimpleNamespace(delivery_tag=7), None, b"")
    assert working.rejected == [7]


def test_handshakes_are_counted_by_what_was_the_answer_and_end(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["sslv3_alert_certificate_expired"] * 100)
    monkeypatch.setattr(handshakes, "_attempt", lambda _endpoint, _context: next(answers))
    monkeypatch.setattr(handshakes, "tls_context", lambda _material: None)
    monkeypatch.setattr(handshakes, "EVERY_S", 0.1)
    handshakes.shown(orders("bad-certificate", connections_per_s=20))
    counts, _ = last(capfd.readouterr().out)
    assert 3 <= counts["sslv3_alert_certificate_expired"] == counts["attempts"] <= 13
