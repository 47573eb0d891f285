"""A plan: the steps that bring the broker's objects to what the topology wants, in their order."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from warren.objects.model import BrokerObject


class Action(StrEnum):
    """What a step does to its object. Only `ADD` can never take anything away from anybody."""

    ADD = "add"
    CHANGE = "change"
    RECREATE = "recreate"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value that is not as wanted; ``path`` is a dotted path in the object's body."""

    path: str
    actual: Any
    desired: Any

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.actual)} -> {_shown(self.desired)}"


def _shown(value: Any) -> str:
    return "unset" if value is None else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One object to write or, when it is extra, to remove. ``note`` says what a person should know first.

    ``password_hash`` is set where a user is written, ``password`` where a link is; neither ever shows in a
    representation or a result.
    """

    action: Action
    target: BrokerObject
    differences: tuple[Difference, ...] = ()
    note: str = ""
    password_hash: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def line(self) -> str:
        """The step as one line, with its differences."""
        details = "; ".join(str(each) for each in self.differences) or self.note
        return f"{self.action.value:<8} {self.target.title}" + (f"  [{details}]" if details else "")

    def as_result(self) -> dict[str, Any]:
        """The step for ``--json``, without its secret."""
        return {
            "action": self.action.value,
            "kind": self.target.kind.value,
            "vhost": self.target.vhost or None,
            "name": list(self.target.name),
            "title": self.target.title,
            "differences": [
                {"path": each.path, "actual": each.actual, "desired": each.desired}
                for each in self.differences
            ],
            "note": self.note,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps in the order in which they can be done: what is extra is removed first, dependents first."""

    steps: tuple[Step, ...]

    def __bool__(self) -> bool:
        return bool(self.steps)

    def of(self, *actions: Action) -> tuple[Step, ...]:
        """The steps of these actions, in order."""
        return tuple(step for step in self.steps if step.action in actions)

    def summary(self) -> str:
        """``2 to add, 1 to change, 0 to recreate, 1 extra``; or that nothing differs."""
        if not self.steps:
            return "the broker has what the topology asks for"
        words = {Action.ADD: "to add", Action.CHANGE: "to change", Action.RECREATE: "to recreate"}
        parts = [f"{len(self.of(action))} {word}" for action, word in words.items()]
        return ", ".join([*parts, f"{len(self.of(Action.EXTRA))} extra"])

    def as_result(self) -> dict[str, Any]:
        """The plan for ``--json``: no secret is in it."""
        return {
            "in_sync": not self.steps,
            "counts": {action.value: len(self.of(action)) for action in Action},
            "steps": [step.as_result() for step in self.steps],
        }
