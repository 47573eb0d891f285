"""A game day under way: what has happened, and the steps of its method as they fall due."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from chaos import beside, engine
from chaos import fault as catalogue
from chaos.context import ChaosContext
from chaos.experiment import Experiment, Step
from chaos.eyes import Eyes
from chaos.healing import lift
from chaos.lookout import Lookout
from chaos.probing import Answer, Ground, ask
from chaos.record import Event
from chaos.schedule import Done, due_s
from chaos.side import LoadRun, Side
from chaos.striking import Struck
from loadgen.child import Wish
from warren.errors import NotReadyError, WarrenError
from warren.journal import Fault

_POLL_S = 0.2
#: A condition is asked of the broker or of Prometheus, which have other things to do.
_ASK_EVERY_S = 1.0
#: Of the load's time, what must be left when a fault is healed: what follows it is to be seen.
_ROOM_S = 2.0


class HangError(WarrenError):
    """Something did not end, or did not come, within its deadline."""


class Stopped(Exception):  # noqa: N818 - no error: the method ends here, and the day is judged
    """The method goes no further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a game day is played on. ``watching`` lets a lookout look while its block lasts, ``aside`` does
    something beside all else."""

    chaos: ChaosContext
    eyes: Eyes
    start_load: Callable[[Wish, Path, Callable[[str], None]], LoadRun]
    watching: Callable[[Lookout], AbstractContextManager[None]]
    aside: Callable[[Callable[[], None]], None]


@dataclass(slots=True)
class Day:
    """One game day. Times are seconds since it began, those of steps since publishing began (the last of
    several loads to do so). The method is that of the first of its ``sides``, for the loads of all."""

    stage: Stage
    sides: Sequence[Side]
    steps: Sequence[Step]
    run_id: str
    seed: int
    began: datetime
    began_s: float
    lookout: Lookout | None = None
    events: list[Event] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    orphans: Mapping[str, int] = field(default_factory=dict)
    done: dict[str, Done] = field(default_factory=dict)
    held: dict[str, tuple[Fault, ...]] = field(default_factory=dict)
    _until_s: dict[str, float] = field(default_factory=dict)
    _ask_next_s: float = 0.0

    @property
    def now_s(self) -> float:
        return round(self.stage.chaos.clock.now() - self.began_s, 3)

    @property
    def at_s(self) -> float:
        """Seconds since publishing began."""
        return self.now_s - self.publishing_s

    @property
    def publishing_s(self) -> float:
        return max(side.publishing_s for side in self.sides)

    @property
    def experiment(self) -> Experiment:
        """The one whose method is played."""
        return self.sides[0].experiment

    @property
    def live(self) -> Mapping[str, Any]:
        return self.sides[0].live

    def tell(self, kind: str, what: str) -> None:
        """Note something that happened, and say it."""
        self.events.append(Event(t_s=self.now_s, kind=kind, what=what))
        self.stage.chaos.say(f"{self.now_s:6.1f} s  {kind:<9} {what}")

    def play(self) -> None:
        """The whole method. Raises Stopped where a stop condition, or the end of the load, ends it;
        HangError where a condition does not come; WarrenError where an act fails."""
        pending = list(self.steps)
        while pending or self.held:
            self._look_up()
            self._lift_due()
            self._end_monkey(pending)
            for step in [each for each in pending if self._is_due(each)]:
                pending.remove(step)
                self._do(step)
            self.rest()

    def _end_monkey(self, pending: list[Step]) -> None:
        """Leave out what the monkey has drawn and would not be over in its time: the draw assumes that a
        cluster is whole at once."""
        monkey = self.experiment.monkey
        if monkey is None:
            return
        drawn = [step for step in pending if step not in self.experiment.method]
        if not drawn or self.at_s + (drawn[0].hold_s or 0.0) <= monkey.until_s:
            return
        self.tell("left out", f"{len(drawn)} more that the monkey has drawn: its time is over")
        for step in drawn:
            pending.remove(step)

    def rest(self) -> None:
        self.stage.chaos.clock.sleep(_POLL_S)

    def lift_all(self) -> None:
        """Heal what is held, the last first."""
        for name in reversed(list(self.held)):
            self._lift(name)

    def roll_back(self) -> None:
        """The experiment's own rollbacks, in their order, once its faults are to end: whatever of it fails is
        told, and keeps neither the others nor the healing that follows from being done."""
        for step in self.experiment.rollbacks:
            try:
                if step.probe is not None:
                    self._do(step)
                elif step.heals == "all":
                    self.lift_all()
                elif step.heals in self.held:
                    self._lift(step.heals)
            except WarrenError as error:
                self.troubles.append(f"rollback '{step.name}': {error.where}: {error.what}")
                self.tell("trouble", self.troubles[-1])

    def _look_up(self) -> None:
        """Whether there is a reason to go no further."""
        tripped = None if self.lookout is None else self.lookout.tripped
        if tripped is not None:
            self.tell("stop", str(tripped))
            raise Stopped
        for side in self.sides:
            if side.load is None or side.load.ended:
                which = f"the load {side.profile}" if len(self.sides) > 1 else "the load"
                self.troubles.append(f"{which} ended before the method was over")
                raise Stopped

    def _is_due(self, step: Step) -> bool:
        due = due_s(step, self.done)
        if due is None or self.at_s < due:
            return False
        until = step.moment.until
        if until is None:
            return True
        since_s = self._until_s.setdefault(step.name, self.at_s)
        if self.at_s < self._ask_next_s:
            return False
        self._ask_next_s = self.at_s + _ASK_EVERY_S
        answer = ask(until, self._ground(), when="until", t_s=self.now_s)
        if answer.holds:
            return True
        if self.at_s - since_s > step.moment.within_s:
            what = f"waited {step.moment.within_s:g} s for '{until.name}' before '{step.name}': {answer}"
            raise HangError(step.name, what)
        return False

    def _ground(self) -> Ground:
        return Ground(eyes=self.stage.eyes, since=self.began, live=self.live)

    def _do(self, step: Step) -> None:
        if step.probe is not None:
            answer = ask(step.probe, self._ground(), when=step.name, t_s=self.now_s)
            self.answers.append(answer)
            self.tell("probe", str(answer))
            self.done[step.name] = Done(injected_s=self.at_s, healed_s=self.at_s)
        elif step.heals:
            if step.heals in self.held:
                self._lift(step.heals)
            self.done[step.name] = Done(injected_s=self.at_s, healed_s=self.at_s)
        elif self.now_s + (step.hold_s or 0.0) > min(side.ends_s for side in self.sides) - _ROOM_S:
            self.tell("left out", f"{step.name}: the load ends too soon for it")
            if step in self.experiment.method:
                self.troubles.append(f"there was no time left for '{step.name}'")
        else:
            self._strike(step)

    def _strike(self, step: Step) -> None:
        order = engine.Order(
            fault=step.fault,
            target=step.target,
            args=step.args,
            majority_loss=step.majority_loss,
            run_id=self.run_id,
            seed=self.seed,
        )
        kind: object = catalogue.load(step.fault)
        if isinstance(kind, catalogue.Course):
            self.tell("fault", f"{step.name}: {step.fault} begins, and takes its time")
            began_s = self.at_s
            engine.inject(self.stage.chaos, order)
            self.done[step.name] = Done(injected_s=began_s, healed_s=self.at_s)
            self.tell("heal", f"{step.name}: {step.fault} is over")
            return
        led = self._leaders(step)
        struck = engine.begin(self.stage.chaos, order)
        self._look_for_bystanders(led, struck)
        self.held[step.name] = tuple(fault for fault, _ in struck)
        self.done[step.name] = Done(injected_s=self.at_s)
        hold = "" if step.hold_s is None else f", for {step.hold_s:g} s"
        for fault, _ in struck:
            self.tell("fault", f"{step.name}: {fault.name} of {fault.target} is proven{hold}")
        if any(resolved.queue is not None for _, resolved in struck):
            chaos, within_s = self.stage.chaos, step.hold_s or 30.0
            self.stage.aside(lambda: engine.observe(chaos, order, struck, deadline_s=within_s))

    def _leaders(self, step: Step) -> Mapping[str, str]:
        """Who leads the queues of the other sides now that the leader of the first side's is to be struck."""
        if len(self.sides) == 1 or step not in self.steps[: len(self.experiment.method)]:
            return {}
        return beside.leaders(self.stage.chaos, self.sides, list(self.steps).index(step))

    def _look_for_bystanders(self, led: Mapping[str, str], struck: Struck) -> None:
        nodes = [fault.target for fault, _ in struck]
        for side in self.sides:
            leader = led.get(side.run_id)
            if leader is not None and leader not in nodes:
                side.bystander = f"its queue was led by {leader} while {', '.join(nodes)} was struck"
                self.tell("trouble", f"{side.profile} was a bystander: {side.bystander}")

    def _lift_due(self) -> None:
        for step in self.steps:
            begun = self.done.get(step.name, Done()).injected_s
            if step.name not in self.held or step.hold_s is None or begun is None:
                continue
            if self.at_s >= begun + step.hold_s:
                self._lift(step.name)

    def _lift(self, name: str) -> None:
        faults = self.held[name]
        begun = self.done.get(name, Done()).injected_s
        open_now = {each.fault_id for each in self.stage.chaos.journal.open_faults()}
        for fault in faults:
            if fault.fault_id not in open_now:
                self.tell("heal", f"{name}: {fault.fault_id} was healed by another command")
                self.troubles.append(f"{fault.fault_id} was healed by another command before its time")
        mine = [fault for fault in faults if fault.fault_id in open_now]
        lift(self.stage.chaos, mine)
        for fault in mine:
            self.tell("heal", f"{name}: {fault.target} is healed of {fault.name}")
        del self.held[name]
        self.done[name] = Done(injected_s=begun, healed_s=self.at_s)


def left_open(day: Day) -> list[Fault]:
    """The open faults of this day, from the journal, and from memory where it cannot be read."""
    try:
        return [each for each in day.stage.chaos.journal.open_faults() if each.run_id == day.run_id]
    except NotReadyError as error:
        day.stage.chaos.say(f"{error.where}: {error.what}")
        return [fault for faults in day.held.values() for fault in faults]
