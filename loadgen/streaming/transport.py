"""The one adapter over rstream 1.1.1: its frames, its handshake and its requests, on a connection of our own.

rstream's `Producer` and `Consumer` are not used. They reconnect by themselves, to the address that they were
given first; they give each chunk's credit back before its messages are handled; and they settle what is
unconfirmed when a connection breaks. Here a lost connection is evidence, and the worker decides when evidence
is written, what is published again and where to connect next. Below them, `Client` reads 256 bytes at a time,
takes no notice of a peer that has fallen silent, trips over the broker's own Close, and decodes each
confirmed number by itself. These few methods are overridden; `RSTREAM_INTERNALS` names what that leans on,
and a test checks each by name (docs/adr/0012-streams-over-rstream.md). Protocol:
https://github.com/rabbitmq/rabbitmq-server/blob/main/deps/rabbitmq_stream/docs/PROTOCOL.adoc
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
import time
from collections.abc import Awaitable, Sequence
from typing import Any

from rstream import exceptions, schema
from rstream.client import Client
from rstream.connection import Connection as PlainConnection
from rstream.connection import ConnectionClosed
from rstream.constants import OffsetType
from rstream.encoding import decode_frame, encode_frame, encode_publish

from loadgen.streaming.hearing import OK, Chunk, Hearing, LinkError, NoOffsetError, Place
from warren.connection import Credentials, Endpoint

#: Every attribute of rstream's inside that this module overrides, calls or sets: (owner, attribute).
RSTREAM_INTERNALS: tuple[tuple[type, str], ...] = (
    (PlainConnection, "_read"),
    (PlainConnection, "_read_frame_raw"),
    (Client, "_listener"),
    (Client, "_start_heartbeat"),
    (Client, "start_task"),
)
#: The same for what rstream sets on each instance: (owner, attribute that its ``__init__`` sets).
RSTREAM_ATTRIBUTES: tuple[tuple[type, str], ...] = (
    (PlainConnection, "_buffer"),
    (PlainConnection, "_reader"),
    (PlainConnection, "_writer"),
    (Client, "_conn"),
    (Client, "_frame_max"),
    (Client, "_heartbeat"),
    (Client, "_is_not_closed"),
    (Client, "_tasks"),
    (Client, "_waiters"),
)

#: One read takes at most this.
_RECV_BYTES = 256 * 1024
_FRAME_MAX = 1024 * 1024
_CONNECT_TIMEOUT_S = 3.0
#: A handshake, and every other request: a node that is paused answers none.
_REQUEST_TIMEOUT_S, _CLOSE_TIMEOUT_S = 5.0, 2.0
#: One publisher and one subscription a connection.
_ID = 0
_CONFIRM_KEY = struct.pack(">HH", 3, 1)
#: A Publish frame without messages, and a message without its body.
_PUBLISH_BYTES, _MESSAGE_BYTES = 13, 12
_PLACES = {
    "first": OffsetType.FIRST,
    "last": OffsetType.LAST,
    "next": OffsetType.NEXT,
    "offset": OffsetType.OFFSET,
    "timestamp": OffsetType.TIMESTAMP,
}


class _Wire(PlainConnection):
    """Reads in large pieces, confirms many at once, and checks the certificate for the node's name."""

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None, hearing: Hearing) -> None:
        super().__init__(endpoint.host, endpoint.port, tls)
        self._name = endpoint.name if tls is not None else None
        self._hearing = hearing
        self.heard_ns = time.monotonic_ns()

    async def open(self) -> None:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            self._reader, self._writer = await asyncio.open_connection(
                self.host, self.port, ssl=self._ssl_context, server_hostname=self._name, limit=_RECV_BYTES
            )

    async def _read(self, n: int) -> bytearray:
        assert self._reader is not None  # noqa: S101 - it is read from once it is open
        while len(self._buffer) < n:
            data = await self._reader.read(_RECV_BYTES)
            if not data:
                raise ConnectionClosed
            self.heard_ns = time.monotonic_ns()
            self._buffer += data
        piece = self._buffer[:n]
        del self._buffer[:n]
        return piece

    async def read_frame(self) -> schema.Frame:
        while True:
            raw = await self._read_frame_raw()
            if not raw.startswith(_CONFIRM_KEY):
                return decode_frame(bytes(raw))
            count = int.from_bytes(raw[5:9], "big")
            self._hearing.answers(struct.unpack_from(f">{count}Q", raw, 9), OK)

    def write(self, data: bytes) -> None:
        if self._writer is not None:
            self._writer.write(data)

    def unsent_bytes(self) -> int:
        return 0 if self._writer is None else self._writer.transport.get_write_buffer_size()

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


