"""Runs a stream worker's job in turns on an asyncio loop: connecting, reconnecting, commands and ticks.

A turn is what it is over AMQP 0-9-1: what is due is done, evidence is written, and then what was queued
leaves as one write. Turns follow each wait of the loop that brought something, and the time that the job
itself asks for.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from loadgen.curve import SECOND_NS
from loadgen.reporting import BACKOFF_S, TakingTurns, Voice
from loadgen.roles import Renews
from loadgen.spec import Link
from loadgen.streaming.hearing import Hearing, LinkError
from loadgen.streaming.transport import Connection, connect
from warren.connection import Endpoint

#: A poll that lasted longer than this really waited: there was nothing to read.
_SLEPT_NS = 50_000

Connect = Callable[..., Awaitable[Connection]]


class Job(TakingTurns, Protocol):
    """What a publisher or reader does with its turns."""

    stream: str
    #: Whether it belongs on the node that leads the stream; otherwise any node with a member will do.
    at_leader: bool
    hearing: Hearing

    async def opened(self, connection: Connection) -> None:
        """A connection is open: set it up. Raises LinkError where that fails."""


class Waits(selectors.DefaultSelector):
    """Knows when the loop's last real wait ended, and whether there was one since it was last asked."""

    woke_ns = 0
    slept = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        before = time.monotonic_ns()
        found = super().select(timeout)
        after = time.monotonic_ns()
        if after - before > _SLEPT_NS:
            self.woke_ns, self.slept = after, True
        return found

    def take(self) -> tuple[int, bool]:
        """When the last real wait ended, and whether it was since the last call."""
        slept, self.slept = self.slept, False
        return self.woke_ns, slept


class Worker(Voice):
    """Runs a job until it is over or told to finish."""

    def __init__(
        self, link: Link, *, write: Callable[[str], None], commands_fd: int = 0, via: Connect = connect
    ) -> None:
        super().__init__(write, time.monotonic_ns(), wakes_per_s=link.wakes_per_s)
        self._link = link
        self._commands_fd = commands_fd
        self._via = via
        self._tls = link.tls_context()
        self._waits = Waits()
        self._at = link.first_endpoint
        self._failures = 0
        self._connection: Connection | None = None
        self._was_ready = False
        self._renewing = False
        self._poked = False
        self._timer: asyncio.TimerHandle | None = None
        self._done: asyncio.Future[None]
        self._job: Job

    def run(self, job: Job) -> None:
        """Connect and take turns until the job is over."""
        self._job = job
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(self._waits)) as runner:
            runner.run(self._live())
        self.end(job, time.monotonic_ns())

    def poke(self) -> None:
        """Take a turn soon: something has come."""
        if not self._poked:
            self._poked = True
            asyncio.get_running_loop().call_soon(self._turn)

    def ready(self) -> None:
        """The job can begin; also after a reconnect."""
        self._failures = 0
        if not self._renewing:
            where = str(self._link.endpoints[self._at])
            self.say("connected" if self._was_ready else "ready", where=where)
        self._renewing = False
        self._was_ready = True

    def reopen(self, why: str) -> None:
        """Give the connection up and connect elsewhere."""
        self.say("note", text=why)
        if self._connection is not None:
            self._connection.abort()

    def renew(self, what: Renews) -> bool:
        """Break the connection off as planned, before what was just sent is answered, and make another; False
        where none is open. There are no channels here."""
        del what
        if self._connection is None:
            return False
        self._renewing = True
        self._job.before_flush()
        self._connection.flush()
        self._connection.abort()
        return True

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        self._done = loop.create_future()
        loop.set_exception_handler(self._on_bug)
        os.set_blocking(self._commands_fd, False)
        loop.add_reader(self._commands_fd, self._on_commands)
        linked = loop.create_task(self._keep_linked())
        self._turn()
        try:
            await self._done
        finally:
            linked.cancel()
            loop.remove_reader(self._commands_fd)
            if self._timer is not None:
                self._timer.cancel()
        if self._connection is not None:
            await self._connection.close()

    def _on_bug(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What no one waits for must not be lost in a log: the worker ends of it."""
        error = context.get("exception")
        if error is None:
            loop.default_exception_handler(context)
        elif not self._done.done():
            self._done.set_exception(error)

    def _on_commands(self) -> None:
        if not self.read_commands(self._commands_fd, self._job):
            self._finish()
        self.poke()

    def _finish(self) -> None:
        self.ended = True
        if not self._done.done():
            self._done.set_result(None)

    # --- turns

    def _turn(self) -> None:
        self._poked = False
        if self._done.done():
            return
        woke_ns, slept = self._waits.take()
        now_ns = woke_ns if slept else time.monotonic_ns()
        self.budget.spend(now_ns)
        wake_ns = self._job.turn(now_ns, rested_ns=woke_ns if slept else 0)
        self.tick(self._job, time.monotonic_ns())
        if self._connection is not None:
            self._job.before_flush()
            self._connection.flush()
        if self._job.over:
            self._finish()
            return
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
        # What comes wakes at once; what is due by the clock waits for the next turn that the budget has.
        now_ns = time.monotonic_ns()
        wait_ns = max(0, self.budget.rest_ns(now_ns), min(wake_ns, self.next_tick_ns) - now_ns)
        self._timer = loop.call_later(wait_ns / SECOND_NS, self._turn)

    # --- the connection

    async def _keep_linked(self) -> None:
        """Connect, wait until the connection is lost, connect to the next node, and so on."""
        while True:
            try:
                connection = await self._connected()
            except LinkError as error:
                self._failed(error)
            else:
                self._lost(await connection.over)
            self._at = (self._at + 1) % len(self._link.endpoints)
            pause_s = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
            self._failures += 1
            await asyncio.wait((self._done,), timeout=pause_s)

    async def _connected(self) -> Connection:
        connection = await self._open(self._link.endpoints[self._at])
        try:
            if self._job.at_leader:
                connection = await self._moved(connection)
            await self._job.opened(connection)
        except LinkError:
            connection.abort()
            self.link_lost()
            raise
        self._connection = connection
        self.ready()
        self.poke()
        return connection

    async def _open(self, endpoint: Endpoint) -> Connection:
        link = self._link
        found = await self._via(
            endpoint,
            vhost=link.vhost,
            credentials=link.credentials,
            tls=self._tls,
            name=link.connection_name,
            heartbeat_s=link.heartbeat_s,
            hearing=self._job.hearing,
        )
        self.link_opened()
        return found

    async def _moved(self, connection: Connection) -> Connection:
        """A connection to the node that leads the stream, where that is one of ours; else the one given."""
        host = await connection.leader(self._job.stream)
        ours = [each.name for each in self._link.endpoints]
        if host not in ours or host == ours[self._at]:
            return connection
        await connection.close()
        self._at = ours.index(host)
        return await self._open(self._link.endpoints[self._at])

    def _failed(self, error: LinkError) -> None:
        where = str(self._link.endpoints[self._at])
        if error.refusal and not self._was_ready:
            self.say("refused", where=where, what=str(error))
        self._renewing = False
        self.say("lost", where=where, what=str(error))

    def _lost(self, what: str) -> None:
        self._connection = None
        self.link_lost()
        self._job.lost()
        if not self._renewing:
            self.say("lost", where=str(self._link.endpoints[self._at]), what=what)
        self.poke()
