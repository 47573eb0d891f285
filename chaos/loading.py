"""The loads of a game day: each begun as it is wished for, until all of them publish."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from chaos import beside
from chaos.aftermath import LOAD_FILE
from chaos.day import Day, HangError
from chaos.experiment import first_target
from chaos.side import LoadRun, Side
from chaos.target import resolve
from loadgen.child import Wish
from warren.errors import NotReadyError

#: An image may have to be built first.
START_S = 240.0


def begin_loads(day: Day) -> None:
    """Begin the load of every side, and return once all of them publish. Where there are several none does
    before all are ready: each publishes for its own time, and the steps of the day count from the last.

    Raises NotReadyError where one ends before that, HangError where one does not come to it.
    """
    beside.gather(day.stage.chaos, day.sides)
    end_s = day.now_s + START_S
    for side in day.sides:
        _begin(day, side)
    if len(day.sides) > 1:
        for side in _arriving(day, lambda load: load.ready.is_set(), end_s, "was not ready"):
            day.tell("load", f"{side.profile} is ready")
        for side in day.sides:
            if side.load is not None:
                side.load.release()
    for side in _arriving(day, lambda load: bool(load.last), end_s, "did not begin to publish"):
        side.publishing_s = day.now_s - float(side.live.get("t_s", 0.0))
        day.tell("load", f"{side.profile} publishes")


def _arriving(day: Day, here: Callable[[LoadRun], bool], end_s: float, late: str) -> Iterator[Side]:
    """Each side once its load is ``here``, until all are."""
    waiting = list(day.sides)
    while waiting:
        for side in list(waiting):
            if side.load is not None and here(side.load):
                waiting.remove(side)
                yield side
            elif side.load is None or side.load.ended:
                words = "" if side.load is None else side.load.words
                raise NotReadyError("load", f"ended before it published: {words}")
        if waiting and day.now_s > end_s:
            raise HangError("load", f"{late} within {START_S:g} s")
        if waiting:
            day.rest()


def _begin(day: Day, side: Side) -> None:
    load = side.experiment.load
    wish = Wish(
        profile=load.profile,
        rate=load.rate,
        duration=f"{load.duration_s:g}s",
        settings=load.settings,
        seed=side.seed,
        beside=len(day.sides) > 1,
        held=len(day.sides) > 1,
        attach=_attached(day, side),
    )
    named = f"{side.profile}: " if len(day.sides) > 1 else ""
    hear = partial(_hear, day, named)
    side.load = day.stage.start_load(wish, side.folder / LOAD_FILE, hear)


def _attached(day: Day, side: Side) -> tuple[str, ...]:
    """The nodes to which the load's clients are to connect first; none for all. Raises WarrenError where it
    cannot be told whom the first fault will strike."""
    target, wanted = first_target(day.steps), side.experiment.load.attach
    if wanted == "any" or target is None:
        return ()
    struck = [each.node for each in resolve(day.stage.chaos, target, seed=day.seed)]
    others = [node for node in day.stage.chaos.nodes if node not in struck]
    chosen = tuple(struck if wanted == "target" else others)
    day.tell("load", f"{side.profile} attaches to {', '.join(chosen)}: {wanted} of the first fault")
    return chosen


def _hear(day: Day, named: str, text: str) -> None:
    day.tell("load", f"{named}{text}")
