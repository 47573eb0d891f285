"""The adapter over pika: its frames are pika's frames, and what it leans on inside pika is still there."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import pika
import pytest
from pika import frame, spec

from loadgen import loop, transport, wire

PROPERTIES = spec.BasicProperties(delivery_mode=2, priority=9, headers={"a": 1})


def template(body_size: int, frame_max: int = 131072) -> wire.Template:
    return wire.Template(
        channel=3,
        frame_max=frame_max,
        exchange="orders",
        routing_key="order.created",
        properties=PROPERTIES,
        mandatory=True,
        body_size=body_size,
    )


def by_pika(body: bytes, frame_max: int = 131072) -> bytes:
    """What pika itself would send."""
    method = spec.Basic.Publish(exchange="orders", routing_key="order.created", mandatory=True)
    parts = [frame.Method(3, method).marshal(), frame.Header(3, len(body), PROPERTIES).marshal()]
    room = frame_max - 8
    parts += [frame.Body(3, body[at : at + room]).marshal() for at in range(0, len(body), room)]
    return b"".join(parts)


@pytest.mark.parametrize(("owner", "name"), [*transport.PIKA_INTERNALS, *loop.PIKA_INTERNALS])
def test_pikas_inside_still_has(owner: type, name: str) -> None:
    assert hasattr(owner, name), (
        f"pika changed: {owner.__name__}.{name} is gone; see loadgen/transport.py, loop.py"
    )


@pytest.mark.parametrize(("owner", "name"), [*transport.PIKA_ATTRIBUTES, *loop.PIKA_ATTRIBUTES])
def test_pika_still_sets(owner: type, name: str) -> None:
    made = owner.__init__.__code__.co_names  # type: ignore[misc]
    assert name in made, f"pika changed: {owner.__name__} sets no {name}; see loadgen/transport.py, loop.py"


def test_pika_is_the_version_that_this_was_written_for() -> None:
    assert pika.__version__ == "1.4.4"


@pytest.mark.parametrize("size", [32, 200, 4096, 131064])
def test_publish_is_byte_for_byte_pikas(size: int) -> None:
    body = bytes(range(32)) + b"." * (size - 32)
    assert template(size).frames(body[:32], body[32:]) == by_pika(body)


@pytest.mark.parametrize("size", [4089, 9000, 12264])
def test_large_body_is_split_at_the_frame_size(size: int) -> None:
    body = bytes(index % 251 for index in range(size))
    assert template(size, 4096).frames(body[:32], body[32:]) == by_pika(body, 4096)


def test_settling_frames_are_byte_for_byte_pikas() -> None:
    assert wire.ack(3, 77, multiple=True) == frame.Method(3, spec.Basic.Ack(77, True)).marshal()
    assert wire.ack(3, 77, multiple=False) == frame.Method(3, spec.Basic.Ack(77, False)).marshal()
    assert wire.reject(3, 78, requeue=False) == frame.Method(3, spec.Basic.Reject(78, False)).marshal()
    assert wire.reject(3, 78, requeue=True) == frame.Method(3, spec.Basic.Reject(78, True)).marshal()


def delivered(tag: int, body: bytes, *, redelivered: bool = False, frame_max: int = 131072) -> bytes:
    method = spec.Basic.Deliver("worker-0", tag, redelivered, "orders", "order.created")
    parts = [frame.Method(3, method).marshal(), frame.Header(3, len(body), PROPERTIES).marshal()]
    room = frame_max - 8
    parts += [frame.Body(3, body[at : at + room]).marshal() for at in range(0, len(body), room)]
    return b"".join(parts)


class Wire:
    """A connection that was never opened, fed by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(transport.SelectConnection, "__init__", _nothing)
        self.connection = transport.Connection(
            pika.ConnectionParameters(),
            loop=None,
            on_open=_nothing,
            on_open_error=_nothing,
            on_close=_nothing,  # type: ignore[arg-type]
        )
        self.connection.bytes_received = self.connection.bytes_sent = self.connection.frames_sent = 0
        self.connection._transport = self
        self.connection._nbio = self
        self.hurries = 0
        self.deliveries: list[wire.Delivery] = []
        self.confirms: list[tuple[int, bool, bool]] = []
        self.others: list[Any] = []
        self.writes: list[bytes] = []
        self.handed_over: list[bytes] = []
        self.takes: list[int | Exception] = []
        self.connection.on_delivery = self.deliveries.append
        self.connection.on_confirm = lambda *confirm: self.confirms.append(confirm)
        self.connection._process_frame = self.others.append

    # What the connection asks of its loop.

    def get_native_ioloop(self) -> Wire:
        return self

    def hurry(self) -> None:
        self.hurries += 1

    # What the transport below offers: a socket, and pika's own buffer.

    _STATE_ACTIVE = _state = 1
    _ssl_writable_action: object = None
    buffered = 0

    @property
    def _sock(self) -> Wire:
        return self

    def send(self, data: memoryview) -> int:
        """Take what ``takes`` says next, everything where it says nothing."""
        size = self.takes.pop(0) if self.takes else len(data)
        if isinstance(size, Exception):
            raise size
        self.writes.append(bytes(data[:size]))
        return size

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def write(self, data: bytes) -> None:
        self.handed_over.append(data)


