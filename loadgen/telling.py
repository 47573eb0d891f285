"""What a run tells while it lasts: notes at their time, and each second how far it has come."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any

from loadgen.collect import Totals
from loadgen.curve import SECOND_NS, ends_ns
from loadgen.spec import LoadSpec

#: Told of everything that a person may want to see: events of type ``note`` and, each second, ``progress``.
Emit = Callable[[Mapping[str, Any]], None]

#: Workers tell of a second when it is over; what is shown waits this much longer for the slowest.
_AFTER_TICK_NS = 250_000_000
#: The type of the event that says that the drain has waited in vain.
ANEW = "anew"


class Telling:
    """Tells ``emit``. ``step`` is the one that the run is at, ``waits_for`` what that waits for, in words;
    ``suspected`` messages may be lost."""

    def __init__(self, spec: LoadSpec, totals: Totals, emit: Emit) -> None:
        self.notes: list[str] = []
        self.step = "connect"
        self.waits_for = ""
        self.suspected = 0
        self._spec, self._totals, self._emit = spec, totals, emit
        self._t0_ns = self._next_ns = 0

    def begin(self, t0_ns: int) -> None:
        """Publishing begins at ``t0_ns``: all times that are told are since then."""
        self.step, self._t0_ns = "publish", t0_ns
        self._next_ns = t0_ns + _AFTER_TICK_NS

    def ready(self) -> None:
        """A run that is held waits to be released."""
        self._emit({"type": "ready"})

    def anew(self) -> None:
        """The drain has waited in vain: whoever can do something about it is to do it now."""
        self._emit({"type": ANEW, "t_s": self._at_s()})

    def note(self, text: str) -> None:
        """Tell of something that happened, and keep it for the result."""
        at_s = self._at_s()
        self.notes.append(f"{at_s:.1f} s: {text}")
        self._emit({"type": "note", "t_s": at_s, "text": text})

    def _at_s(self) -> float:
        return round((time.monotonic_ns() - self._t0_ns) / SECOND_NS, 3) if self._t0_ns else 0.0

    def tick(self) -> None:
        """Tell how far it has come, where a second is over since that was told."""
        now = time.monotonic_ns()
        if not self._t0_ns or now < self._next_ns:
            return
        whole = (now - self._t0_ns - _AFTER_TICK_NS) // SECOND_NS + 1
        self._next_ns = self._t0_ns + whole * SECOND_NS + _AFTER_TICK_NS
        at = (now - self._t0_ns) // SECOND_NS
        step = {"phase": self._phase_at(at), "waits_for": self.waits_for, "planned_s": self._spec.duration_s}
        progress = self._totals.progress(at)
        self._emit({"type": "progress", "t_s": at, **step, **progress, "suspected": self.suspected})

    def _phase_at(self, t_s: int) -> str:
        """The step of the run; while publishing, the name of the profile's phase."""
        ends = ends_ns(self._spec.phases)
        if self.step != "publish" or not ends:
            return self.step
        at = min(bisect_right(ends, t_s * SECOND_NS), len(ends) - 1)
        return self._spec.phases[at].name
