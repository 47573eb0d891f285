"""An assertion and the result of one: what must hold, how it is known, whether it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from warren.assertions.facts import Facts

#: ``must`` holds on every cluster of Warren; ``production`` may be waived in a topology, with a reason.
Level = Literal["must", "production"]
Verdict = Literal["passed", "failed", "waived"]
#: Where it can be asked: on every cluster, or only where the nodes are containers, or services of hosts.
On = Literal["both", "containers", "hosts"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether it holds, and the figures that say so."""

    passed: bool
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """One thing that must hold. ``title`` completes the sentence "it must hold that …"; ``reads`` says where
    the facts come from, ``on`` what kind of nodes it can be asked of; ``check`` is pure."""

    id: str
    level: Level
    title: str
    reads: str
    on: On = "both"
    check: Callable[[Facts], Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionResult:
    """The result of one assertion; ``reason`` is the waiver's, and is set only where it was waived."""

    id: str
    level: Level
    title: str
    verdict: Verdict
    evidence: str
    reason: str = ""


def everywhere(bad: dict[str, str], good: str) -> Outcome:
    """Passed with ``good`` when ``bad`` is empty, else failed naming each place and what is there."""
    if bad:
        return Outcome(False, "; ".join(f"{place}: {what}" for place, what in bad.items()))
    return Outcome(True, good)
