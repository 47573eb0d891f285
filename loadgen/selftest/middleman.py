"""The middleman as a process: TLS to the clients, verified TLS to the brokers, an act in between.

It takes its `Post` on standard input, says ``listening`` and at the end its report on standard output, and
ends when its input does, so that it never outlives the one who started it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadgen.selftest.act import Honest, Plan
from loadgen.selftest.acts import act
from loadgen.selftest.passage import Passage
from warren.connection import Endpoint, TlsMaterial, tls_context

_CONNECT_S, _CLOSE_S = 5.0, 2.0
#: However the one who started it ends, it is gone after this.
_LIFE_S = 900.0
_READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Where a middleman stands. PEM texts: its own ``certificate`` and ``key``; ``ca`` verifies the brokers,
    ``client`` (certificate and key) is shown to brokers that ask for one. Without ``certificate`` and ``ca``
    it speaks plain AMQP."""

    brokers: tuple[Endpoint, ...]
    plan: Plan
    host: str = ""
    port: int = 0
    certificate: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    ca: str | None = None
    client: str | None = field(default=None, repr=False)


class Middleman:
    """Accepts connections and passes each on to a broker, the brokers in turn."""

    def __init__(self, post: Post, act: Honest, *, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._post = post
        self._act = act
        self._clock_ns = clock_ns
        self._upstream = _client_tls(post)
        self._accepted = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._served: set[asyncio.Task[None]] = set()
        self.problems: list[str] = []

    async def listen(self) -> int:
        """Begin to accept; returns the port."""
        post = self._post
        self._server = await asyncio.start_server(
            self._serve, post.host or None, post.port, ssl=_server_tls(post)
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Accept no more and end every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._served:
            task.cancel()
        if self._served:
            await asyncio.wait(self._served, timeout=_CLOSE_S)

    def report(self) -> dict[str, Any]:
        """The act's own account, and what went wrong with connections."""
        return {**self._act.report(), "connections": self._accepted, "problems": self.problems}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this as a task
        self._served.add(task)
        task.add_done_callback(self._served.discard)
        broker = self._post.brokers[self._accepted % len(self._post.brokers)]
        self._accepted += 1
        try:
            await self._connect(broker, reader, writer)
        except (OSError, TimeoutError) as error:
            self.problems.append(f"{broker}: {type(error).__name__}: {error}")
        except Exception as error:  # what is no AMQP, or a fault of ours: told at the end, never swallowed
            self.problems.append(f"{type(error).__name__}: {error}")
        finally:
            writer.close()

    async def _connect(
        self, broker: Endpoint, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        name = broker.name if self._upstream is not None else None
        opening = asyncio.open_connection(broker.host, broker.port, ssl=self._upstream, server_hostname=name)
        far_reader, far_writer = await asyncio.wait_for(opening, _CONNECT_S)
        passage = Passage(self._act, self._clock_ns)
        flow = _Flow(passage=passage, client=writer, broker=far_writer)
        pumps = [
            asyncio.ensure_future(self._pump(reader, passage.from_client, flow)),
            asyncio.ensure_future(self._pump(far_reader, passage.from_broker, flow)),
        ]
        try:
            # What one side said last still reaches the other: it was written before its pump ended.
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            for each in pumps:
                each.cancel()
            await asyncio.wait(pumps)
            far_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, take: Callable[[bytes], None], flow: _Flow) -> None:
        passage = flow.passage
        while not passage.over:
            try:
                data = await reader.read(_READ_BYTES)
            except (ConnectionError, ssl.SSLError):  # some leave without a word: PerfTest does
                return
            if not data:
                return
            await self._flowing.wait()
            take(data)
            pause_s, passage.pause_s = passage.pause_s, 0.0
            freeze_s, passage.freeze_s = passage.freeze_s, 0.0
            if freeze_s:
                self._freeze(freeze_s)
            if pause_s:
                held = flow.take()
                await _rest(pause_s)
                flow.give(held)
            await flow.write()

    def _freeze(self, seconds: float) -> None:
        self._flowing.clear()
        asyncio.get_running_loop().call_later(seconds, self._flowing.set)


@dataclass(slots=True)
class _Flow:
    """Both ends of a passage, written to in the order in which its bytes were made."""

    passage: Passage
    client: asyncio.StreamWriter
    broker: asyncio.StreamWriter

    def take(self) -> tuple[bytes, bytes]:
        held = bytes(self.passage.to_client), bytes(self.passage.to_broker)
        self.passage.to_client.clear()
        self.passage.to_broker.clear()
        return held

    def give(self, held: tuple[bytes, bytes]) -> None:
        self.client.write(held[0])
        self.broker.write(held[1])

    async def write(self) -> None:
        self.give(self.take())
        await self.client.drain()
        await self.broker.drain()


async def _rest(seconds: float) -> None:
    """Let others work for as long."""
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


def _server_tls(post: Post) -> ssl.SSLContext | None:
    if post.certificate is None or post.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL reads a certificate chain from a file only.
    with tempfile.TemporaryDirectory(prefix="warren-middleman-") as folder:
        path = Path(folder) / "pair.pem"
        path.touch(mode=0o600)
        path.write_text(post.certificate + post.key, encoding="utf-8")
        context.load_cert_chain(path)
    return context


def _client_tls(post: Post) -> ssl.SSLContext | None:
    if post.ca is None:
        return None
    return tls_context(TlsMaterial(ca_pem=post.ca, client_pem=post.client))


async def stand(post: Post, *, say: Callable[[Mapping[str, Any]], None], input_fd: int = 0) -> None:
    """Stand between until ``input_fd`` ends; says ``listening`` first and the report last."""
    middleman = Middleman(post, act(post.plan))
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(input_fd, ended.set)
    say({"type": "listening", "port": await middleman.listen()})
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), _LIFE_S)
    finally:
        loop.remove_reader(input_fd)
        await middleman.close()
    say({"type": "report", **middleman.report()})


def read_post(text: str) -> Post:
    """A `Post` back from JSON."""
    raw = json.loads(text)
    plan = {**raw["plan"], "picked": tuple(raw["plan"]["picked"])}
    brokers = tuple(Endpoint(**each) for each in raw["brokers"])
    return Post(**{**raw, "plan": Plan(**plan), "brokers": brokers})
