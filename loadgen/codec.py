"""The layouts of a body: Warren's own header, the same within JSON, and PerfTest's, which is twelve bytes.

PerfTest's, big-endian: a number i32, counted up by each of its producers from 0, and the time of sending
i64, in nanoseconds of CLOCK_MONOTONIC (Java's nanoTime on Linux), then zeros up to the size. Its consumer
reads the time and never the number, so Warren puts the publisher into the number's upper bits, as many as
the run's publishers need, and the *intended* time into the time. Source: TimeSequenceMessageBodySource
and TimestampProvider of PerfTest 2.22, https://github.com/rabbitmq/rabbitmq-perf-test

Twelve bytes hold no name of the run: what is older than its start is foreign, and nothing else can be told
apart. Nor do they hold a class or an attempt: a run has one class, and no relays.
"""

from __future__ import annotations

import struct
from typing import Literal, Protocol

from loadgen.body import HEADER, HEADER_SIZE

Layout = Literal["warren", "json", "perftest", "varied"]
LAYOUTS: tuple[Layout, ...] = ("warren", "json", "perftest", "varied")

#: A JSON body: the header in hexadecimal digits between the first two, text between the last two.
_JSON_OPEN, _JSON_PAD, _JSON_CLOSE = b'{"warren":"', b'","pad":"', b'"}'
_JSON_HEAD = len(_JSON_OPEN) + 2 * HEADER_SIZE
_PERFTEST = struct.Struct(">Iq")
#: No run reaches this number: a larger one is a damaged message.
_SEQ_LIMIT = 1 << 36
_NUMBER_BITS = 32
#: No publisher is faster by far; and a consumer that slept may be so many messages behind the clock.
_FASTEST_PER_S, _AHEAD = 250_000, 1 << 24

#: What a body says of itself: publisher, class, number, intended time of sending in nanoseconds.
Read = tuple[int, int, int, int]


def numbered_by(elapsed_ns: int) -> int:
    """How many messages one publisher cannot have numbered so long after the start. A larger number is
    damage: believed, a single flipped bit would make a bitmap of gigabytes of it."""
    return _AHEAD + max(0, elapsed_ns) * _FASTEST_PER_S // 1_000_000_000


def least_bytes(layout: Layout) -> int:
    """The size of the smallest body."""
    return {"json": Json.least, "perftest": _PERFTEST.size}.get(layout, HEADER_SIZE)


class Codec(Protocol):
    """Builds and reads the heads of bodies. ``limit`` is how many messages of one publisher it can number."""

    least: int
    limit: int

    def begin(self, start_ns: int) -> None:
        """The run's first message is meant for ``start_ns``."""

    def head(self, kind: int, attempt: int, seq: int, intended_ns: int, sent_ns: int) -> bytes:
        """What a body of the codec's own publisher begins with."""

    def rest(self, size_bytes: int) -> bytes:
        """What follows the head in a body of ``size_bytes``."""

    def read(self, payload: bytes) -> Read | None:
        """What ``payload`` says of itself, None where it is no message of this run."""

    def sent_ns(self, payload: bytes) -> int:
        """When a message that `read` has read was sent, or the nearest to that which it knows."""


class Own:
    """Warren's header, as `loadgen.body` describes it."""

    least = HEADER_SIZE
    limit = _SEQ_LIMIT

    def __init__(self, nonce: int, publisher: int) -> None:
        self._nonce, self._publisher = nonce, publisher

    def begin(self, start_ns: int) -> None:
        del start_ns

    def head(self, kind: int, attempt: int, seq: int, intended_ns: int, sent_ns: int) -> bytes:
        capped = min(attempt, 255)
        return HEADER.pack(self._nonce, self._publisher, kind, capped, seq, intended_ns, sent_ns)

    def rest(self, size_bytes: int) -> bytes:
        return b"." * (size_bytes - HEADER_SIZE)

    def read(self, payload: bytes) -> Read | None:
        if len(payload) < HEADER_SIZE:
            return None
        nonce, publisher, kind, _, seq, intended_ns, _ = HEADER.unpack_from(payload)
        return (publisher, kind, seq, intended_ns) if nonce == self._nonce else None

    def sent_ns(self, payload: bytes) -> int:
        return int(HEADER.unpack_from(payload)[6])


class Json(Own):
    """The same header in hexadecimal digits, within an object that any JSON reader takes."""

    least = _JSON_HEAD + len(_JSON_PAD) + len(_JSON_CLOSE)

    def head(self, kind: int, attempt: int, seq: int, intended_ns: int, sent_ns: int) -> bytes:
        return _JSON_OPEN + super().head(kind, attempt, seq, intended_ns, sent_ns).hex().encode()

    def rest(self, size_bytes: int) -> bytes:
        return _JSON_PAD + b"." * (size_bytes - self.least) + _JSON_CLOSE

    def read(self, payload: bytes) -> Read | None:
        header = _from_json(payload)
        return super().read(header) if header is not None else None

    def sent_ns(self, payload: bytes) -> int:
        header = _from_json(payload)
        return super().sent_ns(header) if header is not None else 0


def _from_json(payload: bytes) -> bytes | None:
    if not payload.startswith(_JSON_OPEN):
        return None
    try:
        return bytes.fromhex(payload[len(_JSON_OPEN) : _JSON_HEAD].decode("ascii"))
    except ValueError:
        return None


class PerfTest:
    """PerfTest's layout, for publisher number ``publisher`` of ``publishers``."""

    least = _PERFTEST.size

    def __init__(self, publishers: int, publisher: int) -> None:
        self._shift = _NUMBER_BITS - (publishers - 1).bit_length()
        self._upper = publisher << self._shift
        self.limit = 1 << self._shift
        self._mask = self.limit - 1
        self._start_ns: int | None = None

    def begin(self, start_ns: int) -> None:
        self._start_ns = start_ns

    def head(self, kind: int, attempt: int, seq: int, intended_ns: int, sent_ns: int) -> bytes:
        del kind, attempt, sent_ns
        return _PERFTEST.pack(self._upper | seq, intended_ns)

    def rest(self, size_bytes: int) -> bytes:
        return bytes(size_bytes - _PERFTEST.size)

    def read(self, payload: bytes) -> Read | None:
        if len(payload) < _PERFTEST.size or self._start_ns is None:
            return None
        number, intended_ns = _PERFTEST.unpack_from(payload)
        if intended_ns < self._start_ns:
            return None
        return number >> self._shift, 0, number & self._mask, intended_ns

    def sent_ns(self, payload: bytes) -> int:
        return int(_PERFTEST.unpack_from(payload)[1])


def codec(layout: Layout, *, nonce: int, publishers: int, publisher: int = 0) -> Codec:
    """The codec of a run's process; ``publisher`` is the number of the one that it builds bodies for."""
    if layout == "perftest":
        return PerfTest(publishers, publisher)
    return Json(nonce, publisher) if layout == "json" else Own(nonce, publisher)
