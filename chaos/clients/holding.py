"""Clients that take and do not give back: connections, channels, messages."""

from __future__ import annotations

from typing import Any

from pika.exceptions import AMQPError

from chaos.clients.crowd import Crowd
from chaos.clients.orders import Orders

_PAUSE_S = 0.1


def storm(orders: Orders) -> None:
    """Connections that all want in at once; each with a channel, and where ``lives_s`` is not 0, opened again
    and again."""
    lives_s = orders.number("lives_s")

    def member(crowd: Crowd, connection: Any, _number: int) -> None:
        connection.channel(on_open_callback=lambda _channel: None)
        if lives_s:
            crowd.loop.call_later(lives_s, lambda: connection.close() if connection.is_open else None)

    Crowd(orders, member).run(
        count=orders.whole("connections_count"), per_s=orders.number("connections_per_s")
    )


def leak(orders: Orders) -> None:
    """Channels that are opened and forgotten, one after the other on each connection."""
    most, per_s = orders.whole("channels_count"), orders.number("channels_per_s")

    def member(crowd: Crowd, connection: Any, _number: int) -> None:
        asked = 0

        def more() -> bool:
            nonlocal asked
            for _ in range(max(1, round(per_s * _PAUSE_S))):
                if not connection.is_open or asked >= most:
                    return False
                asked += 1
                try:
                    connection.channel(on_open_callback=lambda _channel: _count(crowd))
                except AMQPError as error:  # the connection has as many as were agreed upon
                    crowd.tally.trouble = f"{type(error).__name__}: {error}"
                    return False
            return True

        crowd.every(max(_PAUSE_S, 1 / per_s), more)

    Crowd(orders, member).run(count=orders.whole("connections_count"), per_s=10)


def _count(crowd: Crowd) -> None:
    crowd.tally.counts["channels"] += 1


def stuck(orders: Orders) -> None:
    """A consumer that takes its prefetch and acknowledges nothing."""

    def member(crowd: Crowd, connection: Any, _number: int) -> None:
        def opened(channel: Any) -> None:
            channel.basic_qos(prefetch_count=orders.whole("prefetch_count"))
            channel.basic_consume(orders.queue, lambda *_delivery: taken())

        def taken() -> None:
            crowd.tally.counts["taken"] += 1

        connection.channel(on_open_callback=opened)

    Crowd(orders, member).run(count=orders.whole("consumers_count"), per_s=10)
