"""Plays a game day: gate, load, method, healing, gate, verdict. Whatever comes, it heals and judges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from chaos import alerting, before, beside, schedule
from chaos import fault as catalogue
from chaos.aftermath import About, evidence_of, look_back, record
from chaos.day import Day, HangError, Stage, Stopped, left_open
from chaos.evidence import Left
from chaos.experiment import Experiment
from chaos.healing import GATE_DEADLINE_S, STEADY_S, heal_these
from chaos.loading import START_S, begin_loads
from chaos.lookout import Listener, Lookout
from chaos.record import GameDay
from chaos.side import Side
from chaos.verdict import judge
from warren.errors import DeadlineError, InconclusiveError, WarrenError
from warren.results import iso
from warren.signals import interruptible, terminate_as_interrupt

#: From the end of publishing: what the broker may hold back of a dead consumer's node, and the drain of it.
DRAIN_S = 420.0
#: From a ^C, or the order to stop, to the result; then it is ended by force.
STOP_S = 180.0
#: How much longer than all of its waits together a game day may take before its watchdog heals.
_SLACK_S = 300.0
#: How old the broker's figures of members are at most.
_FIGURES_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which game day is to be played, under which name, and where its files go."""

    experiment: Experiment
    seed: int
    run_id: str
    folder: Path


def conduct(stage: Stage, *wanted: Wanted) -> tuple[tuple[GameDay, ...], bool]:
    """Play the game day and judge it, or several as one (`chaos.beside`), each with a record of its own in
    the order given; whether it was interrupted is told too. The first one's seed draws what is drawn.

    Raises, before anything has changed, BadInputError for several that cannot be played together, and
    NotReadyError where the cluster is not as it should be or as an experiment presumes. After that it always
    returns, with all healed that could be healed.
    """
    chaos, first = stage.chaos, wanted[0]
    method = beside.method([each.experiment for each in wanted])
    steps = (*method, *schedule.drawn_steps(first.experiment, chaos.nodes, first.seed))
    before.refuse_residue(chaos)
    before.refuse_missing(chaos, steps)
    settings = stage.eyes.settings()
    for each in wanted:
        before.refuse_other_settings(each.experiment, settings)
    versions = stage.eyes.versions()
    day = Day(
        stage=stage,
        sides=[
            Side(experiment=each.experiment, run_id=each.run_id, folder=each.folder, seed=each.seed)
            for each in wanted
        ],
        steps=steps,
        run_id=first.run_id,
        seed=first.seed,
        began=chaos.now(),
        began_s=chaos.clock.now(),
    )
    for side in day.sides:
        side.answers += before.steady(side.experiment, stage.eyes, day.began)
    day.orphans = before.orphans(chaos, stage.eyes)
    for vhost, count in day.orphans.items():
        day.tell("gate", f"{count} unacknowledged messages of {vhost} belong to no channel from before")
    interrupted = _play(day)
    about = About(settings=settings, versions=versions, ended_at=iso(chaos.now()))
    left, stopped = look_back(day)
    interrupted = interrupted or stopped
    return tuple(_judged(day, side, left, about, interrupted) for side in day.sides), interrupted


def _judged(day: Day, side: Side, left: Left, about: About, interrupted: bool) -> GameDay:
    evidence = evidence_of(day, side, left, interrupted=interrupted)
    return record(day, side, evidence, judge(evidence), about)


def _play(day: Day) -> bool:
    """Load and method, then healing; whether it was interrupted."""
    chaos = day.stage.chaos
    within_s = START_S + _longest_s(day) + DRAIN_S + _SLACK_S
    interrupted = False
    with chaos.watch(day.run_id, within_s=within_s), terminate_as_interrupt():
        try:
            try:
                _run(day)
            except KeyboardInterrupt:
                interrupted = True
                day.tell("stop", "interrupted: healing, then judging what there is")
            finally:
                day.roll_back()
                _heal(day)
        except KeyboardInterrupt:  # of the healing itself: the fault stays open in the journal
            interrupted = True
        later = [*(_finish(day, side) for side in day.sides), _close(day)]
    return interrupted or any(later)


def _longest_s(day: Day) -> float:
    return max(side.experiment.load.duration_s for side in day.sides)


def _run(day: Day) -> None:
    """Up to the end of the method; what goes wrong is noted, and ends it."""
    try:
        begin_loads(day)
        with _looking(day):
            day.play()
            day.tell("method", "is over")
            _await_loads(day, _longest_s(day) + DRAIN_S)
            _await_quiet(day)
    except Stopped:
        pass
    except HangError as error:
        day.hangs.append(error.what)
        day.tell("hang", error.what)
    except InconclusiveError as error:
        day.troubles.append(error.what)
        day.tell("trouble", error.what)
    except WarrenError as error:
        day.troubles.append(f"{error.where}: {error.what}")
        day.tell("trouble", f"{error.where}: {error.what}")


