"""Runs the parts of a composite at once, each in a container of its own, and makes one result of theirs.

Each part is an ordinary run: its virtual host or queues, its ledger, its folder, its page. They are started
one after the other, wait for each other, and are released together.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from loadgen import composite, container, launch, leftovers, measured, resolve, summing
from loadgen.composite import Composite, CompositePart
from loadgen.container import Container, Place, Starter
from loadgen.counting import Counting
from loadgen.dayview import DayView
from loadgen.following import error_of, left_by
from loadgen.interrupts import on_interrupt
from loadgen.launch import WriteReport
from loadgen.progress import View
from loadgen.scenario import Scenario
from loadgen.spec import LoadSpec
from loadgen.specify import Order
from loadgen.unsticking import Unsticking
from loadgen.watch import watching
from loadgen.whereshown import where_shown
from warren.context import Context
from warren.errors import BadInputsError, NotReadyError
from warren.journal import Journal
from warren.process import Runner
from warren.results import LoadResult
from warren.signals import terminate_as_interrupt
from warren.topology import RESERVED_PREFIX

#: All start on the same cores: each gets this long, and a little more for each of the others.
_READY_S, _READY_EACH_S = 60.0, 5.0
_LOOK_EVERY_S = 0.1


@dataclass(slots=True)
class Going:
    """One part under way."""

    part: CompositePart
    folder: Path
    box: Container
    unsticking: Unsticking
    ready: bool = False
    over: bool = False
    released: bool = False
    problem: Mapping[str, Any] | None = None
    thread: threading.Thread | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How to run a composite; ``seed`` is that of every part."""

    day: Composite
    seed: int = 1
    purge: bool = False
    keep_objects: bool = False


@terminate_as_interrupt()
def run_together(
    context: Context,
    asked: Asked,
    *,
    view: View,
    report: WriteReport | None = None,
    starter: Starter = container.start,
) -> tuple[LoadResult, Path]:
    """Run every part; returns the one result and its folder. The parts' own lie beside it.

    Raises BadInputsError where parts do not fit the topology or would take each other's messages,
    NotReadyError when one of them cannot begin: then none does.
    """
    day = asked.day
    resolved = fitted(context, day)
    orders = [_order(asked, each) for each in day.scenarios]
    queues = [launch.free_queues(context, *each) for each in zip(orders, resolved, strict=True)]
    where = launch.place(context)
    run_id, folder = launch.new_run(context.state.runs, day.name)
    began = datetime.now(UTC)
    counting = Counting(metrics=context.node_metrics, management=context.management, probe=context.probe_page)
    counting.begin()
    shown = DayView(
        view, planned_s=day.duration_s, start_after_s={each.name: each.start_after_s for each in day.parts}
    )
    with ExitStack() as stack:
        specs = [
            stack.enter_context(launch.prepared(context, order, each, f"{run_id}-{part.name}", where))
            for part, order, each in zip(day.parts, orders, resolved, strict=True)
        ]
        going = Ensemble(context.state.runs, context.run, shown)
        stack.callback(going.remove)
        stack.enter_context(on_interrupt(going.interrupt))
        stack.enter_context(view)
        for part, spec, found, touched in zip(day.parts, specs, resolved, queues, strict=True):
            unsticking = launch.unsticking_of(context, found, touched)
            going.start(part, _patient(spec, len(specs)), where, starter, unsticking)
        with _looking(context, shown, resolved, queues):
            going.go()
    parts = [
        _finished(context, each, found, began, report)
        for each, found in zip(going.parts, resolved, strict=True)
    ]
    result = summing.joined(parts, run_id=run_id, profile=day.name, params=_params(asked))
    result = counting.end(launch.with_faults(context, result, began))
    launch.keep(result, folder, report)
    return result, folder


def fitted(context: Context, day: Composite) -> list[Scenario]:
    """Every part's profile on the topology. Raises BadInputsError with all that does not fit."""
    resolved = [resolve.resolve(each, context.topology) for each in day.scenarios]
    if faults := list(composite.clashes(day, resolved)):
        raise BadInputsError(faults)
    return resolved


def _order(asked: Asked, found: Scenario) -> Order:
    return Order(
        scenario=found, purge=asked.purge, keep_objects=asked.keep_objects, seed=asked.seed, held=True
    )


def _patient(spec: LoadSpec, count: int) -> LoadSpec:
    return dataclasses.replace(spec, ready_deadline_s=_READY_S + _READY_EACH_S * count)


def _params(asked: Asked) -> dict[str, Any]:
    day = asked.day
    return {
        "rate_per_s": round(day.rate_per_s, 3),
        "duration_s": day.duration_s,
        "seed": asked.seed,
        "composite": {
            part.name: {
                "profile": part.profile,
                "rate_per_s": found.rate_per_s,
                "start_after_s": part.start_after_s,
                "set": dict(part.settings),
            }
            for part, found in zip(day.parts, day.scenarios, strict=True)
        },
    }


