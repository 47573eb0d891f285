"""One view of several runs that go on at once: their figures summed, their notes by name."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from loadgen.progress import View

_SUMMED = ("published", "confirmed", "nacked", "consumed", "redelivered", "settled", "in_flight")
_RATES = ("published_per_s", "confirmed_per_s", "consumed_per_s")
_GREATEST = ("confirm_p99_s", "end_to_end_p99_s")
_STEPS = ("publish", "drain", "end")
_SHOWN = 2


class DayView:
    """Takes the events of each part, by its name, and shows ``view`` what they come to. Thread-safe."""

    def __init__(self, view: View, *, planned_s: float, start_after_s: Mapping[str, float]) -> None:
        self._view = view
        self._planned_s = planned_s
        self._after_s = start_after_s
        self._last: dict[str, Mapping[str, Any]] = {}
        self._over: set[str] = set()
        self._depths: dict[str, Any] = {}
        self._shown_s = -1
        self._lock = threading.Lock()

    @property
    def watched(self) -> frozenset[str]:
        """What the view behind it shows of what is seen from outside."""
        return self._view.watched

    def hear(self, part: str, event: Mapping[str, Any]) -> None:
        """One event of ``part``."""
        kind, at_s = event["type"], self._after_s.get(part, 0.0)
        with self._lock:
            if kind == "note":
                text = f"{part}: {event['text']}"
                self._view.show({**event, "t_s": event.get("t_s", 0) + at_s, "text": text})
            elif kind == "progress":
                self._last[part] = event
                self._progress(int(event["t_s"] + at_s))

    def ended(self, part: str) -> None:
        """``part`` is over: what it did stays in the sums, and its rates are none."""
        with self._lock:
            self._over.add(part)

    def look(self, event: Mapping[str, Any]) -> None:
        """An event of what watches from outside: queues of several virtual hosts come one after the other."""
        with self._lock:
            if event["type"] == "depths":
                self._depths |= event["queues"]
                event = {**event, "queues": dict(self._depths)}
            self._view.show(event)

    def _progress(self, at_s: int) -> None:
        if at_s <= self._shown_s:
            return
        self._shown_s = at_s
        going = [event for part, event in self._last.items() if part not in self._over]
        every = list(self._last.values())
        worst = {name: [each[name] for each in going if each[name] is not None] for name in _GREATEST}
        self._view.show({
            "type": "progress",
            "t_s": at_s,
            "planned_s": self._planned_s,
            "phase": self._phase(),
            "waits_for": self._waits_for(),
            "suspected": sum(each.get("suspected", 0) for each in going),
            **{name: sum(each[name] for each in every) for name in _SUMMED},
            **{name: sum(each[name] for each in going) for name in _RATES},
            **{name: max(values, default=None) for name, values in worst.items()},
        })  # fmt: skip

    def _phase(self) -> str:
        """How many parts are at which step: those that publish go by the names of their own phases."""
        steps = dict.fromkeys(_STEPS, 0)
        for part, event in self._last.items():
            step = "end" if part in self._over else str(event["phase"])
            steps[step if step in steps else "publish"] += 1
        told = [f"{name} {count}" for name, count in steps.items() if count]
        return ", ".join(told) if len(told) > 1 else told[0].partition(" ")[0]

    def _waits_for(self) -> str:
        told = [
            f"{part}: {event['waits_for']}"
            for part, event in self._last.items()
            if event["waits_for"] and part not in self._over
        ]
        more = f" and {len(told) - _SHOWN} parts more" if len(told) > _SHOWN else ""
        return "; ".join(told[:_SHOWN]) + more
