"""`warren chaos run` as one call: from a name to a record, its files and its page."""

from __future__ import annotations

import importlib
import os
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chaos import before, beside, check, conduct, engine, experiment_reader, fault, record_file, schedule
from chaos.conduct import Wanted
from chaos.context import ChaosContext
from chaos.day import Stage
from chaos.experiment import Experiment, Step
from chaos.eyes import ClusterEyes, Eyes
from chaos.known import known
from chaos.probing import Answer
from chaos.record import GameDay
from chaos.side import LoadRun
from chaos.wiring import chaos_context
from loadgen import child
from warren.context import Context
from warren.errors import NotReadyError, WarrenError
from warren.topology import Topology

#: While a node is frozen the management API waits for its share of the figures: a look must not wait as long.
_LOOK_TIMEOUT_S = 4.0
REPORT = "report.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A game day that was played, where its files are, and whether it was interrupted."""

    day: GameDay
    folder: Path
    report: Path | None
    interrupted: bool


def read(topology: Topology, name: str, overrides: Mapping[str, str] | None = None) -> Experiment:
    """The experiment called ``name``, or of that file; raises BadInputsError with all that is wrong."""
    there = known(topology, faults=fault.names(), checks=check.names())
    return experiment_reader.load(name, there, overrides)


def play(context: Context, experiment: Experiment, *, seed: int | None, out: Path | None) -> Played:
    """Play ``experiment`` on the cluster at hand; its files go to ``out``, or beside the load runs.

    Raises NotReadyError before anything is broken where the cluster is not as it should be.
    """
    stage = stage_of(context)
    wanted = _wanted(context, stage, experiment, fresh_seed() if seed is None else seed, out)
    (found,) = _play(stage, [wanted])
    return found


def play_together(
    context: Context, experiments: Sequence[Experiment], *, seed: int | None
) -> tuple[Played, ...]:
    """Play ``experiments`` as one game day (`chaos.beside`); the record of each in a folder of its own.

    Raises as `play` does, and BadInputError where they cannot be played together.
    """
    beside.method(experiments)
    beside.refuse_clash(experiments, context.topology)
    stage, seed = stage_of(context), fresh_seed() if seed is None else seed
    return _play(stage, [_wanted(context, stage, each, seed, None) for each in experiments])


def _wanted(context: Context, stage: Stage, experiment: Experiment, seed: int, out: Path | None) -> Wanted:
    run_id = f"{experiment.name}-{stage.chaos.now():%Y%m%d-%H%M%S}-{stage.chaos.fresh_id()[:4]}"
    folder = out or record_file.folder_of(context.state, run_id)
    _make(folder)
    stage.chaos.say(f"{experiment.title}: {run_id}, seed {seed}")
    return Wanted(experiment=experiment, seed=seed, run_id=run_id, folder=folder)


def _play(stage: Stage, wanted: Sequence[Wanted]) -> tuple[Played, ...]:
    days, interrupted = conduct.conduct(stage, *wanted)
    found = []
    for each, day in zip(wanted, days, strict=True):
        record_file.write(day, each.folder / record_file.FILE)
        report = _page(day, each.folder)
        found.append(Played(day=day, folder=each.folder, report=report, interrupted=interrupted))
    return tuple(found)


def fresh_seed() -> int:
    """A seed, where none was given."""
    return secrets.randbelow(2**31)


def catalogue(topology: Topology) -> tuple[Experiment, ...]:
    """Every game day of the catalogue; raises as `read` does."""
    return tuple(read(topology, name) for name in experiment_reader.names())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a dry run found: the answers of the probes, the steps, and by step whom its fault would strike
    now, or why it may not."""

    answers: tuple[Answer, ...]
    steps: tuple[Step, ...]
    whom: Mapping[str, str]


def rehearse(context: Context, experiment: Experiment, *, seed: int) -> Rehearsal:
    """What a dry run does: the gate, the settings, the probes that are asked before anything, and a look at
    whom each fault would strike.

    Raises NotReadyError as `play` does; nothing is changed.
    """
    stage = stage_of(context)
    steps = schedule.steps(experiment, stage.chaos.nodes, seed)
    before.refuse_residue(stage.chaos)
    before.refuse_missing(stage.chaos, steps)
    before.settings(experiment, stage.eyes)
    answers = before.steady(experiment, stage.eyes, stage.chaos.now())
    whom = {step.name: _whom(stage.chaos, step, seed) for step in steps if step.fault}
    return Rehearsal(answers=answers, steps=steps, whom=whom)


def _whom(context: ChaosContext, step: Step, seed: int) -> str:
    order = engine.Order(
        fault=step.fault, target=step.target, args=step.args, majority_loss=step.majority_loss, seed=seed
    )
    try:
        return ", ".join(planned.node for planned in engine.plan(context, order).targets)
    except WarrenError as error:
        return f"refused: {error.where}: {error.what}"


def stage_of(context: Context) -> Stage:
    """The cluster at hand as a stage."""
    chaos = chaos_context(context)
    env = {**os.environ, "WARREN_TOPOLOGY": str(context.topology_path.resolve())}

    def start_load(wish: child.Wish, out: Path, hear: Callable[[str], None]) -> LoadRun:
        return child.start(wish, out, env=env, hear=hear)

    return Stage(
        chaos=chaos,
        eyes=_eyes(context),
        start_load=start_load,
        watching=lambda lookout: lookout.in_background(),
        aside=_aside,
    )


def _eyes(context: Context) -> Eyes:
    return ClusterEyes(
        topology=context.topology,
        runtime=context.nodes,
        management=context.management_as(
            context.topology.account("operator").name, timeout_s=_LOOK_TIMEOUT_S
        ),
        prometheus=lambda: context.prometheus,
    )


def _aside(act: Callable[[], None]) -> None:
    threading.Thread(target=act, name="observe", daemon=True).start()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise NotReadyError(str(folder), f"cannot be made: {error.strerror}") from error


def _page(day: GameDay, folder: Path) -> Path | None:
    """The load run's page with the game day on it; none where there was no run to show. The report package
    stands beside this one, so it is found by its name."""
    if not day.load:
        return None
    write: Any = importlib.import_module("report.page").write_report
    load = {**day.load, "faults": day.load.get("faults") or ()}
    written: Path = write(load, out=folder / REPORT, gameday=record_file.to_dict(replace(day, load={})))
    return written
