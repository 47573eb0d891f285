"""The one adapter over pika 1.4.4's SelectConnection.

pika writes the frames of a message as three TLS records and makes an object of every frame. Here the
frames of one turn of the loop are joined into one write, publishes are marshalled once (`wire.Template`)
and deliveries and confirms are read straight from the buffer; the handshake, channels, heartbeats and
everything rare stay pika's. `PIKA_INTERNALS` names what this leans on; a test checks each by name.
"""

from __future__ import annotations

import array
import fcntl
import ssl
import termios
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pika import frame
from pika.adapters.base_connection import BaseConnection
from pika.adapters.select_connection import SelectConnection
from pika.adapters.utils import io_services_utils
from pika.connection import Parameters

from loadgen import wire
from loadgen.loop import TurnLoop

#: Every attribute of pika's inside that this module overrides, calls or sets: (owner, attribute).
PIKA_INTERNALS: tuple[tuple[type, str], ...] = (
    (SelectConnection, "_output_marshaled_frames"),
    (SelectConnection, "_on_data_available"),
    (SelectConnection, "_process_frame"),
    (SelectConnection, "_adapter_emit_data"),
    (io_services_utils._AsyncTransportBase, "_MAX_RECV_BYTES"),
    (io_services_utils._AsyncTransportBase, "_MAX_CONSUME_BYTES"),
    (io_services_utils._AsyncTransportBase, "_initiate_abort"),
    (io_services_utils._AsyncTransportBase, "get_write_buffer_size"),
    (io_services_utils._AsyncTransportBase, "_STATE_ACTIVE"),
)
#: The same for what pika sets on each instance: (owner, attribute that its ``__init__`` sets).
PIKA_ATTRIBUTES: tuple[tuple[type, str], ...] = (
    (io_services_utils._AsyncTransportBase, "_sock"),
    (io_services_utils._AsyncTransportBase, "_state"),
    (io_services_utils._AsyncSSLTransport, "_ssl_writable_action"),
    (BaseConnection, "_transport"),
)

#: One read takes at most this; of TLS no more than a record, which holds 16 KiB (RFC 8446, section 5.1).
_RECV_BYTES = 64 * 1024
_RECORD_BYTES = 16 * 1024

#: The other side has ended, with TLS' farewell or without: pika reads it once more, and handles it.
_ENDED = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
#: Not now, later.
_AGAIN = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

OnDelivery = Callable[[wire.Delivery], None]
OnConfirm = Callable[[int, bool, bool], None]


