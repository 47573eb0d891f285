"""What publishers and consumers share: connecting, reconnecting, commands from and ticks to the coordinator.

A worker is a process of its own. It reads its spec and then commands on standard input, one JSON object
a line, and writes what it has to say the same way on standard output. When its input ends, the
coordinator is gone, and it ends too.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from typing import Protocol

from pika import exceptions
from pika.adapters.select_connection import PollEvents
from pika.channel import Channel

from loadgen import transport
from loadgen.loop import TurnLoop
from loadgen.reporting import BACKOFF_S, TakingTurns, Voice
from loadgen.roles import Renews
from loadgen.spec import Link
from warren.connection import parameters
from warren.connection_errors import cause_of, describe

_CONNECT_TIMEOUT_S = 3.0
#: To count what a limit allows, a healthy node waits 10 s for a frozen one (docs/chaos.md): who gives up
#: before gets in nowhere. It is the library's own default.
_OPEN_TIMEOUT_S = 15.0

_REFUSALS = (
    exceptions.ProbableAuthenticationError,
    exceptions.ProbableAccessDeniedError,
    exceptions.AuthenticationError,
    ssl.SSLCertVerificationError,
)


class Job(TakingTurns, Protocol):
    """What a publisher or consumer does with its turns."""

    def opened(self, connection: transport.Connection, channel: Channel) -> None:
        """A channel is open: set it up, and say `Worker.ready` when that is done."""


class Worker(Voice):
    """Runs a job until it is over or told to finish."""

    def __init__(self, link: Link, *, write: Callable[[str], None], commands_fd: int = 0) -> None:
        super().__init__(write, time.monotonic_ns(), wakes_per_s=link.wakes_per_s)
        self._link = link
        self._commands_fd = commands_fd
        self._loop = TurnLoop(self.budget)
        self._tls = link.tls_context()
        self._at = link.first_endpoint
        self._failures = 0
        self._connection: transport.Connection | None = None
        self._channel: Channel | None = None
        self._open = False
        self._closing = False
        self._was_ready = False
        self._renewing = False
        #: Why the connection was given up, where that was done here.
        self._why = ""
        self._job: Job

    def run(self, job: Job) -> None:
        """Connect and take turns until the job is over."""
        self._job = job
        os.set_blocking(self._commands_fd, False)
        self._loop.add_handler(self._commands_fd, self._read_commands, PollEvents.READ)
        self._connect()
        while not self.ended:
            self._turn(*self._loop.turn())
        self.end(job, time.monotonic_ns())

    def ready(self) -> None:
        """The channel is set up and the job can begin; also after a reconnect."""
        self._failures = 0
        where = str(self._link.endpoints[self._at])
        if not self._renewing:
            self.say("connected" if self._was_ready else "ready", where=where)
        self._renewing = False
        self._was_ready = True

    def reopen(self, why: str) -> None:
        """Give the connection up and connect elsewhere."""
        if self._connection is not None and self._connection.is_open:
            self._why = why
            self._connection.close(200, "reconnecting")
        else:
            self.say("note", text=why)

    def renew(self, what: Renews) -> bool:
        """Close the connection as planned and connect to the next node, or close the channel and open
        another; False where none is open. Whoever watches is not told of it."""
        connection, channel = self._connection, self._channel
        if connection is None or not connection.is_open or channel is None or not channel.is_open:
            return False
        self._renewing = True
        if what == "connection":
            connection.close(200, "reconnecting as planned")
        else:
            channel.close(200, "opening another as planned")
        return True

    def _turn(self, now_ns: int, rested_ns: int) -> None:
        wake_ns = self._job.turn(now_ns, rested_ns=rested_ns)
        self.tick(self._job, now_ns)
        self._loop.wake_ns = min(wake_ns, self.next_tick_ns)
        if self._connection is not None:
            self._job.before_flush()
            self._connection.flush()
        if self._job.over and not self._closing:
            self._close()

    def _close(self) -> None:
        self._closing = True
        if self._connection is not None and self._open:
            if self._connection.is_open:
                self._connection.close()
            self._connection.flush()
        else:
            self.ended = True

    def _connect(self) -> None:
        endpoint = self._link.endpoints[self._at]
        self._connection = transport.Connection(
            parameters(
                endpoint,
                vhost=self._link.vhost,
                credentials=self._link.credentials,
                tls=self._tls,
                connection_name=self._link.connection_name,
                heartbeat_s=self._link.heartbeat_s,
                connect_timeout_s=_CONNECT_TIMEOUT_S,
                open_timeout_s=_OPEN_TIMEOUT_S,
            ),
            loop=self._loop,
            on_open=self._on_open,
            on_open_error=self._on_lost,
            on_close=self._on_lost,
        )

    def _on_open(self, connection: transport.Connection) -> None:
        self._open = True
        self.link_opened()
        connection.read_in_large_pieces()
        connection.channel(on_open_callback=lambda channel: self._on_channel(connection, channel))

    def _on_channel(self, connection: transport.Connection, channel: Channel) -> None:
        channel.add_on_close_callback(self._on_channel_closed)
        self._channel = channel
        self._job.opened(connection, channel)

    def _on_channel_closed(self, channel: Channel, reason: BaseException) -> None:
        del channel
        connection = self._connection
        if self._renewing and not self._closing and connection is not None and connection.is_open:
            self._job.lost()
            connection.channel(on_open_callback=lambda channel: self._on_channel(connection, channel))
        elif isinstance(reason, exceptions.ChannelClosedByBroker):
            if reason.reply_code == _ACCESS_REFUSED and not self._was_ready:
                self.say("refused", what=str(reason.reply_text))
            self.reopen(f"the broker closed the channel: {reason.reply_code} {reason.reply_text}")

    def _on_lost(self, connection: transport.Connection, error: BaseException) -> None:
        if connection is not self._connection:
            return
        self._connection = None
        was_open = self._open
        if was_open:
            self._open = False
            if not self._closing:
                self.link_lost()
            self._job.lost()
        if self._closing or self.ended:
            self.ended = True
            return
        what, self._why = self._why or describe(error), ""
        where = str(self._link.endpoints[self._at])
        if not self._was_ready and _is_refusal(error):
            self.say("refused", where=where, what=what)
        if not self._renewing or not was_open:
            self._renewing = False
            self.say("lost", where=where, what=what)
        self._at = (self._at + 1) % len(self._link.endpoints)
        wait_s = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
        self._failures += 1
        self._loop.call_later(wait_s, self._reconnect)

    def _reconnect(self) -> None:
        if not (self._closing or self.ended):
            self._connect()

    def _read_commands(self, fd: int, events: int) -> None:
        del events
        if not self.read_commands(fd, self._job):
            self._loop.remove_handler(fd)


_ACCESS_REFUSED = 403


def _is_refusal(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, _REFUSALS):
            return True
        seen = cause_of(seen)
    return False
