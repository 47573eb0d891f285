"""Where a message spent its time, by the broker's own stamps: to the broker, in the queue, to the consumer.

A broker with message interceptors adds when a message came in (``timestamp_in_ms``) and when it was sent to
the consumer (``x-opt-rabbitmq-sent-time``), both in milliseconds of its own clock
(https://www.rabbitmq.com/docs/message-interceptors). They are compared with this process's clock of the day,
so the split is good to a millisecond where the clocks are one, as in the lab, and to their difference
elsewhere. A part that comes out negative by more than that shows clocks that differ: it is counted as skewed
and in no histogram.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from loadgen.histogram import Counts, record

CAME_IN, SENT_OUT = b"\x0ftimestamp_in_ms", b"\x18x-opt-rabbitmq-sent-time"
PARTS = ("to_broker", "in_broker", "to_consumer")

_MS_NS = 1_000_000
_VALUE = struct.Struct(">Bq")
#: Field types of the AMQP 0-9-1 table that hold 64 bits: long-long-int and timestamp.
_WIDE = (ord("l"), ord("T"))
#: Two stamps of a millisecond each, cut off, not rounded.
_SLACK_NS = 2 * _MS_NS


def stamp_ms(header: bytes, name: bytes) -> int | None:
    """The 64-bit value of the field ``name`` (with its length before it) in an encoded header, or None."""
    at = header.find(name)
    if at < 0 or at + len(name) + _VALUE.size > len(header):
        return None
    kind, value = _VALUE.unpack_from(header, at + len(name))
    return int(value) if kind in _WIDE else None


class Stamps:
    """Histograms of the three parts. ``day_ns`` and ``steady_ns`` are the two clocks of this process."""

    def __init__(self, day_ns: Callable[[], int], steady_ns: Callable[[], int]) -> None:
        self._clocks = (day_ns, steady_ns)
        self._ahead_ns = 0
        self.histograms: dict[str, Counts] = {part: {} for part in PARTS}
        self.skewed = 0
        self.align()

    def align(self) -> None:
        """Compare the two clocks anew; to be done each second, since the day's clock is being steered."""
        day_ns, steady_ns = self._clocks
        before = steady_ns()
        now = day_ns()
        self._ahead_ns = now - (before + steady_ns()) // 2

    def take(self, header: bytes, sent_ns: int, arrived_ns: int) -> None:
        """Split the way of one message; ``sent_ns`` and ``arrived_ns`` are of the steady clock."""
        came_ms = stamp_ms(header, CAME_IN)
        if came_ms is None:
            return
        came_ns = came_ms * _MS_NS - self._ahead_ns
        self._count("to_broker", came_ns - sent_ns)
        left_ms = stamp_ms(header, SENT_OUT)
        if left_ms is None:
            return
        self._count("in_broker", (left_ms - came_ms) * _MS_NS)
        self._count("to_consumer", arrived_ns - (left_ms * _MS_NS - self._ahead_ns))

    def tick(self) -> dict[str, Counts]:
        """The histograms since the last tick by their names in the totals, and the clocks compared anew."""
        taken = {f"stamps.{part}": counts for part, counts in self.histograms.items() if counts}
        self.histograms = {part: {} for part in PARTS}
        if self.skewed:
            taken["stamps.skewed"] = {0: self.skewed}
            self.skewed = 0
        self.align()
        return taken

    def _count(self, part: str, duration_ns: int) -> None:
        if duration_ns < -_SLACK_NS:
            self.skewed += 1
        else:
            record(self.histograms[part], duration_ns)
