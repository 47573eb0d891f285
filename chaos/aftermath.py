"""After a game day: what the broker and its logs say, all of it as evidence, and the record of the day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chaos.day import Day
from chaos.evidence import Evidence, Left, Seen
from chaos.probing import Ground, ask
from chaos.record import GameDay
from chaos.verdict import Judgement
from warren.errors import WarrenError
from warren.journal import as_dict
from warren.results import LoadResult, iso, read_result
from warren.signals import terminate_as_interrupt

#: For unacknowledged messages that no channel owns to come back by design: those of a consumer behind a
#: silent cut 4.3 holds for net_ticktime and a quarter, and 60 s after that. The figures are 5 s old.
_SETTLE_S = 145.0
LOAD_FILE = "load.json"


def look_back(day: Day) -> tuple[Left, bool]:
    """What is left when all is over; whether ^C kept it from being looked at."""
    with terminate_as_interrupt():
        try:
            return _left(day), False
        except KeyboardInterrupt:
            return Left(trouble="it was interrupted"), True


def evidence_of(day: Day, left: Left, folder: Path, *, interrupted: bool) -> Evidence:
    result, troubles = _result(folder / LOAD_FILE), list(day.troubles)
    if result is None and day.load is not None and day.load.ended and not interrupted:
        troubles.append(f"the load ended without a result: {day.load.words}")
    plain = None if result is None else result.to_dict()
    ground = Ground(eyes=day.stage.eyes, since=day.began, live=day.live, result=plain)
    probes = day.experiment.probes_of("end") if not interrupted else ()
    day.answers += [ask(probe, ground, when="end", t_s=day.now_s) for probe in probes]
    lookout = day.lookout
    seen = Seen(answers=tuple(day.answers))
    if lookout is not None:
        seen = Seen(
            looks=tuple(lookout.looks),
            answers=(*day.answers, *lookout.answers),
            alerts=tuple(lookout.alerts),
            alerts_trouble=lookout.alerts_trouble,
            wedged=tuple(lookout.wedged),
            suspected=tuple(lookout.suspected),
            tripped=lookout.tripped,
            died=lookout.died,
        )
    faults = [each for each in day.stage.chaos.journal.read().faults if each.run_id == day.run_id]
    return Evidence(
        experiment=day.experiment,
        began=day.began,
        load=result,
        live=day.live,
        faults=tuple(faults),
        seen=seen,
        left=left,
        hangs=tuple(day.hangs),
        troubles=tuple(troubles),
        interrupted=interrupted,
    )


def _result(path: Path) -> LoadResult | None:
    try:
        return read_result(path)
    except WarrenError:
        return None


def _left(day: Day) -> Left:
    """What the broker and its logs say when all is over. Figures are let settle: until the queues and the
    channels agree, or for long enough."""
    eyes = day.stage.eyes
    end_s = day.now_s + _SETTLE_S
    left = Left()
    while True:
        try:
            queues, unacked = eyes.queues(), eyes.channels_unacked()
        except WarrenError as error:
            left = Left(trouble=f"{error.where}: {error.what}")
        else:
            left = Left(queues=tuple(queues), channels_unacked=unacked)
            if sum(queue.unacked or 0 for queue in queues) <= sum(unacked.values()):
                break
        if day.now_s >= end_s:
            break
        day.stage.chaos.clock.sleep(1.0)
    try:
        return replace(left, logs=eyes.log_lines(day.began))
    except WarrenError as error:
        return replace(left, trouble=left.trouble or f"{error.where}: {error.what}")


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    ended_at: str


def record(day: Day, evidence: Evidence, judgement: Judgement, about: About) -> GameDay:
    return GameDay(
        experiment=day.experiment.name,
        title=day.experiment.title,
        run_id=day.run_id,
        seed=day.seed,
        started_at=iso(day.began),
        ended_at=about.ended_at,
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        profile=day.experiment.load.profile,
        load={} if evidence.load is None else evidence.load.to_dict(),
        faults=tuple(as_dict(fault) for fault in evidence.faults),
        expectations=judgement.expectations,
        checks=judgement.checks,
        alerts=judgement.alerts,
        fired=judgement.fired,
        events=tuple(day.events),
        settings=about.settings,
        versions=about.versions,
    )
