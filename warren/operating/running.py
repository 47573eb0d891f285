"""Carries an operation out: planned first, written down before its first act, stopped at the first doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from warren import signals
from warren.errors import NotReadyError, RefusedError, StoppedError, WarrenError
from warren.journal import Journal
from warren.operating import catalogue, record
from warren.operating.model import Args, Site, Step
from warren.operating.record import Record
from warren.results import iso


class HaltedError(NotReadyError):
    """The operation has stopped between its first and its last act; it says how to go on and how to undo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What is going to be done. ``record`` is what will be written down before the first act, ``resumed``
    whether the operation had been begun before, ``undoes`` whether this puts back what it did. ``options``
    say where."""

    name: str
    args: Args
    steps: Sequence[Step]
    record: Record
    resumed: bool = False
    undoes: bool = False
    options: tuple[str, ...] = ()

    @property
    def go_on(self) -> str:
        """The command that goes on from wherever this stops."""
        return f"{self._command}{' --undo' if self.undoes else ''} --yes"

    @property
    def undo(self) -> str:
        """The command that puts back what was there before, or why there is none."""
        undoing = catalogue.load(self.name).undoing
        if undoing.startswith("nothing"):
            return undoing
        return f"{self._command} --undo ({undoing})"

    @property
    def _command(self) -> str:
        return catalogue.command(self.name, self.args, self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done, how long each step took, and what was found."""

    planned: Planned
    seconds: Sequence[float]
    facts: Mapping[str, Any]


def plan(site: Site, name: str, given: Mapping[str, str | None], *, undo: bool = False) -> Planned:
    """What ``name`` would do now, all of it or what is left of it; nothing is changed.

    Raises BadInputError for what cannot be meant; RefusedError where it would do harm, where another
    operation is under way, or there is nothing to undo.
    """
    operation = catalogue.load(name)
    args = catalogue.arguments(site.topology, operation, given)
    begun = record.read(site.state)
    if begun is not None and (begun.name, dict(begun.args)) != (name, dict(args)):
        _refuse_another(begun, site.options)
    if undo:
        if begun is None:
            raise RefusedError(name, "was not begun, or has ended: there is nothing to undo")
        if not (steps := operation.undo(site, args, begun.facts)):
            remedy = f"go on: {_command(begun, site.options)}"
            raise RefusedError(name, f"cannot be undone: {operation.undoing}", remedy)
        return Planned(
            name=name, args=args, steps=steps, record=begun, resumed=True, undoes=True, options=site.options
        )
    _refuse_broken(site)
    if begun is None:
        begun, resumed = _fresh(site, name, args), False
    else:
        resumed = True
    steps = operation.steps(site, args, begun.facts)
    return Planned(name=name, args=args, steps=steps, record=begun, resumed=resumed, options=site.options)


def _fresh(site: Site, name: str, args: Args) -> Record:
    site.refuse(name, args)
    facts = catalogue.load(name).before(site, args)
    return Record(name=name, args=dict(args), began_at=iso(site.now()), facts=dict(facts))


def _command(begun: Record, options: Sequence[str]) -> str:
    return catalogue.command(begun.name, begun.args, options)


def _refuse_another(begun: Record, options: Sequence[str]) -> None:
    command = _command(begun, options)
    remedy = f"go on with it: {command}\nor undo it: {command} --undo"
    raise RefusedError(begun.name, f"began at {begun.began_at} and has not ended", remedy)


def _refuse_broken(site: Site) -> None:
    """Raise RefusedError while chaos has broken something: nobody could tell whose doing a trouble is."""
    broken = Journal(site.state.journal, site.now, site.clock).open_faults()
    if broken:
        named = ", ".join(f"{each.name} of {each.target}" for each in broken)
        raise RefusedError("the cluster", f"is under a fault: {named}", "heal it first: make chaos-heal")


def carry_out(site: Site, planned: Planned) -> Done:
    """Do every step. The caller holds the cluster's lock.

    Raises HaltedError where a step fails and StoppedError where the user interrupts; both say what stands,
    how to go on and how to undo. The record stays then, and goes with the last step.
    """
    if not planned.steps:
        record.close(site.state)
        return Done(planned=planned, seconds=(), facts=planned.record.facts)
    seconds, noted = [], replace(planned.record, stopped="")
    with signals.terminate_as_interrupt():
        if any(step.is_act for step in planned.steps):
            record.write(site.state, noted)
        for place, step in enumerate(planned.steps):
            site.say(f"{place + 1:>3} of {len(planned.steps)}  {step.what}")
            began_s = site.clock.now()
            try:
                noted = _do(site, step, noted)
            except (WarrenError, KeyboardInterrupt) as error:
                raise _halted(site, planned, place, noted, error) from error
            seconds.append(site.clock.now() - began_s)
        record.close(site.state)
    return Done(planned=planned, seconds=tuple(seconds), facts=noted.facts)


def _do(site: Site, step: Step, noted: Record) -> Record:
    """One step and what it found, written down in one go: an interrupt is held back until both are done."""
    if not step.is_act:
        return _noted(site, noted, step.do())
    with signals.shielded(site.say, f"'{step.what}'"):
        return _noted(site, noted, step.do())


def _noted(site: Site, noted: Record, found: Mapping[str, Any] | None) -> Record:
    if not found:
        return noted
    noted = replace(noted, facts={**noted.facts, **found})
    if record.path(site.state).exists():
        record.write(site.state, noted)
    return noted


def _halted(site: Site, planned: Planned, place: int, noted: Record, error: BaseException) -> WarrenError:
    """What to tell the user. Before the first act nothing has been changed, and nothing is kept."""
    step = planned.steps[place]
    acted = planned.resumed or any(each.is_act for each in planned.steps[: place + 1])
    where, why = (
        (error.where, error.what) if isinstance(error, WarrenError) else (planned.name, "interrupted")
    )
    what = f"{why}\n  {planned.name} stopped at step {place + 1} of {len(planned.steps)}: {step.what}"
    if not acted:
        record.close(site.state)
        remedy = error.remedy if isinstance(error, WarrenError) else ""
        return _of_kind(error, where, f"{what}; nothing was changed", remedy)
    what += f"; {step.left}" if step.left else ""
    record.write(site.state, replace(noted, stopped=f"{step.what}: {why}"))
    lines = [error.remedy] if isinstance(error, WarrenError) and error.remedy else []
    lines += [f"go on: {planned.go_on}"]
    lines += [] if planned.undoes else [f"undo: {planned.undo}"]
    return _of_kind(error, where, what, "\n       ".join(lines))


def _of_kind(error: BaseException, where: str, what: str, remedy: str) -> WarrenError:
    if isinstance(error, KeyboardInterrupt):
        return StoppedError(where, what, remedy)
    if isinstance(error, RefusedError):
        return RefusedError(where, what, remedy)
    return HaltedError(where, what, remedy)
