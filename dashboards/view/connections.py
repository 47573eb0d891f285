"""A server's connections: how many there are at a time, and how long one may keep its place without use.

A time-out of the socket bounds each read and each write, so a client that sends or takes a byte now and then
would keep its place for ever; some fifty such clients would keep everybody out, without a password.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

#: Closing a connection wakes its thread, which then gives the place back.
_MAKES_ROOM_S = 1.0


@dataclass(slots=True)
class _Held:
    """One connection, of one thread. ``welcome``: a request of it was admitted before."""

    connection: socket.socket
    since_s: float
    ends_s: float
    answering: bool = False
    welcome: bool = False

    def close(self) -> None:
        """The thread finds it ended. Not by a method of TLS, in the middle of which that thread may be."""
        with suppress(OSError):
            socket.socket.shutdown(self.connection, socket.SHUT_RDWR)


class Connections:
    """Places for ``most`` connections. Until a request of it is admitted a connection has ``request_s``
    seconds, the handshake included, and as long again after each answer; an answer has ``answer_s`` until it
    is taken in whole. All but `take` and `close_late` are called by the connection's own thread."""

    def __init__(
        self,
        most: int,
        *,
        request_s: float,
        answer_s: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free = threading.BoundedSemaphore(most)
        self._request_s, self._answer_s, self._now = request_s, answer_s, now
        self._lock = threading.Lock()
        self._held: dict[int, _Held] = {}

    def take(self) -> bool:
        """Take a place. Where none is free that connection is closed which has waited longest without a
        request, those first that never made one; False where all are being answered."""
        if self._free.acquire(blocking=False):
            return True
        with self._lock:
            idle = [held for held in self._held.values() if not held.answering]
            if not idle:
                return False
            min(idle, key=lambda held: (held.welcome, held.since_s)).close()
        return self._free.acquire(timeout=_MAKES_ROOM_S)

    def give_back(self) -> None:
        """Give the place back; safe for a connection that was not begun."""
        with self._lock:
            self._held.pop(threading.get_ident(), None)
        self._free.release()

    def begin(self, connection: socket.socket) -> None:
        """The calling thread serves ``connection``, of which a handshake comes first."""
        now_s = self._now()
        with self._lock:
            self._held[threading.get_ident()] = _Held(connection, now_s, now_s + self._request_s)

    def wait(self) -> None:
        """A request may come."""
        with self._lock:
            held, now_s = self._held[threading.get_ident()], self._now()
            if held.answering:
                held.answering, held.since_s, held.ends_s = False, now_s, now_s + self._request_s

    def answer(self) -> None:
        """A request was admitted."""
        with self._lock:
            held = self._held[threading.get_ident()]
            held.answering = held.welcome = True
            held.ends_s = self._now() + self._answer_s

    def close_late(self) -> None:
        """Close those whose time is over."""
        with self._lock:
            for held in self._held.values():
                if held.ends_s < self._now():
                    held.close()
