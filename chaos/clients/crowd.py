"""Many connections on one loop: opened at a pace, opened again when they are lost, for a limited time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pika import SelectConnection
from pika.adapters.select_connection import IOLoop

from chaos.clients.orders import Orders, connection_name
from chaos.clients.telling import EVERY_S, Tally
from warren.connection import TlsMaterial, parameters, tls_context
from warren.connection_errors import describe

#: A client that lost its connection comes back after this long.
_AGAIN_S = 1.0
_TICK_S = 0.05
_CONNECT_S = 15.0
#: Time for the connections to be closed in order.
_LEAVES_S = 3.0


class Crowd:
    """``count`` connections, ``per_s`` of them opened a second; ``member`` is called with each that is open
    and its number. What it counts is told every second."""

    def __init__(self, orders: Orders, member: Callable[[Crowd, Any, int], None]) -> None:
        self.orders, self.tally, self.loop = orders, Tally(), IOLoop()
        self._member = member
        self._tls = tls_context(TlsMaterial(ca_pem=orders.ca_pem, client_pem=orders.credentials.client_pem))
        self._open: dict[int, Any] = {}
        self._due: list[int] = []
        self._pace, self._credit = 1.0, 0.0
        self._ending = False

    def run(self, *, count: int, per_s: float) -> None:
        """Returns when the orders' time is over, and every connection is closed."""
        self._due, self._pace = list(range(count)), per_s
        self.loop.call_later(self.orders.limit_s, self._end)
        self._tick()
        self._tell()
        self.loop.start()

    def every(self, seconds: float, act: Callable[[], bool]) -> None:
        """Call ``act`` every so many seconds for as long as it returns True."""

        def again() -> None:
            if not self._ending and act():
                self.loop.call_later(seconds, again)

        again()

    def _tick(self) -> None:
        self._credit = min(self._pace, self._credit + self._pace * _TICK_S)
        while self._due and self._credit >= 1:
            self._credit -= 1
            self._connect(self._due.pop(0))
        if not self._ending:
            self.loop.call_later(_TICK_S, self._tick)

    def _connect(self, number: int) -> None:
        endpoints = self.orders.endpoints
        wanted = parameters(
            endpoints[number % len(endpoints)],
            vhost=self.orders.vhost,
            credentials=self.orders.credentials,
            tls=self._tls,
            connection_name=connection_name(self.orders.program, number),
            connect_timeout_s=_CONNECT_S,
        )
        self.tally.counts["attempts"] += 1
        SelectConnection(
            wanted,
            on_open_callback=lambda connection: self._opened(connection, number),
            on_open_error_callback=lambda _connection, error: self._lost(number, "refused", error),
            on_close_callback=lambda _connection, error: self._lost(number, "closed", error),
            custom_ioloop=self.loop,
        )

    def _opened(self, connection: Any, number: int) -> None:
        if self._ending:
            connection.close()
            return
        self.tally.counts["opened"] += 1
        self._open[number] = connection
        self._member(self, connection, number)

    def _lost(self, number: int, how: str, error: BaseException | None) -> None:
        self.tally.counts[how] += 1
        self.tally.trouble = describe(error)
        self._open.pop(number, None)
        if not self._ending:
            self.loop.call_later(_AGAIN_S, lambda: self._due.append(number))

    def _tell(self) -> None:
        self.tally.counts["open"] = len(self._open)
        self.tally.tell()
        if not self._ending:
            self.loop.call_later(EVERY_S, self._tell)

    def _end(self) -> None:
        self._ending = True
        self.loop.call_later(_LEAVES_S, self.loop.stop)
        for connection in list(self._open.values()):
            if connection.is_open:
                connection.close()
