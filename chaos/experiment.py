"""A game day as its file says it: what must hold, under which load, what is broken when, what is expected.

Keys of the file are chaostoolkit's where they mean the same (title, description, tags,
steady-state-hypothesis, method, rollbacks). Durations and times here are seconds.
https://chaostoolkit.org/reference/api/experiment/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from chaos.target import Target

#: When a probe of the hypothesis is asked: before anything, all the while, and when all is over.
When = Literal["start", "during", "end"]
#: Which moment of another step a step may wait for.
Edge = Literal["injected", "healed"]
#: What publishers or consumers do while the fault lasts, once its gap is over.
Goes = Literal["goes-on", "stops", "any"]

#: Where the load's clients connect first.
Attach = Literal["any", "target", "not-target"]

#: The figures that an interval may be expected of.
FIGURES = (
    "confirm_gap_s",
    "delivery_gap_s",
    "redundancy_s",
    "drain_s",
    "redelivered_ratio",
    "failed_publishes",
    "suspected_s",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What a probe's value must be: one of ``values``, or a number from ``low`` to ``high``."""

    values: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None

    def holds(self, value: Any) -> bool:
        if self.values:
            return value in self.values
        if not isinstance(value, int | float):
            return False
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.values:
            return " or ".join(str(each) for each in self.values)
        if self.low is None:
            return f"at most {self.high:g}"
        return f"at least {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One question. ``provider`` is who is asked (ledger, promql, broker, log), ``what`` the rest of it."""

    name: str
    provider: str
    what: Mapping[str, str]
    tolerance: Tolerance
    when: tuple[When, ...] = ("start", "end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a step is due: ``at_s`` after publishing began, or ``wait_s`` after an edge of the step ``after``;
    in either case not before ``until`` holds, for which it is waited ``within_s`` at most."""

    at_s: float | None = None
    after: str = ""
    edge: Edge = "injected"
    wait_s: float = 0.0
    until: Probe | None = None
    within_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the method: ``fault`` is injected and held for ``hold_s``, or until a step that ``heals``
    it; or ``probe`` is asked."""

    name: str
    moment: Moment
    fault: str = ""
    target: Target = field(default_factory=Target)
    args: Mapping[str, str] = field(default_factory=dict)
    hold_s: float | None = None
    majority_loss: bool = False
    heals: str = ""
    probe: Probe | None = None


def first_target(steps: Sequence[Step]) -> Target | None:
    """Whom the first of ``steps`` that breaks a node strikes; None where none does."""
    return next((step.target for step in steps if step.fault and step.target.ways), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Which profile runs meanwhile; ``settings`` are key paths of it. Its clients ``attach`` to what the
    method's first fault will strike, or to the nodes beside it, so that what the client meets and what the
    broker does are not mixed up."""

    profile: str
    rate: str | None = None
    duration_s: float
    settings: Mapping[str, str] = field(default_factory=dict)
    attach: Attach = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What a figure should be, and where that is from."""

    low: float | None = None
    high: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAlert:
    """An alert that must fire ``within_s`` of the first fault and be over ``clears_within_s`` after the last
    healing."""

    name: str
    within_s: float
    clears_within_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What confirms and deliveries do while the fault lasts."""

    confirms: Goes = "any"
    deliveries: Goes = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Monkey:
    """Faults drawn from a seed. ``faults`` maps names to their settings; one at a time, ``every`` and
    ``hold`` are the shortest and longest of each draw, in seconds, ``until_s`` when the last may be over."""

    faults: Mapping[str, Mapping[str, str]]
    every_s: tuple[float, float]
    hold_s: tuple[float, float]
    from_s: float
    until_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One game day. ``presumes`` are settings of the broker on which its intervals rest, ``tolerates`` names
    checks whose failing is told and does not fail the day; ``rollbacks`` heal what is held in an order of
    their own, or ask a probe then: all else is healed after them."""

    name: str
    title: str
    description: str
    teaches: str
    load: Load
    tags: tuple[str, ...] = ()
    hypothesis: str = ""
    probes: tuple[Probe, ...] = ()
    method: tuple[Step, ...] = ()
    monkey: Monkey | None = None
    rollbacks: tuple[Step, ...] = ()
    expectations: Mapping[str, Interval] = field(default_factory=dict)
    alerts: tuple[ExpectedAlert, ...] = ()
    stop_conditions: tuple[Probe, ...] = ()
    progress: Progress = field(default_factory=Progress)
    presumes: Mapping[str, float] = field(default_factory=dict)
    tolerates: tuple[str, ...] = ()
    panels: tuple[str, ...] = ()

    def probes_of(self, when: When) -> tuple[Probe, ...]:
        return tuple(probe for probe in self.probes if when in probe.when)

    @property
    def longest_s(self) -> float:
        """Until when, after publishing began, the method may be under way, waits of conditions included."""
        ends: dict[str, tuple[float, float]] = {}
        for step in self.method:
            moment = step.moment
            injected, healed = ends.get(moment.after, (0.0, 0.0))
            began = (
                moment.at_s if moment.at_s is not None else (healed if moment.edge == "healed" else injected)
            )
            began += moment.wait_s + (moment.within_s if moment.until else 0.0)
            ends[step.name] = (began, began + (step.hold_s or 0.0))
        return max((end for _, end in ends.values()), default=0.0)