def _nothing(*_: Any, **__: Any) -> None:
    return None


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(monkeypatch)


def test_deliveries_are_read_however_the_stream_is_cut(line: Wire) -> None:
    stream = b"".join(delivered(tag, bytes([tag]) * (tag * 50), redelivered=tag % 2 == 0) for tag in range(6))
    for at in range(0, len(stream), 7):
        line.connection._on_data_available(stream[at : at + 7])
    assert [(each.tag, each.redelivered, each.body) for each in line.deliveries] == [
        (tag, tag % 2 == 0, bytes([tag]) * (tag * 50)) for tag in range(6)
    ]
    assert line.deliveries[3].headers() == {"a": 1}
    assert line.connection.bytes_received == len(stream)


def test_body_of_several_frames_is_put_together(line: Wire) -> None:
    body = bytes(index % 251 for index in range(10_000))
    stream = delivered(1, body, frame_max=4096)
    line.connection._on_data_available(stream[:5000])
    assert line.deliveries == []
    line.connection._on_data_available(stream[5000:])
    assert line.deliveries[0].body == body


def test_empty_body_does_not_swallow_the_frame_after_it(line: Wire) -> None:
    stream = delivered(1, b"") + frame.Heartbeat().marshal() + delivered(2, b"x")
    line.connection._on_data_available(stream)
    assert [(each.tag, each.body) for each in line.deliveries] == [(1, b""), (2, b"x")]
    assert len(line.others) == 1


def test_confirms_are_read_and_everything_else_is_pikas(line: Wire) -> None:
    methods = (spec.Basic.Ack(5, True), spec.Basic.Nack(6, False, False), spec.Basic.QosOk())
    stream = b"".join(frame.Method(3, method).marshal() for method in methods) + frame.Heartbeat().marshal()
    line.connection._on_data_available(stream)
    assert line.confirms == [(5, True, True), (6, False, False)]
    assert [type(getattr(other, "method", other)) for other in line.others] == [
        spec.Basic.QosOk,
        frame.Heartbeat,
    ]


def test_returned_message_goes_to_pika_whole(line: Wire) -> None:
    parts = [
        frame.Method(3, spec.Basic.Return(312, "NO_ROUTE", "orders", "x")).marshal(),
        frame.Header(3, 3, PROPERTIES).marshal(),
        frame.Body(3, b"abc").marshal(),
    ]
    line.connection._on_data_available(b"".join(parts))
    assert len(line.others) == 3


def test_frames_of_one_turn_leave_as_one_write(line: Wire) -> None:
    line.connection._output_marshaled_frames([b"one", b"two"])
    line.connection.queue(b"three")
    assert line.writes == []
    line.connection.flush()
    line.connection.flush()
    assert line.writes == [b"onetwothree"]
    assert line.handed_over == []
    assert line.connection.bytes_sent == 11


@pytest.mark.parametrize("full", [BlockingIOError(), ssl.SSLWantWriteError(), ssl.SSLWantReadError()])
def test_what_the_socket_does_not_take_is_left_to_pika(line: Wire, full: Exception) -> None:
    line.takes = [4, 2, full]
    line.connection.queue(b"onetwothree")
    line.connection.flush()
    assert line.writes == [b"onet", b"wo"]
    assert line.handed_over == [b"three"]
    assert line.hurries == 1


def test_nothing_overtakes_what_pika_has_buffered(line: Wire) -> None:
    line.buffered = 5
    line.connection.queue(b"later")
    line.connection.flush()
    line.buffered, line._ssl_writable_action = 0, object()
    line.connection.queue(b"still later")
    line.connection.flush()
    assert line.writes == []
    assert line.handed_over == [b"later", b"still later"]


def test_broken_socket_is_left_for_the_reader_to_find(line: Wire) -> None:
    line.takes = [ConnectionResetError()]
    line.connection.queue(b"lost")
    line.connection.flush()
    assert line.handed_over == []