@contextmanager
def _looking(day: Day) -> Iterator[None]:
    chaos = day.stage.chaos
    for side in day.sides:
        side.listener = Listener(
            live=partial(_live, side),
            during=side.experiment.probes_of("during"),
            stops=side.experiment.stop_conditions,
        )
    day.lookout = Lookout(
        eyes=day.stage.eyes,
        nodes=len(chaos.nodes),
        listeners=[side.listener for side in day.sides if side.listener is not None],
        now_s=lambda: day.now_s,
        now=chaos.now,
        since=day.began,
    )
    with day.stage.watching(day.lookout):
        yield


def _live(side: Side) -> Mapping[str, Any]:
    return side.live


def _await_loads(day: Day, within_s: float) -> None:
    """Wait for the end of every load, and stop where a stop condition says so. Raises HangError."""
    end_s = day.publishing_s + within_s
    while any(side.load is not None and not side.load.ended for side in day.sides):
        if day.lookout is not None and day.lookout.tripped is not None:
            day.tell("stop", str(day.lookout.tripped))
            raise Stopped
        if day.now_s > end_s:
            raise HangError("load", f"did not end within {within_s:g} s of its beginning")
        day.rest()


def _await_quiet(day: Day) -> None:
    """Until the cluster has been seen to be whole after the faults, and the alerts have cleared; at most for
    as long as either may take."""
    healed_s = max((event.t_s for event in day.events if event.kind == "heal"), default=day.now_s)
    expected = tuple(alert for side in day.sides for alert in side.experiment.alerts)
    redundancy = [side.experiment.expectations.get("redundancy_s") for side in day.sides]
    may_take_s = max(((each.high or 0.0) for each in redundancy if each is not None), default=0.0)
    end_s = healed_s + max(alerting.settles_s(expected), may_take_s, STEADY_S)
    lookout = day.lookout
    while lookout is not None and day.now_s < end_s:
        looks = [look for look in lookout.looks if look.t_s > healed_s]
        whole = any(look.is_whole for look in looks)
        alerts = [each for each in lookout.alerts if each[0] > healed_s]
        if whole and alerts and alerting.all_clear(expected, alerts[-1][2]):
            return
        day.rest()


def _heal(day: Day) -> None:
    """Rollbacks: everything of this day that is open, whatever happened. What cannot be healed is a hang."""
    faults = left_open(day)
    if not faults:
        return
    try:
        heal_these(day.stage.chaos, faults)
        for fault in faults:
            day.tell("heal", f"{fault.target} is healed of {fault.name}")
    except WarrenError as error:
        day.hangs.append(f"healing: {error.where}: {error.what}")
        day.tell("hang", f"{error.where}: {error.what}")
    day.held.clear()


def _finish(day: Day, side: Side) -> bool:
    """Let the load drain and judge if it still runs; by force where it does not end. Whether ^C came."""
    load = side.load
    if load is None:
        return False
    interrupted = False
    if not load.ended:
        day.tell("load", "is told to stop, drain and judge")
        load.interrupt()
    for _ in range(2):
        try:
            with interruptible():
                load.wait(STOP_S)
            return interrupted
        except KeyboardInterrupt:
            interrupted = True
            load.interrupt()
        except DeadlineError as error:
            day.hangs.append(f"{error.where}: {error.what} although it was told to stop")
            break
    load.kill()
    return interrupted


def _steady_s(day: Day) -> float:
    """For how long the cluster must be seen to be whole: a node that was only silent is counted out and in
    once more (`chaos.healing.STEADY_S`), unless its healing is so long ago that this is over and in the
    broker's figures too."""
    silent = any(catalogue.load(step.fault).is_silent for step in day.steps if step.fault)
    healed_s = max((event.t_s for event in day.events if event.kind == "heal"), default=None)
    if not silent or healed_s is None:
        return 0.0
    return min(STEADY_S, max(0.0, healed_s + STEADY_S + _FIGURES_S - day.now_s))


def _close(day: Day) -> bool:
    """The gate after, and leaders spread again. Whether ^C came."""
    chaos = day.stage.chaos
    try:
        with interruptible():
            chaos.wait_ready(deadline_s=GATE_DEADLINE_S, steady_s=_steady_s(day))
            day.tell("gate", "the cluster is whole")
            chaos.spread_leaders()
    except KeyboardInterrupt:
        return True
    except WarrenError as error:
        day.hangs.append(f"the gate after it: {error.where}: {error.what}")
        day.tell("hang", f"{error.where}: {error.what}")
    return False
