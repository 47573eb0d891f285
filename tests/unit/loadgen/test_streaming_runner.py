"""The runner of stream workers: turns, reconnects to other nodes, commands and its end."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from loadgen.spec import Link
from loadgen.streaming import runner
from loadgen.streaming.hearing import Hearing, LinkError
from warren.connection import Credentials, Endpoint


class Connection:
    def __init__(self, at: Endpoint, leader: str = "") -> None:
        self.at, self._leader = at, leader or at.name
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.flushes = 0
        self.closed = False

    async def leader(self, stream: str) -> str:
        return self._leader

    def flush(self) -> None:
        self.flushes += 1

    def abort(self) -> None:
        self.end("reconnecting as planned")

    def end(self, what: str) -> None:
        if not self.over.done():
            self.over.set_result(what)

    async def close(self) -> None:
        self.closed = True
        self.end("closed")


class Job:
    """Ends when it is told to; ``each`` is called with the number of every turn."""

    stream = "s"
    at_leader = False

    def __init__(self, each: Callable[[int], None] = lambda _turn: None) -> None:
        self.hearing = Hearing()
        self.each = each
        self.opens: list[str] = []
        self.refusing = 0
        self.losses = self.turns = self.written = 0
        self.commands: list[str] = []
        self.over = False

    credit = 500

    async def opened(self, connection: Connection) -> None:
        if self.refusing:
            self.refusing -= 1
            raise LinkError("StreamNotAvailable")
        self.opens.append(connection.at.name)

    def lost(self) -> None:
        self.losses += 1

    def turn(self, now_ns: int, *, rested_ns: int) -> int:
        self.turns += 1
        self.each(self.turns)
        return now_ns + 1_000_000

    def before_flush(self) -> None:
        self.written += 1

    def tick(self) -> dict[str, Any]:
        return {"counts": {}}

    def command(self, name: str) -> None:
        self.commands.append(name)
        if name == "finish":
            self.over = True


class Rig:
    """Three nodes; ``fail`` says how many attempts at each do not connect."""

    def __init__(self, fd: int, leader: str = "") -> None:
        self.said: list[dict[str, Any]] = []
        self.made: list[Connection] = []
        self.fail: dict[str, int] = {}
        self.error = LinkError("refused")
        self._leader = leader
        link = Link(
            endpoints=tuple(Endpoint(name=name, host=name, port=1) for name in ("a", "b", "c")),
            vhost="/",
            credentials=Credentials(username="u", password="p"),
            ca_pem=None,
            connection_name="c",
        )
        self.worker = runner.Worker(
            link,
            write=lambda text: self.said.append(json.loads(text)),
            commands_fd=fd,
            via=self._connect,  # type: ignore[arg-type]
        )

    async def _connect(self, endpoint: Endpoint, **_: Any) -> Connection:
        if self.fail.get(endpoint.name, 0):
            self.fail[endpoint.name] -= 1
            raise self.error
        self.made.append(Connection(endpoint, self._leader))
        return self.made[-1]

    def kinds(self) -> list[str]:
        return [each["type"] for each in self.said if each["type"] != "tick"]


@contextmanager
def commands(*lines: dict[str, Any]) -> Iterator[tuple[int, Callable[[dict[str, Any]], None]]]:
    out, into = os.pipe()

    def send(line: dict[str, Any]) -> None:
        os.write(into, json.dumps(line).encode() + b"\n")

    for line in lines:
        send(line)
    try:
        yield out, send
    finally:
        os.close(out)
        os.close(into)


FINISH = {"do": "finish"}


def test_worker_connects_says_so_and_ends_when_it_is_told() -> None:
    with commands() as (fd, send):
        rig = Rig(fd)
        job = Job(lambda turn: send(FINISH) if turn == 5 else None)
        rig.worker.run(job)  # type: ignore[arg-type]
    assert rig.kinds() == ["ready", "end"]
    assert job.opens == ["a"]
    assert rig.made[0].closed
    assert rig.made[0].flushes >= 4
    assert rig.said[-1]["counts"] == {"links_opened": 1}


def test_lost_connection_is_told_and_made_again_to_the_next_node() -> None:
    with commands() as (fd, send):
        rig = Rig(fd)

        def each(turn: int) -> None:
            if turn == 5:
                rig.made[0].end("broken")
            if job.losses and len(rig.made) == 2 and not job.over:
                send(FINISH)

        job = Job(each)
        rig.worker.run(job)  # type: ignore[arg-type]
    assert rig.kinds() == ["ready", "lost", "connected", "end"]
    lost = next(each for each in rig.said if each["type"] == "lost")
    assert (lost["where"], lost["what"]) == ("a:1", "broken")
    assert job.opens == ["a", "b"]
    assert job.losses == 1
    assert rig.said[-1]["counts"] == {"links_opened": 2, "links_lost": 1}


def test_node_that_is_not_there_and_one_without_the_stream_are_passed_over() -> None:
    with commands() as (fd, send):
        rig = Rig(fd)
        rig.fail = {"a": 1}
        job = Job(lambda _turn: send(FINISH) if job.opens and not job.over else None)
        job.refusing = 1
        rig.worker.run(job)  # type: ignore[arg-type]
    assert rig.kinds() == ["lost", "lost", "ready", "end"]
    assert job.opens == ["c"]
    assert job.losses == 0


def test_refusal_before_the_first_connection_is_told_apart() -> None:
    with commands() as (fd, send):
        rig = Rig(fd)
        rig.fail, rig.error = {"a": 1}, LinkError("AuthenticationFailure (8)", refusal=True)
        job = Job(lambda _turn: send(FINISH) if job.opens and not job.over else None)
        rig.worker.run(job)  # type: ignore[arg-type]
    assert rig.kinds()[0] == "refused"


@pytest.mark.parametrize(("leader", "opens"), [("c", ["c"]), ("a", ["a"]), ("elsewhere", ["a"])])
def test_publisher_goes_to_the_leader_where_that_is_one_of_its_nodes(leader: str, opens: list[str]) -> None:
    with commands() as (fd, send):
        rig = Rig(fd, leader)
        job = Job(lambda _turn: send(FINISH) if job.opens and not job.over else None)
        job.at_leader = True
        rig.worker.run(job)  # type: ignore[arg-type]
    assert job.opens == opens
    assert rig.made[0].closed


def test_planned_break_is_made_good_without_a_word() -> None:
    with commands() as (fd, send):
        rig = Rig(fd)

        def each(turn: int) -> None:
            if turn == 5:
                before = job.written, rig.made[0].flushes
                assert rig.worker.renew("connection")
                assert (job.written, rig.made[0].flushes) == (before[0] + 1, before[1] + 1)
            if len(job.opens) == 2 and not job.over:
                send(FINISH)

        job = Job(each)
        rig.worker.run(job)  # type: ignore[arg-type]
    assert rig.kinds() == ["ready", "end"]
    assert (job.opens, job.losses) == (["a", "b"], 1)


def test_nothing_is_renewed_where_nothing_is_open() -> None:
    with commands() as (fd, _send):
        assert Rig(fd).worker.renew("connection") is False


def test_worker_ends_with_its_coordinator() -> None:
    out, into = os.pipe()
    os.close(into)
    rig = Rig(out)
    rig.worker.run(Job())  # type: ignore[arg-type]
    os.close(out)
    assert rig.kinds()[-1] == "end"


def test_start_sets_the_clock_and_stop_is_passed_on() -> None:
    with commands({"do": "start", "t0_ns": 7, "body_clock_ns": 3}, {"do": "stop"}, FINISH) as (fd, _send):
        rig, job = Rig(fd), Job()
        rig.worker.run(job)  # type: ignore[arg-type]
    assert (rig.worker.t0_ns, rig.worker.body_clock_ns) == (7, 3)
    assert job.commands == ["start", "stop", "finish"]


def test_bug_in_what_no_one_waits_for_ends_the_worker() -> None:
    def each(turn: int) -> None:
        if turn == 3:
            raise KeyError("a bug")

    with commands() as (fd, _send):
        rig = Rig(fd)
        with pytest.raises(KeyError, match="a bug"):
            rig.worker.run(Job(each))  # type: ignore[arg-type]
