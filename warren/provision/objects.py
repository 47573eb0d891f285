"""The broker's objects for Ansible: one plan, carried out or only shown, as text that holds no secret."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from warren.objects import planning
from warren.objects.steps import Action, Plan, Step
from warren.objects.writing import command_for
from warren.provision.hosts import HostContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was done, or would be; what was left because nobody allowed it; and both sides for a diff."""

    done: tuple[Step, ...]
    left: tuple[Step, ...]
    summary: str

    @property
    def before(self) -> str:
        """The objects of ``done`` as the broker has them."""
        return _text(self.done, wanted=False)

    @property
    def after(self) -> str:
        """The same as the topology wants them."""
        return _text(self.done, wanted=True)

    @property
    def left_text(self) -> str:
        """What is left, and the command that would do it; empty where nothing is."""
        return planning.left_text([step.line for step in self.left], command_for(self.left))

    def as_result(self) -> dict[str, Any]:
        """For Ansible: titles, no secret."""
        return {
            "changed": bool(self.done),
            "summary": self.summary,
            "done": [step.line for step in self.done],
            "left": [step.line for step in self.left],
        }


def bring(context: HostContext, *, only_look: bool, prune: bool, recreate: bool) -> Outcome:
    """Make the cluster's objects those of the topology: additions and changes always, removal of what is
    extra with ``prune``, deleting and declaring anew with ``recreate``. With ``only_look`` nothing is done,
    and no password is made.

    Raises RefusedError where messages or users in use would be lost, NotReadyError when no node answers.
    """
    if only_look:
        return outcome(planning.current_plan(context), prune=prune, recreate=recreate)
    found = planning.apply_now(context, prune=prune, recreate=recreate)
    return Outcome(done=found.done, left=found.left, summary=_counted(found.done, found.left))


def outcome(plan: Plan, *, prune: bool, recreate: bool) -> Outcome:
    """What carrying out ``plan`` would come to."""
    allowed = [Action.ADD, Action.CHANGE]
    allowed += [action for wanted, action in ((prune, Action.EXTRA), (recreate, Action.RECREATE)) if wanted]
    done = plan.of(*allowed)
    left = tuple(step for step in plan.steps if step.action not in allowed)
    return Outcome(done=done, left=left, summary=plan.summary())


def _counted(done: Sequence[Step], left: Sequence[Step]) -> str:
    return Plan(steps=(*done, *left)).summary()


def _text(steps: Iterable[Step], *, wanted: bool) -> str:
    """A block an object, in YAML; an object that is not there on this side has none."""
    blocks = {step.target.title: body for step in steps if (body := _side(step, wanted=wanted)) is not None}
    return yaml.safe_dump(blocks, sort_keys=False, width=110, allow_unicode=True) if blocks else ""


def _side(step: Step, *, wanted: bool) -> Any:
    """One side of a step: the whole object where it comes or goes, else what differs. The planner never puts
    a password or its hash into a difference."""
    if step.differences:
        return {each.path: _plain(each.desired if wanted else each.actual) for each in step.differences}
    if step.action is Action.RECREATE:
        return step.note
    there = step.action is Action.EXTRA
    return _plain(step.target.body) if there is not wanted else None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
