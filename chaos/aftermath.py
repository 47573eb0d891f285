"""After a game day: what the broker and its logs say, all of it as evidence, and the record of the day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chaos.day import Day
from chaos.evidence import Evidence, Left, Seen
from chaos.eyes import unowned
from chaos.probing import Ground, ask
from chaos.record import GameDay
from chaos.side import Side
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


def evidence_of(day: Day, side: Side, left: Left, *, interrupted: bool) -> Evidence:
    """What the verdict on one side rests on; what broker and method came to is the same for all sides."""
    result, troubles = _result(side.folder / LOAD_FILE), list(day.troubles)
    if side.bystander:
        troubles.append(f"it was a bystander: {side.bystander}")
    if result is None and side.load is not None and side.load.ended and not interrupted:
        troubles.append(f"the load ended without a result: {side.load.words}")
    plain = None if result is None else result.to_dict()
    ground = Ground(eyes=day.stage.eyes, since=day.began, live=side.live, result=plain)
    probes = side.experiment.probes_of("end") if not interrupted else ()
    side.answers += [ask(probe, ground, when="end", t_s=day.now_s) for probe in probes]
    lookout, answers = day.lookout, (*side.answers, *day.answers)
    seen = Seen(answers=answers)
    if lookout is not None and side.listener is not None:
        seen = Seen(
            looks=tuple(lookout.looks),
            answers=(*answers, *side.listener.answers),
            alerts=tuple(lookout.alerts),
            alerts_trouble=lookout.alerts_trouble,
            wedged=tuple(lookout.wedged),
            suspected=tuple(side.listener.suspected),
            tripped=lookout.tripped,
            died=lookout.died,
        )
    faults = [each for each in day.stage.chaos.journal.read().faults if each.run_id == day.run_id]
    return Evidence(
        experiment=side.experiment,
        began=day.began,
        load=result,
        live=side.live,
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
            left = Left(queues=tuple(queues), channels_unacked=unacked, orphans=day.orphans)
            found = unowned(queues, unacked)
            if all(count <= day.orphans.get(vhost, 0) for vhost, count in found.items()):
                break
        if day.now_s >= end_s:
            break
        day.stage.chaos.clock.sleep(1.0)
    try:
        return replace(left, logs=eyes.log_lines(day.began))
    except WarrenError as error:
        return replace(left, trouble=left.trouble or f"{error.where}: {error.what}")


def _together(day: Day, side: Side) -> dict[str, Any]:
    """Beside whom it was played; nothing where it was alone."""
    if len(day.sides) == 1:
        return {}
    others = {each.profile: each.run_id for each in day.sides if each is not side}
    return {"day": day.run_id, "beside": others, "bystander": side.bystander}


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    ended_at: str


def record(day: Day, side: Side, evidence: Evidence, judgement: Judgement, about: About) -> GameDay:
    return GameDay(
        experiment=side.experiment.name,
        title=side.experiment.title,
        run_id=side.run_id,
        seed=side.seed,
        started_at=iso(day.began),
        ended_at=about.ended_at,
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        profile=side.profile,
        together=_together(day, side),
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