class _Client(Client):
    """Tells of frames as they come and of its end, whatever ends it."""

    def __init__(
        self, endpoint: Endpoint, tls: ssl.SSLContext | None, name: str, heartbeat_s: int, hearing: Hearing
    ) -> None:
        super().__init__(
            endpoint.host,
            endpoint.port,
            ssl_context=tls,
            frame_max=_FRAME_MAX,
            heartbeat=heartbeat_s,
            connection_name=name,
        )
        self._hearing = hearing
        self.wire = _Wire(endpoint, tls, hearing)
        self._conn = self.wire
        #: Why there is no more connection, once there is none.
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def start(self) -> None:
        await self.wire.open()
        self.start_task("listener", self._listener())

    async def _listener(self) -> None:
        try:
            while self._is_not_closed:
                self._take(await self.wire.read_frame())
        except ConnectionClosed:
            self.ended("closed by the broker")
        except (OSError, ValueError, LinkError) as error:
            self.ended(describe(error))

    def _take(self, frame: schema.Frame) -> None:
        waiter = self._waiters.get((frame.key, frame.corr_id))
        hearing = self._hearing
        if waiter is not None:
            if not waiter.done():
                waiter.set_result(frame)
        elif isinstance(frame, schema.Deliver):
            hearing.chunk(Chunk(frame.chunk_first_offset, frame.get_messages()))
        elif isinstance(frame, schema.PublishError):
            for each in frame.errors:
                hearing.answers((each.publishing_id,), each.response_code)
        elif isinstance(frame, schema.ConsumerUpdateResponse):
            hearing.active(frame.correlation_id, bool(frame.active))
        elif isinstance(frame, schema.MetadataUpdate):
            raise LinkError(f"the stream has moved or is gone (code {frame.metadata_info.code})")
        elif isinstance(frame, schema.Close):
            raise LinkError(f"closed by the broker: {frame.code} {frame.reason}")

    def _start_heartbeat(self) -> None:
        if self._heartbeat and self._is_not_closed:
            asyncio.get_running_loop().call_later(self._heartbeat, self._beat)

    def _beat(self) -> None:
        """Show that this side is there, and give a peer up that has been silent for two heartbeats."""
        silent_s = (time.monotonic_ns() - self.wire.heard_ns) / 1e9
        if silent_s > 2 * self._heartbeat:
            self.ended(f"nothing was heard for {silent_s:.0f} s")
        elif self._is_not_closed:
            self.wire.write(encode_frame(schema.Heartbeat()))
            self._start_heartbeat()

    def ended(self, what: str) -> None:
        """Let go of the connection, and of whoever waits for an answer on it."""
        if not self._is_not_closed:
            return
        self._is_not_closed = False
        for waiter in list(self._waiters.values()):
            if not waiter.done():
                waiter.set_exception(LinkError(what))
                waiter.exception()  # rstream waits for Tune only after another answer, or never
        self.wire.abort()
        for task in self._tasks.values():
            if task is not asyncio.current_task():
                task.cancel()
        if not self.over.done():
            self.over.set_result(what)


