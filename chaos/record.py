"""What one game day came to: ledger, broker, timing and alerts in one record, version 1.

Keys are stable; more may be added, and a reader ignores keys that it does not know. Times are ISO-8601 in
UTC, durations in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from warren.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK

SCHEMA = 1


class Verdict(StrEnum):
    """What a game day proves, the gravest last. ``hang``: something that should have ended did not, within a
    deadline; ``inconclusive``: nothing can be said, for a fault did not bite or the load was no load."""

    PASSED = "passed"
    INCONCLUSIVE = "inconclusive"
    FAILED = "failed"
    HANG = "hang"

    @property
    def exit_code(self) -> int:
        return {
            Verdict.PASSED: EXIT_OK,
            Verdict.INCONCLUSIVE: EXIT_INCONCLUSIVE,
            Verdict.FAILED: EXIT_FAILED,
            Verdict.HANG: EXIT_FAILED,
        }[self]


class Held(StrEnum):
    """How a figure lies to the interval that was expected of it."""

    WITHIN = "within"
    SLOWER = "slower"
    FASTER = "faster"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A figure beside the interval expected of it, ``low`` to ``high`` (None: open to that side), and where
    the interval comes from. ``value`` is None where it was not measured."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    source: str = ""

    @property
    def held(self) -> Held:
        if self.value is None:
            return Held.UNKNOWN
        if self.high is not None and self.value > self.high:
            return Held.SLOWER
        if self.low is not None and self.value < self.low:
            return Held.FASTER
        return Held.WITHIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that must be so; ``passed`` is None where it could not be judged, and ``why`` says why."""

    name: str
    passed: bool | None
    why: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSeen:
    """An alert, and what became of it; the times are None where it did not fire, or still does."""

    name: str
    fired_at: str | None = None
    cleared_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, ``t_s`` after the game day began: a phase, a probe, a fault, an alert."""

    t_s: float
    kind: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GameDay:
    """One game day. ``load`` is the result of its load run (docs/results.md), ``faults`` are the journal's
    records of what was done, ``alerts`` those that should fire, ``fired`` every one that began to after the
    first fault, expected or not, ``settings`` what of the cluster decides its timers.

    ``together`` is empty but for days that were played as one (`chaos.beside`): ``day``, under which the
    journal has the faults of all, ``beside``, the other profiles with their records, and ``bystander``, why
    this one's queue was not struck, empty where it was.
    """

    experiment: str
    title: str
    run_id: str
    seed: int
    started_at: str
    ended_at: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    profile: str = ""
    load: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[Mapping[str, Any], ...] = ()
    expectations: tuple[Expectation, ...] = ()
    checks: tuple[Check, ...] = ()
    alerts: tuple[AlertSeen, ...] = ()
    fired: tuple[AlertSeen, ...] = ()
    events: tuple[Event, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    together: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA
