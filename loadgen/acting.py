"""What a profile does to the cluster itself while it runs, and how that is undone: a memory alarm.

The alarm is raised on one node by a watermark of almost nothing, and lifted by the topology's own; while it
is on, the broker blocks every connection of the cluster that publishes
(https://www.rabbitmq.com/docs/alarms). It is undone when its time is over, when the run ends, however it
ends, and once more before the next run: undoing twice is undoing once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from loadgen.progress import View
from loadgen.roles import Act
from warren import alarms
from warren.errors import WarrenError
from warren.fault_record import FaultRecord
from warren.results import iso
from warren.runtime.protocol import Runtime
from warren.topology import Topology
from warren.wait import until

NAME = "memory-alarm"
_UNDO_DEADLINE_S = 120.0


class MemoryAlarm:
    """The alarm of one node. Raises NotReadyError when the broker's tool fails."""

    def __init__(self, runtime: Runtime, topology: Topology) -> None:
        self._runtime, self._topology = runtime, topology
        self.node = topology.nodes[0].name

    def start(self) -> None:
        """Raise it."""
        alarms.provoke(self._runtime, self.node, "memory")

    def undo(self) -> None:
        """Lift it, whether it is on or not; tried again for two minutes."""
        watermark = self._topology.broker.memory_watermark
        until(
            lambda: alarms.lift(self._runtime, self._topology, self.node, "memory"),
            what="the memory alarm to be lifted",
            deadline_s=_UNDO_DEADLINE_S,
            every_s=1.0,
            remedy=f"warren cluster ctl {self.node} set_vm_memory_high_watermark {watermark}",
        )


class Acting:
    """A `View` that does the profile's act at its time, by what the run tells of itself, and shows the rest.

    Leaving it undoes the act. ``record`` is what the result says of it, None where it was not begun;
    ``error`` what went wrong with it.
    """

    def __init__(
        self,
        view: View,
        act: Act,
        alarm: MemoryAlarm,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._view, self._act, self._alarm, self._now = view, act, alarm, now
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._begun_s = 0.0
        self._record: FaultRecord | None = None
        self.error: WarrenError | None = None

    def __enter__(self) -> Self:
        self._view.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self._view.__exit__(kind, error, trace)

    def show(self, event: Mapping[str, Any]) -> None:
        self._view.show(event)
        if self._thread is None and event["type"] == "progress":
            # The first is told a quarter of a second after the first message was due.
            self._begun_s = time.monotonic() - float(event["t_s"])
            self._thread = threading.Thread(target=self._go, name="act", daemon=True)
            self._thread.start()

    @property
    def watched(self) -> frozenset[str]:
        return self._view.watched

    def stop(self) -> None:
        """Undo it now: what is under way is to be drained without it. Returns at once."""
        self._ended.set()

    @property
    def record(self) -> FaultRecord | None:
        return self._record

    def _go(self) -> None:
        if self._ended.wait(max(0.0, self._begun_s + self._act.at_s - time.monotonic())):
            return
        at = iso(self._now())
        try:
            try:
                self._alarm.start()
                at = iso(self._now())
                self._say(f"{NAME} on {self._alarm.node}, for {self._act.for_s:g} s")
                self._ended.wait(self._act.for_s)
            finally:
                self._alarm.undo()
                self._say(f"{NAME} on {self._alarm.node} lifted")
        except WarrenError as error:
            self.error = error
            self._say(f"{NAME}: {error.what}")
        healed_at = None if self.error is not None else iso(self._now())
        self._record = FaultRecord(
            name=NAME, target=self._alarm.node, injected_at=at, healed_at=healed_at, evidence={}
        )

    def _say(self, text: str) -> None:
        self._view.show({"type": "note", "t_s": round(time.monotonic() - self._begun_s, 1), "text": text})
