"""One connection to one node in one virtual host, shared by all pairs that begin or end there.

Publishing and consuming share it, which applications should not do: here a publisher that the broker blocks
stops its own flights, and nothing else waits for the acks behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pika
from pika.adapters.select_connection import IOLoop, SelectConnection
from pika.exceptions import ConnectionOpenAborted, NoFreeChannels

from warren.connection import HEARTBEAT_S
from warren.connection_errors import describe

#: What this module calls inside pika, which knows no public way to drop an open connection without asking
#: the other side, which is frozen. A test checks that it is still there.
PIKA_INTERNALS: tuple[tuple[type, str], ...] = ((SelectConnection, "_terminate_stream"),)
#: The broker says something twice in a heartbeat interval, whatever else it is busy with. Less patience would
#: give up connections that are well, and while a node is frozen there may be no new ones: the broker counts
#: connections (and a user's channels, where they are limited) by asking every node, without a deadline
#: (rabbit_tracking:count_on_all_nodes).
SILENT_S = HEARTBEAT_S / 2 + 2
#: Flights of one round begin within this: a node that has just refused is not asked again by each of them.
_NOT_AGAIN_S = 1.0

#: pika's `SelectConnection`.
Connect = Callable[..., Any]


class Shares(Protocol):
    """Who uses a link."""

    def link_opened(self) -> None: ...

    def link_ended(self, why: str) -> None: ...


class Link:
    """One connection, made when a lane asks for it and forgotten when it ends."""

    def __init__(
        self,
        node: str,
        wanted: pika.ConnectionParameters,
        loop: IOLoop,
        connect: Connect,
        now_s: Callable[[], float],
    ) -> None:
        self.node, self.blocked, self.opened = node, False, 0
        self.lanes: list[Shares] = []
        self._wanted, self._loop, self._connect, self._now_s = wanted, loop, connect, now_s
        self._connection: Any = None
        self._refused_s, self._why = float("-inf"), ""
        self._heard, self._heard_s = 0, float("-inf")

    @property
    def is_open(self) -> bool:
        return self._connection is not None and bool(self._connection.is_open)

    @property
    def refused(self) -> str:
        """Why there is none, where an attempt failed a moment ago; else nothing."""
        recently = self._now_s() - self._refused_s < _NOT_AGAIN_S
        return self._why if self._connection is None and recently else ""

    def connect(self) -> None:
        """Begin to connect, where there is no connection."""
        if self._connection is None:
            self._connection = self._connect(
                self._wanted,
                on_open_callback=self._on_open,
                on_open_error_callback=self._on_refusal,
                on_close_callback=self._on_end,
                custom_ioloop=self._loop,
            )

    def channel(self, on_open: Callable[[Any], None]) -> Any:
        """A channel that opens; None where all are taken, by requests that the broker never answered. Then
        the connection is given up."""
        try:
            return self._connection.channel(on_open_callback=on_open)
        except NoFreeChannels:
            self._drop(f"{self.node} leaves no channel free")
            return None

    def listen(self) -> None:
        """Note whether anything has come; to be called now and then."""
        heard = self._connection.bytes_received if self.is_open else 0
        if heard != self._heard:
            self._heard, self._heard_s = heard, self._now_s()

    def drop_if_silent(self) -> None:
        """Give up a connection that still opens, or by which nothing has come for `SILENT_S`: a frozen node's
        looks like any other."""
        self.listen()
        silent = not self.is_open or self._now_s() - self._heard_s > SILENT_S
        if self._connection is not None and silent:
            self._drop(f"{self.node} says nothing")

    def _drop(self, why: str) -> None:
        connection = self._connection
        self._forget(why)
        if connection.is_open:
            connection._terminate_stream(ConnectionOpenAborted(why))
        elif not (connection.is_closed or connection.is_closing):
            connection.close()

    def _on_open(self, connection: Any) -> None:
        if connection is not self._connection:
            return
        self.opened += 1
        self._heard_s = self._now_s()
        connection.add_on_connection_blocked_callback(lambda *_: self._block(connection, blocked=True))
        connection.add_on_connection_unblocked_callback(lambda *_: self._block(connection, blocked=False))
        for lane in self.lanes:
            lane.link_opened()

    def _block(self, connection: Any, *, blocked: bool) -> None:
        if connection is self._connection:
            self.blocked = blocked

    def _on_refusal(self, connection: Any, error: BaseException) -> None:
        if connection is self._connection:
            self._refused_s = self._now_s()
            self._on_end(connection, error)

    def _on_end(self, connection: Any, error: BaseException) -> None:
        if connection is self._connection:
            self._forget(f"{self.node}: {describe(error)}")

    def _forget(self, why: str) -> None:
        self._connection, self.blocked = None, False
        self._why = why
        for lane in self.lanes:
            lane.link_ended(why)
