"""How often a worker may wake: no more turns than a run's precision is worth.

To wake a process, read and write a socket and go to sleep again costs as much as several messages do. At
2,000 messages a second a generator that wakes for each event spends most of its processor time on waking,
and takes it from brokers on the same machine. So turns have a budget: as long as there are fewer, each event
wakes at once; where there are more, they are spaced, and what comes in between is done together.
"""

from __future__ import annotations

from loadgen.curve import SECOND_NS

#: So many turns may follow each other at once before the budget spaces them.
_BURST = 20
_LITTLE_CREDIT = 50
#: A turn that read more than this found the socket's receive buffer well filled: Linux begins with 128 KiB,
#: and enlarges it by what is read in a round trip, of which a rest is hundreds (tcp(7), tcp_moderate_rcvbuf).
_LARGE_BYTES = 48 * 1024
_LEAST_SHARE = 1 / 64


def spacing_ns(wakes_per_s: int, credit: int, messages_per_s: float) -> int:
    """How far apart turns may be, in nanoseconds; 0: no matter how many there are.

    ``credit`` is how many messages the process may have under way: a publisher's window, a consumer's
    prefetch. While it rests, credit that came back lies idle; so a rest takes at most a tenth of the time in
    which the credit goes round once, and with little credit there is none: with a window of 1 it would come
    after each message.
    """
    if not wakes_per_s or credit < _LITTLE_CREDIT or messages_per_s <= 0:
        return 0
    return int(SECOND_NS * min(1 / wakes_per_s, credit / (10 * messages_per_s)))


class Budget:
    """A turn each ``every_ns`` over time, ``_BURST`` of them in a row; 0: as many as there are.

    The generic cell rate algorithm (ITU-T I.371, annex A), which needs one number: when the turns taken so
    far are paid for.

    Rests end where the bytes that come in one fill the socket: nothing is gathered then, the sender waits. So
    the price of a turn is halved after one that read a lot, and grows again after those that read little.
    """

    __slots__ = ("_paid_ns", "_share", "every_ns")

    def __init__(self, every_ns: int = 0) -> None:
        self.every_ns = every_ns
        self._paid_ns = 0
        self._share = 1.0

    def rest_ns(self, now_ns: int) -> int:
        """How long the next turn has to wait; 0 or less: not at all."""
        return self._paid_ns - _BURST * self.every_ns - now_ns if self.every_ns else 0

    def spend(self, now_ns: int) -> None:
        """A turn begins."""
        self._paid_ns = max(self._paid_ns, now_ns) + int(self.every_ns * self._share)

    def read(self, size_bytes: int) -> None:
        """What the turn read in all."""
        if size_bytes > _LARGE_BYTES:
            self._share = max(self._share / 2, _LEAST_SHARE)
        elif self._share < 1 and size_bytes < _LARGE_BYTES / 2:
            self._share = min(1.0, self._share * 1.25)