@contextmanager
def _looking(
    context: Context, shown: DayView, resolved: Sequence[Scenario], queues: Sequence[tuple[str, ...]]
) -> Iterator[None]:
    """Watch the topology's own queues, one virtual host after the other; the parts' own come and go."""
    by_vhost: dict[str, list[str]] = {}
    for found, touched in zip(resolved, queues, strict=True):
        theirs = [each for each in touched if not each.startswith(RESERVED_PREFIX)]
        if theirs:
            by_vhost.setdefault(found.vhost, []).extend(theirs)
    journal = Journal(context.state.journal, lambda: datetime.now(UTC))
    with ExitStack() as stack:
        for vhost, names in by_vhost.items():
            looking = watching(shown.look, context.management, vhost, names, journal, kinds=shown.watched)
            stack.enter_context(looking)
        yield


class Ensemble:
    """The containers of a composite, from the first start to the last end; their folders lie in ``runs``."""

    def __init__(self, runs: Path, run: Runner, shown: DayView) -> None:
        self.parts: list[Going] = []
        self._runs = runs
        self._run = run
        self._shown = shown
        self._stopped = threading.Event()
        self._changed = threading.Event()

    def start(
        self, part: CompositePart, spec: LoadSpec, where: Place, starter: Starter, unsticking: Unsticking
    ) -> None:
        """Start one part, and hear what it says."""
        folder = self._runs / spec.run_id
        folder.mkdir(mode=0o700, parents=True)
        box = container.launch(spec, folder, place=where, run=self._run, starter=starter)
        going = Going(part, folder, box, unsticking)
        going.thread = threading.Thread(target=self._follow, args=(going,), name=part.name, daemon=True)
        self.parts.append(going)
        going.thread.start()

    def go(self) -> None:
        """Wait until all are ready, release them, and return when all have ended. Raises what kept a part
        from its run."""
        limit_s = 2 * (_READY_S + _READY_EACH_S * len(self.parts))
        self._until(lambda: all(each.ready or each.over for each in self.parts), limit_s)
        if any(each.over for each in self.parts) or not all(each.ready for each in self.parts):
            self._give_up(limit_s)
        began = time.monotonic()
        while not all(each.over for each in self.parts):
            for each in self.parts:
                due = time.monotonic() - began >= each.part.start_after_s
                if not each.released and (due or self._stopped.is_set()):
                    each.released = True
                    each.box.release()
            self._changed.wait(_LOOK_EVERY_S)
            self._changed.clear()
        for each in self.parts:
            if each.problem is not None:
                raise error_of(each.problem)

    def interrupt(self, count: int) -> None:
        """A ^C for every part; from the third on they are ended by force."""
        self._stopped.set()
        for each in self.parts:
            if not each.over:
                each.box.interrupt() if count <= 2 else each.box.remove()  # noqa: PLR2004

    def remove(self) -> None:
        """End whatever is left."""
        for each in self.parts:
            if not each.over:
                each.box.remove()

    def _give_up(self, limit_s: float) -> None:
        """One part cannot begin, so none does. Raises what it said."""
        self.remove()
        for each in self.parts:
            if each.problem is not None:
                raise error_of(each.problem)
        late = next((each for each in self.parts if not each.ready), self.parts[0])
        what = "ended before it began" if late.over else f"was not ready within {limit_s:g} s"
        raise NotReadyError(f"part {late.part.name}", what, "see what it printed above")

    def _until(self, done: Callable[[], bool], limit_s: float) -> None:
        end = time.monotonic() + limit_s
        while not done() and not any(each.over for each in self.parts) and time.monotonic() < end:
            self._changed.wait(_LOOK_EVERY_S)
            self._changed.clear()

    def _follow(self, going: Going) -> None:
        try:
            for event in going.box.events():
                if event["type"] == "ready":
                    going.ready = True
                elif event["type"] == "error":
                    going.problem = {**event, "where": f"part {going.part.name}: {event['where']}"}
                else:
                    show = partial(self._shown.hear, going.part.name)
                    show(event)
                    going.unsticking.hear(event, show)
                self._changed.set()
            going.box.wait()
        finally:
            going.over = True
            self._shown.ended(going.part.name)
            self._changed.set()


def _finished(
    context: Context, going: Going, found: Scenario, began: datetime, report: WriteReport | None
) -> summing.Part:
    """A part's result with the faults of its time, written beside its evidence."""
    left = going.unsticking.told(left_by(going.box, going.folder))
    result = launch.with_faults(context, left, began)
    if found.renews:
        result = leftovers.check(result, context.management, context.clock)
    result = dataclasses.replace(result, dashboards=where_shown(context, found))
    launch.keep(result, going.folder, report)
    return summing.Part(name=going.part.name, result=result, measured=measured.read(going.folder))