class Line:
    """One end of a real pair of sockets under a connection; pika's abort is noted."""

    _STATE_ACTIVE = _state = 1
    _MAX_CONSUME_BYTES = 1 << 20
    _MAX_RECV_BYTES = 0

    def __init__(self, connection: transport.Connection) -> None:
        self._sock, self.broker = socket.socketpair()
        self._sock.setblocking(False)
        self.unsent = 0
        self.aborted: list[BaseException] = []
        self.preferred: list[int] = []
        self.hurries = 0
        self.budget = self
        self.sizes: list[int] = []
        connection._transport = self
        connection._nbio = self
        connection.read_in_large_pieces()

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def _initiate_abort(self, error: BaseException) -> None:
        self.aborted.append(error)

    # What the connection asks of its loop.

    def get_native_ioloop(self) -> Line:
        return self

    def prefer(self, fd: int, read: Any) -> None:
        self.preferred.append(fd)

    def read(self, size_bytes: int) -> None:
        self.sizes.append(size_bytes)

    def hurry(self) -> None:
        self.hurries += 1

    def close(self) -> None:
        self._sock.close()
        self.broker.close()


@pytest.fixture
def below(line: Wire) -> Iterator[Line]:
    found = Line(line.connection)
    yield found
    found.close()


def test_all_that_is_there_is_read_in_one_turn(line: Wire, below: Line) -> None:
    body = bytes(100_000)
    below.broker.sendall(delivered(1, body) + delivered(2, b"x"))
    assert line.connection.read_now() is True
    assert [(each.tag, each.body) for each in line.deliveries] == [(1, body), (2, b"x")]
    assert below.preferred == [below._sock.fileno()]
    assert below.hurries == 0
    assert below.sizes == [len(delivered(1, body) + delivered(2, b"x"))]


def test_one_turn_does_not_read_for_ever_and_the_next_does_not_rest(line: Wire, below: Line) -> None:
    """At 64 KiB a message a hundred turns a second of 100 KiB were all that a worker ever received."""
    below._MAX_CONSUME_BYTES = 1
    below.broker.sendall(delivered(1, bytes(100_000)))
    line.connection.read_now()
    assert line.deliveries == []
    assert below.hurries == 1
    line.connection.read_now()
    assert [each.tag for each in line.deliveries] == [1]
    assert below.hurries == 1


def test_nothing_to_read_is_no_fault(line: Wire, below: Line) -> None:
    assert line.connection.read_now() is True
    assert below.aborted == []


def test_end_of_the_stream_is_left_to_pika(line: Wire, below: Line) -> None:
    below.broker.close()
    assert line.connection.read_now() is False


def test_what_fails_while_reading_ends_the_connection_as_pika_would(line: Wire, below: Line) -> None:
    fault = RuntimeError("a message that cannot be")

    def fail(_delivery: wire.Delivery) -> None:
        raise fault

    line.connection.on_delivery = fail
    below.broker.sendall(delivered(1, b"x"))
    assert line.connection.read_now() is True
    assert below.aborted == [fault]


def test_connection_that_ends_or_waits_to_write_is_left_to_pika(line: Wire, below: Line) -> None:
    below.unsent = 1
    assert line.connection.read_now() is False
    below.unsent, below._state = 0, 2
    assert line.connection.read_now() is False
    line.connection._transport = None
    assert line.connection.read_now() is False


@pytest.mark.parametrize(("takes", "heard"), [(True, ["direct"]), (False, ["direct", "pika"])])
def test_loop_reads_directly_where_the_reader_takes_it(takes: bool, heard: list[str]) -> None:
    loop, (ours, theirs), said = transport.TurnLoop(), socket.socketpair(), list[str]()

    def read() -> bool:
        said.append("direct")
        return takes

    try:
        loop.add_handler(ours.fileno(), lambda *_: said.append("pika"), loop.READ)
        loop.prefer(ours.fileno(), read)
        theirs.send(b"x")
        loop.wake_ns = time.monotonic_ns()
        loop.turn()
        assert said == heard
    finally:
        ours.close()
        theirs.close()


def test_loop_leaves_to_pika_what_is_more_than_something_to_read() -> None:
    loop, (ours, theirs), said = transport.TurnLoop(), socket.socketpair(), list[str]()
    try:
        loop.add_handler(ours.fileno(), lambda *_: said.append("pika"), loop.READ | loop.WRITE)
        loop.prefer(ours.fileno(), lambda: bool(said.append("direct")))
        theirs.send(b"x")
        loop.turn()
        assert said == ["pika"]
    finally:
        ours.close()
        theirs.close()


def test_large_body_is_not_looked_at_in_pieces_before_it_can_be_whole(
    line: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    read_body = wire._read_body
    monkeypatch.setattr(wire, "_read_body", lambda *given: (looks.append(1), read_body(*given))[1])
    stream = delivered(1, bytes(100_000), frame_max=4096)
    for at in range(0, len(stream), 1000):
        line.connection._on_data_available(stream[at : at + 1000])
    assert [len(each.body) for each in line.deliveries] == [100_000]
    assert len(looks) <= 2
