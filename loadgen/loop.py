"""pika's loop, one turn at a time, each when its budget has one (`loadgen.budget`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from pika.adapters.select_connection import EPollPoller, IOLoop, PollEvents

from loadgen.budget import Budget
from loadgen.curve import SECOND_NS

#: Every attribute of pika's inside that this module overrides, calls or sets: (owner, attribute).
PIKA_INTERNALS: tuple[tuple[type, str], ...] = (
    (IOLoop, "_get_remaining_interval"),
    (IOLoop, "process_timeouts"),
    (EPollPoller, "_dispatch_fd_events"),
    (EPollPoller, "_init_poller"),
)
#: The same for what pika sets on each instance: (owner, attribute that its ``__init__`` sets).
PIKA_ATTRIBUTES: tuple[tuple[type, str], ...] = ((IOLoop, "_poller"),)

#: A poll that lasted longer than this really waited: there was nothing to read.
_SLEPT_NS = 50_000
_LONGEST_WAIT_S = 1.0


class TurnLoop(IOLoop):  # type: ignore[misc]
    """pika's loop, run one turn at a time: wait for I/O until ``wake_ns`` at most, dispatch, return."""

    def __init__(self, budget: Budget | None = None) -> None:
        self.wake_ns: int | None = None
        self.budget = budget or Budget()
        self._direct: tuple[tuple[int, int], Callable[[], bool]] | None = None
        self._timers_ns = 0
        self._hurried = False
        super().__init__()
        self.activate_poller()

    def turn(self) -> tuple[int, int]:
        """One wait and its dispatching.

        Returns when it woke, and when it last had nothing to do, 0 where it did not rest at all (monotonic
        nanoseconds). They differ where the budget made it rest: whatever came meanwhile waited for us.
        """
        began = time.monotonic_ns()
        rest_ns = 0 if self._hurried else self.budget.rest_ns(began)
        self._hurried = False
        if rest_ns > 0:
            time.sleep(rest_ns / SECOND_NS)
            polled = time.monotonic_ns()
        else:
            polled = began
        events = self._poller._poll.poll(self._wait_s(polled))
        woke = time.monotonic_ns()
        self.budget.spend(woke)
        if events and not self._read_directly(events):
            self._poller._dispatch_fd_events(dict(events))
        if woke >= self._timers_ns:
            self.process_timeouts()
            self._timers_ns = 0
        if woke - polled > _SLEPT_NS:
            return woke, woke
        return woke, began if rest_ns > 0 else 0

    def hurry(self) -> None:
        """Take the next turn without a rest: this one left bytes behind that could have been moved.

        A rest gathers messages for one turn. What does not fit into a turn gains nothing by resting, and a
        turn's bytes times the turns of the budget would be the most that ever goes through.
        """
        self._hurried = True

    def prefer(self, fd: int, read: Callable[[], bool]) -> None:
        """Call ``read`` when ``fd`` can be read and nothing else has happened, unless it returns False."""
        self._direct = ((fd, PollEvents.READ), read)

    def _read_directly(self, events: Sequence[tuple[int, int]]) -> bool:
        direct = self._direct
        return direct is not None and len(events) == 1 and events[0] == direct[0] and direct[1]()

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
        self._timers_ns = 0
        return super().call_later(delay, callback)

    def add_callback_threadsafe(self, callback: Callable[[], None]) -> None:
        self._timers_ns = 0
        super().add_callback_threadsafe(callback)

    add_callback = add_callback_threadsafe

    def _wait_s(self, now_ns: int) -> float:
        """How long to poll. pika is asked for its timers only when there may be others than it last said."""
        if not self._timers_ns:
            timers: float | None = self._get_remaining_interval()
            wait_s = _LONGEST_WAIT_S if timers is None else min(timers, _LONGEST_WAIT_S)
            self._timers_ns = now_ns + int(wait_s * SECOND_NS)
        until_ns = self._timers_ns if self.wake_ns is None else min(self._timers_ns, self.wake_ns)
        return max(0, until_ns - now_ns) / SECOND_NS
