"""Plays a game day: gate, load, method, healing, gate, verdict. Whatever comes, it heals and judges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos import alerting, before, schedule
from chaos.aftermath import LOAD_FILE, About, evidence_of, look_back, record
from chaos.day import Day, HangError, Stage, Stopped, left_open
from chaos.experiment import Experiment
from chaos.healing import GATE_DEADLINE_S, STEADY_S, heal_these
from chaos.lookout import Lookout
from chaos.record import GameDay
from chaos.verdict import judge
from loadgen.child import Wish
from warren.errors import DeadlineError, InconclusiveError, NotReadyError, WarrenError
from warren.results import iso
from warren.signals import interruptible, terminate_as_interrupt

#: An image may have to be built first.
START_S = 240.0
#: From the end of publishing: what the broker may hold back of a dead consumer's node, and the drain of it.
DRAIN_S = 420.0
#: From a ^C, or the order to stop, to the result; then it is ended by force.
STOP_S = 180.0
#: How much longer than all of its waits together a game day may take before its watchdog heals.
_SLACK_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which game day is to be played, under which name, and where its files go."""

    experiment: Experiment
    seed: int
    run_id: str
    folder: Path


def conduct(stage: Stage, wanted: Wanted) -> tuple[GameDay, bool]:
    """Play the game day and judge it; whether it was interrupted is told too.

    Raises, before anything has changed, NotReadyError where the cluster is not as it should be or as the
    experiment presumes. After that it always returns, with all healed that could be healed.
    """
    chaos, experiment = stage.chaos, wanted.experiment
    before.refuse_residue(chaos)
    settings = before.settings(experiment, stage.eyes)
    versions = stage.eyes.versions()
    day = Day(
        stage=stage,
        experiment=experiment,
        steps=schedule.steps(experiment, chaos.nodes, wanted.seed),
        run_id=wanted.run_id,
        seed=wanted.seed,
        began=chaos.now(),
        began_s=chaos.clock.now(),
    )
    day.answers += before.steady(experiment, stage.eyes, day.began)
    interrupted = _play(day, wanted.folder)
    about = About(settings=settings, versions=versions, ended_at=iso(chaos.now()))
    left, stopped = look_back(day)
    interrupted = interrupted or stopped
    evidence = evidence_of(day, left, wanted.folder, interrupted=interrupted)
    return record(day, evidence, judge(evidence), about), interrupted


def _play(day: Day, folder: Path) -> bool:
    """Load and method, then healing; whether it was interrupted."""
    chaos = day.stage.chaos
    within_s = START_S + day.experiment.load.duration_s + DRAIN_S + _SLACK_S
    interrupted = False
    with chaos.watch(day.run_id, within_s=within_s), terminate_as_interrupt():
        try:
            try:
                _run(day, folder)
            except KeyboardInterrupt:
                interrupted = True
                day.tell("stop", "interrupted: healing, then judging what there is")
            finally:
                day.roll_back()
                _heal(day)
        except KeyboardInterrupt:  # of the healing itself: the fault stays open in the journal
            interrupted = True
        later = [_finish_load(day), _close(day)]
    return interrupted or any(later)


def _run(day: Day, folder: Path) -> None:
    """Up to the end of the method; what goes wrong is noted, and ends it."""
    try:
        _begin_load(day, folder)
        with _looking(day):
            day.play()
            day.tell("method", "is over")
            _await_load(day, day.experiment.load.duration_s + DRAIN_S)
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


def _begin_load(day: Day, folder: Path) -> None:
    load = day.experiment.load
    wish = Wish(
        profile=load.profile,
        rate=load.rate,
        duration=f"{load.duration_s:g}s",
        settings=load.settings,
        seed=day.seed,
    )
    day.load = day.stage.start_load(wish, folder / LOAD_FILE, lambda text: day.tell("load", text))
    end_s = day.now_s + START_S
    while not day.load.last:
        if day.load.ended:
            raise NotReadyError("load", f"ended before it published: {day.load.words}")
        if day.now_s > end_s:
            raise HangError("load", f"did not begin to publish within {START_S:g} s")
        day.rest()
    day.publishing_s = day.now_s - float(day.load.last.get("t_s", 0.0))
    day.tell("load", f"{load.profile} publishes")


@contextmanager
def _looking(day: Day) -> Iterator[None]:
    chaos = day.stage.chaos
    day.lookout = Lookout(
        eyes=day.stage.eyes,
        nodes=len(chaos.nodes),
        during=day.experiment.probes_of("during"),
        stops=day.experiment.stop_conditions,
        live=lambda: day.live,
        now_s=lambda: day.now_s,
        now=chaos.now,
        since=day.began,
    )
    with day.stage.watching(day.lookout):
        yield


def _await_load(day: Day, within_s: float) -> None:
    """Wait for the load's end, and stop where a stop condition says so. Raises HangError."""
    end_s = day.publishing_s + within_s
    while day.load is not None and not day.load.ended:
        if day.lookout is not None and day.lookout.tripped is not None:
            day.tell("stop", str(day.lookout.tripped))
            raise Stopped
        if day.now_s > end_s:
            raise HangError("load", f"did not end within {within_s:g} s of its beginning")
        day.rest()


def _await_quiet(day: Day) -> None:
    """Until the cluster has been seen to be whole after the faults, and the alerts have cleared."""
    healed_s = max((event.t_s for event in day.events if event.kind == "heal"), default=day.now_s)
    end_s = healed_s + max(alerting.settles_s(day.experiment.alerts), STEADY_S)
    lookout = day.lookout
    while lookout is not None and day.now_s < end_s:
        looks = [look for look in lookout.looks if look.t_s > healed_s]
        whole = any(look.is_whole for look in looks)
        alerts = [each for each in lookout.alerts if each[0] > healed_s]
        if whole and alerts and alerting.all_clear(day.experiment.alerts, alerts[-1][2]):
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


def _finish_load(day: Day) -> bool:
    """Let the load drain and judge if it still runs; by force where it does not end. Whether ^C came."""
    load = day.load
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


def _close(day: Day) -> bool:
    """The gate after, and leaders spread again. Whether ^C came."""
    chaos = day.stage.chaos
    try:
        with interruptible():
            chaos.wait_ready(deadline_s=GATE_DEADLINE_S, steady_s=STEADY_S)
            day.tell("gate", "the cluster is whole")
            chaos.spread_leaders()
    except KeyboardInterrupt:
        return True
    except WarrenError as error:
        day.hangs.append(f"the gate after it: {error.where}: {error.what}")
        day.tell("hang", f"{error.where}: {error.what}")
    return False