class Connection(SelectConnection):  # type: ignore[misc]
    """A connection whose owner calls `flush` once a turn.

    ``on_delivery`` gets each delivery, ``on_confirm`` (tag, multiple, is_ack) each confirm of the one
    channel that is used; both are set before the channel consumes or publishes.
    """

    def __init__(
        self,
        parameters: Parameters,
        *,
        loop: TurnLoop,
        on_open: Callable[[Any], None],
        on_open_error: Callable[[Any, BaseException], None],
        on_close: Callable[[Any, BaseException], None],
    ) -> None:
        self._pending: list[bytes] = []
        #: Send frames with the next `flush`. A list's own method: this is called for every message.
        self.queue: Callable[[bytes], None] = self._pending.append
        self._receive: Callable[[], bytes] = bytes
        self._inbox = bytearray()
        self._fd = -1
        self._readable = array.array("i", [0])
        self.on_delivery: OnDelivery | None = None
        self.on_confirm: OnConfirm | None = None
        super().__init__(parameters, on_open, on_open_error, on_close, custom_ioloop=loop)

    @property
    def frame_max(self) -> int:
        """The frame size agreed with the broker, in bytes."""
        return int(self.params.frame_max)

    def unsent_bytes(self) -> int:
        """What waits for the socket to take it."""
        transport = self._transport
        return int(transport.get_write_buffer_size()) if transport is not None else 0

    def read_in_large_pieces(self) -> None:
        """To be called once the connection is open."""
        self._transport._MAX_RECV_BYTES = _RECV_BYTES
        self._receive = _receiver(self._transport._sock)
        self._fd = self._transport._sock.fileno()
        self.ioloop.prefer(self._fd, self.read_now)

    def read_now(self) -> bool:
        """Read what is there; False where pika is to do it.

        pika reads until the socket says that there is no more, which for TLS is an exception a turn: as dear
        as everything else of a small read. Here the kernel is asked how much there is, after each record.
        """
        transport = self._transport
        if transport is None or transport._state != transport._STATE_ACTIVE:
            return False
        if self.unsent_bytes():
            self.ioloop.hurry()
            return False
        try:
            return self._drain(transport)
        except _AGAIN:
            return True
        except _ENDED:
            return False
        except Exception as error:
            transport._initiate_abort(error)
            return True

    def _drain(self, transport: Any) -> bool:
        most, size = transport._MAX_CONSUME_BYTES, 0
        try:
            while True:
                data = self._receive()
                if not data:
                    return False
                size += len(data)
                self._on_data_available(data)
                if transport._state != transport._STATE_ACTIVE:
                    return True
                fcntl.ioctl(self._fd, termios.FIONREAD, self._readable)
                if not self._readable[0]:
                    return True
                if size >= most:
                    self.ioloop.hurry()
                    return True
        finally:
            self.ioloop.budget.read(size)

    def flush(self) -> None:
        """Hand everything queued in this turn to the socket as one write."""
        if self._pending and self._transport is not None:
            joined = b"".join(self._pending)
            self._pending.clear()
            self.bytes_sent += len(joined)
            rest = _send_now(self._transport, joined)
            if rest:
                self._adapter_emit_data(rest)
                self.ioloop.hurry()

    def _output_marshaled_frames(self, marshaled_frames: Sequence[bytes]) -> None:
        self._pending.extend(marshaled_frames)
        self.frames_sent += len(marshaled_frames)

    def _on_data_available(self, data_in: bytes) -> None:
        inbox = self._inbox
        data: bytes | bytearray = data_in
        if inbox:
            inbox += data_in
            data = inbox
        self.bytes_received += len(data_in)
        at, end = 0, len(data)
        while at < end:
            step = self._take(data, at, end)
            if not step:
                break
            at = step
        if data is inbox:
            del inbox[:at]
        elif at < end:
            inbox += data[at:]

    def _take(self, inbox: bytes | bytearray, at: int, end: int) -> int:
        """Handle what begins at ``at``; where it ends, or 0 while it is incomplete."""
        kind, size, method = wire.head_at(inbox, at, end)
        if method == wire.DELIVER and self.on_delivery is not None:
            found = wire.read_delivery(inbox, at, size, end)
            if found is None:
                return 0
            self.on_delivery(found[1])
            return found[0]
        if kind == _PROTOCOL_HEADER:
            return self._give_to_pika(inbox, at, end)
        stop = at + size + 8
        if not kind or stop > end:
            return 0
        if method in _CONFIRMS and self.on_confirm is not None:
            tag, multiple = wire.read_confirm(inbox, at)
            self.on_confirm(tag, multiple, method == wire.ACK)
            return stop
        return self._give_to_pika(inbox, at, stop)

    def _give_to_pika(self, inbox: bytes | bytearray, at: int, stop: int) -> int:
        consumed, value = frame.decode_frame(bytes(inbox[at:stop]))
        if value is None:
            return 0
        self._process_frame(value)
        return at + int(consumed)


def _receiver(sock: Any) -> Callable[[], bytes]:
    """What reads once from ``sock``; for TLS without `ssl.SSLSocket`'s two layers of Python above OpenSSL."""
    inner = getattr(sock, "_sslobj", None)
    return partial(sock.recv, _RECV_BYTES) if inner is None else partial(inner.read, _RECORD_BYTES)


def _send_now(transport: Any, data: bytes) -> bytes:
    """Send what the socket takes at once and return the rest, which pika then sends when it can.

    pika would wait for the socket to be writable first: two more system calls and a turn of the loop for
    each write. After a wish to be retried, OpenSSL must get the same bytes again, which it does, since the
    rest begins with them.
    """
    busy = getattr(transport, "_ssl_writable_action", None) is not None or transport.get_write_buffer_size()
    if busy or transport._state != transport._STATE_ACTIVE:
        return data
    left = memoryview(data)
    try:
        while left:
            left = left[transport._sock.send(left) :]
    except _AGAIN:
        pass
    except OSError:
        # Reading will meet the same fault, and pika handles it there.
        return b""
    return bytes(left)


_PROTOCOL_HEADER = ord("A")
_CONFIRMS = frozenset((wire.ACK, wire.NACK))