class Connection:
    """An open connection for one publisher or one subscription. What is queued leaves with `flush`."""

    def __init__(self, client: Any) -> None:
        """Use `connect`; tests give a client of their own."""
        self._client = client
        self._pending: list[bytes] = []

    @property
    def over(self) -> asyncio.Future[str]:
        """Why the connection has ended, once it has."""
        found: asyncio.Future[str] = self._client.over
        return found

    async def leader(self, stream: str) -> str:
        """The host name of the node whose member leads ``stream``, as that node says it."""
        found, _ = await _asked(self._client.query_leader_and_replicas(stream))
        return str(found.host)

    async def declare_publisher(self, stream: str, name: str) -> None:
        """Publish to ``stream`` from now on; what ``name`` has published already is not stored again."""
        await _asked(self._client.declare_publisher(stream, name, _ID))

    async def last_published(self, stream: str, name: str) -> int:
        """The highest publishing id of ``name`` that is stored; 0 where there is none."""
        return int(await _asked(self._client.query_publisher_sequence(stream, name)))

    def publish(self, messages: Sequence[tuple[int, bytes]]) -> None:
        """Queue (publishing id, message) in as many frames as their size asks for."""
        batch: list[schema.Message] = []
        size = _PUBLISH_BYTES
        for number, data in messages:
            if batch and size + len(data) + _MESSAGE_BYTES > self._client.frame_max:
                self._pending.append(encode_publish(schema.Publish(_ID, batch)))
                batch, size = [], _PUBLISH_BYTES
            batch.append(schema.Message(number, None, data))
            size += len(data) + _MESSAGE_BYTES
        if batch:
            self._pending.append(encode_publish(schema.Publish(_ID, batch)))

    async def subscribe(self, stream: str, place: Place, credit: int, properties: dict[str, str]) -> None:
        """Get ``credit`` chunks of ``stream``, and then one for each that is given back."""
        kind, number = place
        spec = schema.OffsetSpec.from_params(
            _PLACES[kind], number if kind in ("offset", "timestamp") else None
        )
        await _asked(self._client.subscribe(stream, _ID, spec, credit, properties))

    def credit(self, chunks: int) -> None:
        """Queue leave for ``chunks`` more."""
        self._pending.append(encode_frame(schema.Credit(_ID, chunks)))

    def store_offset(self, stream: str, name: str, offset: int) -> None:
        """Queue that ``name`` has come to ``offset``; the broker answers nothing."""
        self._pending.append(encode_frame(schema.StoreOffset(name, stream, offset)))

    async def query_offset(self, stream: str, name: str) -> int | None:
        """The offset that was stored for ``name`` last."""
        try:
            return int(await _asked(self._client.query_offset(stream, name)))
        except NoOffsetError:
            return None

    def answer_active(self, correlation: int, place: Place) -> None:
        """Queue the answer to the broker's word on who is active: where to begin."""
        kind, number = place
        spec = schema.OffsetSpecification(int(_PLACES[kind]), number)
        self._pending.append(encode_frame(schema.ConsumerUpdateServerResponse(correlation, OK, spec)))

    def unsent_bytes(self) -> int:
        """What waits for the socket to take it."""
        return int(self._client.wire.unsent_bytes())

    def flush(self) -> None:
        """Hand everything queued in this turn to the socket as one write."""
        if self._pending:
            joined = b"".join(self._pending)
            self._pending.clear()
            if self._client.is_connection_alive():
                self._client.wire.write(joined)

    def abort(self) -> None:
        """Break the connection off as a fault would: what the broker has sent and nobody has read is gone."""
        self._client.ended("reconnecting as planned")

    async def close(self) -> None:
        """Say goodbye and end; nobody is told."""
        self.flush()
        with contextlib.suppress(LinkError, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await _asked(self._client.sync_request(_goodbye(), schema.CloseResponse))
        self._client.ended("closed")


async def connect(
    endpoint: Endpoint,
    *,
    vhost: str,
    credentials: Credentials,
    tls: ssl.SSLContext | None,
    name: str,
    heartbeat_s: int,
    hearing: Hearing,
) -> Connection:
    """Connect to ``endpoint`` and log in. Raises LinkError, in words."""
    client = _Client(endpoint, tls, name, heartbeat_s, hearing)
    try:
        await _asked(client.start())
        await _asked(client.authenticate(vhost, credentials.username, credentials.password))
    except LinkError as error:
        client.ended(str(error))
        raise
    return Connection(client)


_REFUSALS = (
    exceptions.AuthenticationFailure,
    exceptions.SASLAuthenticationFailureLoopback,
    exceptions.VirtualHostAccessFailure,
    exceptions.AccessRefused,
    ssl.SSLCertVerificationError,
)


async def _asked(request: Awaitable[Any]) -> Any:
    """The answer to a request, within its time. Raises LinkError for whatever goes wrong."""
    try:
        async with asyncio.timeout(_REQUEST_TIMEOUT_S):
            return await request
    except exceptions.OffsetNotFound as error:
        raise NoOffsetError("no offset is stored") from error
    except LinkError:
        raise
    except (OSError, ValueError, AssertionError, exceptions.ServerError, exceptions.ClientError) as error:
        raise LinkError(describe(error), refusal=isinstance(error, _REFUSALS)) from error


def _goodbye() -> schema.Close:
    return schema.Close(correlation_id=_LAST_REQUEST, code=1, reason="done")


_LAST_REQUEST = (1 << 32) - 1


def describe(error: BaseException) -> str:
    """One line for a lost or refused connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = getattr(error, "verify_message", "") or error
        return f"TLS: the server's certificate is not accepted: {why}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, LinkError):
        return str(error)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, exceptions.ServerError):
        return f"the broker refuses: {type(error).__name__} ({error.code})"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
