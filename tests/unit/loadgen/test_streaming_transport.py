"""The adapter over rstream: what it leans on, its frames, and how a connection ends."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from typing import Any

import pytest
from rstream import exceptions, schema
from rstream.encoding import decode_frame, encode_frame

from loadgen.streaming import section, transport
from loadgen.streaming.hearing import Chunk, Hearing, LinkError
from warren.connection import Endpoint

HERE = Endpoint(name="rmq1", host="127.0.0.1", port=5551)


def client(hearing: Hearing | None = None, **changes: Any) -> Any:
    values = {"tls": None, "name": "c", "heartbeat_s": 5, "hearing": hearing or Hearing(), **changes}
    return transport._Client(HERE, **values)


@pytest.mark.parametrize(("owner", "name"), transport.RSTREAM_INTERNALS)
def test_rstream_still_has_what_the_adapter_leans_on(owner: type, name: str) -> None:
    assert hasattr(owner, name)


def test_rstream_still_sets_what_the_adapter_reads() -> None:
    async def look() -> None:
        made = client()
        owners = {transport.Client: made, transport.PlainConnection: made.wire}
        for owner, name in transport.RSTREAM_ATTRIBUTES:
            assert hasattr(owners[owner], name), name

    asyncio.run(look())


# --- what goes out


class Sink:
    """A client that is open and keeps what is written."""

    frame_max = 200

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.alive = True
        self.wire = self

    def is_connection_alive(self) -> bool:
        return self.alive

    def write(self, data: bytes) -> None:
        self.written.append(data)


def frames(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = int.from_bytes(data[:4], "big")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


def test_turn_leaves_as_one_write_in_frames_that_the_broker_takes() -> None:
    sink = Sink()
    connection = transport.Connection(sink)
    connection.publish([(number, b"x" * 50) for number in range(5)])
    connection.credit(2)
    connection.flush()
    connection.flush()
    assert len(sink.written) == 1
    sent = frames(sink.written[0])
    assert all(len(each) + 4 <= Sink.frame_max for each in sent)
    counts = [int.from_bytes(each[5:9], "big") for each in sent[:-1]]
    assert sum(counts) == 5
    assert len(counts) == 2
    assert int.from_bytes(sent[0][9:17], "big") == 0
    assert decode_frame(sent[-1]) == schema.Credit(0, 2)


def test_nothing_is_written_to_a_connection_that_is_gone() -> None:
    sink = Sink()
    sink.alive = False
    connection = transport.Connection(sink)
    connection.credit(1)
    connection.flush()
    assert sink.written == []


# --- what comes in


def fed(data: bytes) -> Any:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


def test_confirms_are_told_without_a_frame_and_other_frames_are_rstreams() -> None:
    answers: list[Any] = []
    confirm = encode_frame(schema.PublishConfirm(0, [3, 4, 1 << 40]))
    data = confirm + encode_frame(schema.Heartbeat())

    async def read() -> Any:
        made = client(Hearing(answers=lambda ids, code: answers.append((tuple(ids), code))))
        made.wire._reader = fed(data)
        return await made.wire.read_frame()

    assert isinstance(asyncio.run(read()), schema.Heartbeat)
    assert answers == [((3, 4, 1 << 40), 1)]


def test_end_of_the_connection_is_told_once_and_nobody_waits_on() -> None:
    async def end() -> tuple[str, BaseException | None]:
        made = client()
        made.wire._reader = fed(b"")
        waiting = asyncio.ensure_future(transport._asked(made.sync_request(schema.Heartbeat(), schema.Tune)))
        made.send_frame = _nothing
        await asyncio.wait((waiting,), timeout=0)
        await made._listener()
        made.ended("again")
        await asyncio.wait((waiting,), timeout=1)
        return made.over.result(), waiting.exception()

    what, error = asyncio.run(end())
    assert what == "closed by the broker"
    assert isinstance(error, LinkError)


async def _nothing(*_: Any) -> None:
    return None


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        (schema.Close(1, 320, "shutdown"), "closed by the broker: 320 shutdown"),
        (schema.MetadataUpdate(schema.MetadataInfo(6, "s")), "the stream has moved or is gone (code 6)"),
    ],
)
def test_broker_that_lets_go_ends_the_connection(frame: Any, what: str) -> None:
    async def end() -> str:
        made = client()
        made.wire._reader = fed(encode_frame(frame))
        await made._listener()
        return str(made.over.result())

    assert asyncio.run(end()) == what


def test_frames_reach_whoever_they_are_for() -> None:
    told: list[Any] = []
    hearing = Hearing(
        answers=lambda ids, code: told.append((tuple(ids), code)),
        active=lambda correlation, active: told.append((correlation, active)),
    )

    async def take() -> None:
        made = client(hearing)
        made._take(schema.PublishError(0, [schema.PublishingError(7, 18)]))
        made._take(schema.ConsumerUpdateResponse(5, 0, 1))

    asyncio.run(take())
    assert told == [((7,), 18), (5, True)]


def test_chunk_has_its_first_offset_and_its_messages() -> None:
    import zlib  # noqa: PLC0415

    entries = b"".join(len(each).to_bytes(4, "big") + each for each in (b"one", b"three"))
    frame = schema.Deliver(0, 80, 0, 2, 2, 0, 1, 40, zlib.crc32(entries), len(entries), 0, 0, entries)
    told: list[Chunk] = []

    async def take() -> None:
        client(Hearing(chunk=told.append))._take(frame)

    asyncio.run(take())
    assert told == [Chunk(40, [b"one", b"three"])]


def test_silent_peer_is_given_up_after_two_heartbeats() -> None:
    async def beat(silent_s: float) -> tuple[bool, int]:
        made = client(heartbeat_s=1)
        written: list[bytes] = []
        made.wire.write = written.append
        made.wire.heard_ns -= int(silent_s * 1e9)
        made._beat()
        return made.over.done(), len(written)

    assert asyncio.run(beat(1.9)) == (False, 1)
    assert asyncio.run(beat(2.1)) == (True, 0)


# --- errors in words


@pytest.mark.parametrize(
    ("error", "refusal", "words"),
    [
        (exceptions.AuthenticationFailure(), True, "AuthenticationFailure (8)"),
        (exceptions.VirtualHostAccessFailure(), True, "VirtualHostAccessFailure"),
        (exceptions.StreamNotAvailable(), False, "StreamNotAvailable (6)"),
        (ssl.SSLCertVerificationError("bad"), True, "TLS: the server's certificate is not accepted"),
        (TimeoutError(), False, "no answer in time"),
        (ConnectionRefusedError(111, "refused"), False, "ConnectionRefusedError"),
    ],
)
def test_errors_become_one_kind_in_words(error: Exception, refusal: bool, words: str) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(LinkError) as raised:
        asyncio.run(transport._asked(fail()))
    assert words in str(raised.value)
    assert raised.value.refusal is refusal


def test_offset_that_is_not_stored_is_none() -> None:
    class Asked:
        async def query_offset(self, stream: str, name: str) -> int:
            raise exceptions.OffsetNotFound

    assert asyncio.run(transport.Connection(Asked()).query_offset("s", "n")) is None


# --- the envelope


def test_body_stands_in_a_data_section() -> None:
    assert section.body_of(section.opening(5) + b"hello") == b"hello"
    assert section.body_of(section.opening(300) + b"x" * 300) == b"x" * 300


def test_sections_that_amqp_clients_add_are_passed_over() -> None:
    header = b"\x00\x53\x70\xc0\x02\x01\x41"
    annotations = b"\x00\x53\x72\xd1\x00\x00\x00\x05\x00\x00\x00\x00\xff"
    empty = b"\x00\x53\x73\x45"
    data = b"\x00\x53\x75\xa0\x05hello"
    assert section.body_of(header + annotations + empty + data) == b"hello"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"hello",
        b"\x00\x53\x75",
        b"\x00\x53\x75\xa0\x05hell",
        b"\x00\x53\x75\xa0\x04hello",
        b"\x00\x53\x77\xa1\x05hello",
        b"\x00\x53\x70\xa1\x02xx",
        section.opening(5) + b"hello" + section.opening(1) + b"x",
    ],
)
def test_what_is_no_single_data_section_is_not_read(message: bytes) -> None:
    assert section.body_of(message) is None


# --- what a worker loads


@pytest.mark.parametrize(
    ("module", "absent"), [("loadgen.streaming.reader", "pika"), ("loadgen.amqp", "rstream")]
)
def test_worker_loads_the_library_of_its_own_protocol_only(module: str, absent: str) -> None:
    code = f"import sys, loadgen.__main__, {module}; sys.exit({absent!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == 0
