"""The middleman as a process: bytes through real sockets, holds and freezes, its life and its report."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import os
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pika import frame, spec

from loadgen import body
from loadgen.container import Place
from loadgen.selftest import box as boxes
from loadgen.selftest.act import Plan
from loadgen.selftest.acts import act
from loadgen.selftest.box import Box, command
from loadgen.selftest.middleman import Middleman, Post, read_post, stand
from warren.connection import Endpoint
from warren.errors import BadInputError, DeadlineError

CHANNEL = 1
OPEN = frame.Method(CHANNEL, spec.Channel.Open()).marshal()
SELECT_OK = frame.Method(CHANNEL, spec.Confirm.SelectOk()).marshal()
WAIT_S = 5.0
#: Some thirty years after any machine's start, so that no clock holds it for a time of its own.
FAR_NS = 10**18

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def publish(seq: int) -> bytes:
    payload = body.encode(body.Stamp(7, 0, 0, 0, seq, FAR_NS, FAR_NS), 64)
    method = spec.Basic.Publish(exchange="x", routing_key="k")
    parts = (frame.Method(CHANNEL, method), frame.Header(CHANNEL, len(payload), spec.BasicProperties()))
    return b"".join(each.marshal() for each in (*parts, frame.Body(CHANNEL, payload)))


def ack(tag: int) -> bytes:
    return bytes(frame.Method(CHANNEL, spec.Basic.Ack(tag)).marshal())


Script = Callable[[Streams, Streams, Middleman], Awaitable[None]]


def between(plan: Plan, script: Script) -> Mapping[str, Any]:
    """Run ``script`` with both ends of one connection through a middleman; its report."""

    async def scene() -> Mapping[str, Any]:
        arrived: asyncio.Queue[Streams] = asyncio.Queue()
        far = await asyncio.start_server(lambda *streams: arrived.put_nowait(streams), "127.0.0.1", 0)
        port = far.sockets[0].getsockname()[1]
        post = Post(brokers=(Endpoint(name="b", host="127.0.0.1", port=port),), plan=plan, host="127.0.0.1")
        middleman = Middleman(post, act(plan))
        client = await asyncio.open_connection("127.0.0.1", await middleman.listen())
        broker = await asyncio.wait_for(arrived.get(), WAIT_S)
        try:
            await asyncio.wait_for(script(client, broker, middleman), WAIT_S)
        finally:
            client[1].close()
            broker[1].close()
            await middleman.close()
            far.close()
        return middleman.report()

    return asyncio.run(scene())


async def confirming(client: Streams, broker: Streams) -> None:
    client[1].write(OPEN)
    await broker[0].readexactly(len(OPEN))
    broker[1].write(SELECT_OK)
    await client[0].readexactly(len(SELECT_OK))


def test_swallowed_publish_is_confirmed_and_the_next_ones_answer_is_its_own() -> None:
    async def script(client: Streams, broker: Streams, middleman: Middleman) -> None:
        await confirming(client, broker)
        client[1].write(publish(0) + publish(1))
        assert await client[0].readexactly(len(ack(1))) == ack(1)
        assert await broker[0].readexactly(len(publish(1))) == publish(1)
        broker[1].write(ack(1))
        assert await client[0].readexactly(len(ack(2))) == ack(2)

    report = between(Plan(act="lose", picked=(0,)), script)
    assert report == {"did": 1, "vanished": 1, "connections": 1, "problems": []}


def test_held_publish_comes_late_and_nothing_overtakes_it() -> None:
    async def script(client: Streams, broker: Streams, middleman: Middleman) -> None:
        await confirming(client, broker)
        client[1].write(publish(0))
        begin = time.monotonic()
        client[1].write(publish(1))
        both = publish(0) + publish(1)
        assert await broker[0].readexactly(len(both)) == both
        assert time.monotonic() - begin >= 0.2

    assert between(Plan(act="delay", picked=(0,), for_s=0.2), script)["did"] == 1


def test_freeze_stops_both_ways_and_is_written_down() -> None:
    async def script(client: Streams, broker: Streams, middleman: Middleman) -> None:
        await confirming(client, broker)
        client[1].write(publish(0))
        await broker[0].readexactly(len(publish(0)))
        begin = time.monotonic()
        broker[1].write(ack(1))
        client[1].write(publish(1))
        assert await client[0].readexactly(len(ack(1))) == ack(1)
        assert await broker[0].readexactly(len(publish(1))) == publish(1)
        assert time.monotonic() - begin >= 0.15

    report = between(Plan(act="freeze", for_s=0.2), script)
    assert report["did"] == 1
    (confirm_us,) = report["confirm_us"]
    assert 150_000 <= confirm_us < WAIT_S * 1e6


def test_cut_ends_the_connection_after_the_last_other_answer() -> None:
    async def script(client: Streams, broker: Streams, middleman: Middleman) -> None:
        await confirming(client, broker)
        client[1].write(publish(0) + publish(1))
        await broker[0].readexactly(len(publish(0) * 2))
        broker[1].write(ack(1) + ack(2))
        assert await client[0].read() == ack(1)
        client[1].close()

    assert between(Plan(act="cut", picked=(1,)), script)["did"] == 1


def test_stream_that_is_no_amqp_is_told_in_the_report() -> None:
    async def script(client: Streams, broker: Streams, middleman: Middleman) -> None:
        client[1].write(bytes((1, 0, 1, 0, 0, 0, 4)) + b"abcde")
        assert await client[0].read() == b""

    (problem,) = between(Plan(act="clean"), script)["problems"]
    assert "a frame has no end" in problem


def test_client_that_leaves_without_a_word_is_no_problem() -> None:
    async def script(client: Streams, broker: Streams, middleman: Middleman) -> None:
        await confirming(client, broker)
        client[1].get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        client[1].transport.abort()
        assert await broker[0].read() == b""

    assert between(Plan(act="clean"), script)["problems"] == []


def test_broker_that_does_not_answer_is_told_in_the_report() -> None:
    async def scene() -> Mapping[str, Any]:
        post = Post(
            brokers=(Endpoint(name="b", host="127.0.0.1", port=1),), plan=Plan(act="clean"), host="127.0.0.1"
        )
        middleman = Middleman(post, act(post.plan))
        reader, writer = await asyncio.open_connection("127.0.0.1", await middleman.listen())
        assert await asyncio.wait_for(reader.read(), WAIT_S) == b""
        writer.close()
        await middleman.close()
        return middleman.report()

    (problem,) = asyncio.run(scene())["problems"]
    assert problem.startswith("127.0.0.1:1: ConnectionRefusedError")


def test_it_stands_until_its_input_ends_and_then_reports() -> None:
    said: list[Mapping[str, Any]] = []
    read_end, write_end = os.pipe()
    post = Post(brokers=(), plan=Plan(act="clean"), host="127.0.0.1")

    def say(event: Mapping[str, Any]) -> None:
        said.append(event)
        if event["type"] == "listening":
            os.close(write_end)

    asyncio.run(asyncio.wait_for(stand(post, say=say, input_fd=read_end), WAIT_S))
    os.close(read_end)
    assert [each["type"] for each in said] == ["listening", "report"]


def test_post_crosses_the_pipe_unchanged() -> None:
    post = Post(
        brokers=(Endpoint(name="a", host="b", port=5671),), plan=Plan(act="lose", picked=(1, 2), for_s=0.5),
        port=5671, certificate="PEM", key="s3cret", ca="CA",
    )  # fmt: skip
    assert read_post(json.dumps(dataclasses.asdict(post))) == post
    assert "s3cret" not in repr(post)


def test_unknown_act_is_refused_by_name() -> None:
    with pytest.raises(BadInputError, match="'misbehave'"):
        act(Plan(act="misbehave"))


PLACE = Place(docker="docker", image="warren/warren:1", network="net", cluster="net")


def test_container_is_hardened_and_told_nothing_by_argument() -> None:
    argv = " ".join(command(PLACE, "net-middleman-1"))
    for option in ("--read-only", "--cap-drop ALL", "no-new-privileges", "--memory", "--pids-limit", "--rm"):
        assert option in argv
    assert argv.endswith("--entrypoint python3 warren/warren:1 -m loadgen.selftest")
    assert "warren.role=middleman" in argv


class Child:
    """A container that has said what it has to say."""

    def __init__(self, said: bytes) -> None:
        read_end, write_end = os.pipe()
        os.write(write_end, said)
        os.close(write_end)
        self.stdout: Any = os.fdopen(read_end, "rb")
        self.stdin: Any = io.BytesIO()

    def wait(self, timeout: float | None = None) -> int:
        return 0

    def kill(self) -> None: ...


def test_report_is_read_whatever_else_is_said() -> None:
    child = Child(b'{"type":"listening","port":1}\nplain words\n[1]\n{"type":"report","did":3}\n')
    box = Box(Endpoint(name="m", host="m", port=1), child)
    box.wait_listening()
    assert box.report()["did"] == 3
    assert child.stdin.closed


def test_middleman_that_ends_without_a_report_is_an_error_with_its_last_words() -> None:
    box = Box(Endpoint(name="m", host="m", port=1), Child(b"Traceback\nOSError: no room\n"))
    with pytest.raises(DeadlineError, match="OSError: no room"):
        box.wait_listening()


def test_certificate_and_container_go_when_the_middleman_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = SimpleNamespace(certificate=tmp_path / "m.pem", key=tmp_path / "m.key")
    made: list[tuple[str, ...]] = []

    def ensure_leaf(_authority: str, _name: str, *, hosts: tuple[str, ...], purpose: str) -> Any:
        made.append((*hosts, purpose))
        pair.certificate.write_text("CERTIFICATE")
        pair.key.write_text("KEY")
        return pair

    (tmp_path / "ca.pem").write_text("CA")
    lines: list[list[str]] = []
    context: Any = SimpleNamespace(
        topology=SimpleNamespace(
            ports=SimpleNamespace(amqps=5671), nodes=(SimpleNamespace(name="rmq1"),),
            tls=SimpleNamespace(client_certificate="optional"),
        ),
        pki=SimpleNamespace(ensure_leaf=ensure_leaf), cluster_ca=tmp_path / "ca.pem",
        run=lambda argv, **_: lines.append(argv),
    )  # fmt: skip
    child = Child(b'{"type":"listening","port":5671}\n')

    def starter(argv: Sequence[str]) -> Any:
        return child

    with boxes.standing(context, PLACE, Plan(act="lose"), starter=starter) as box:
        assert made == [(box.endpoint.host, "server")]
        post = read_post(child.stdin.getvalue().decode())
        assert (post.certificate, post.key, post.ca) == ("CERTIFICATE", "KEY", "CA")
    assert lines == [["docker", "rm", "--force", box.endpoint.host]]
    assert not pair.certificate.exists()
    assert not pair.key.exists()
