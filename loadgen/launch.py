"""``warren load run`` on the host: from a profile and a cluster to a result.

Against Warren's own cluster the run lasts in a container on its network, where nodes are called by name
and no traffic passes a proxy; against others it runs here.
"""

from __future__ import annotations

import dataclasses
import json
import secrets as random
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from loadgen import container, engine, leftovers, ownvhost, preflight, resolve
from loadgen.acting import Acting, MemoryAlarm
from loadgen.container import Container, Place, Starter
from loadgen.counting import Counting
from loadgen.parts import Part
from loadgen.progress import View
from loadgen.scenario import Scenario
from loadgen.spec import LoadSpec
from loadgen.specify import Foreign, Order, foreign_spec, lab_spec, users_of
from loadgen.watch import watching
from warren import checkout
from warren.context import Context
from warren.errors import EXIT_BAD_INPUT, BadInputError, NotReadyError, WarrenError
from warren.images import ensure_images
from warren.journal import Journal
from warren.results import LoadResult, read_result, write_result
from warren.state import write_atomically
from warren.topology import RESERVED_PREFIX

__all__ = ["Foreign", "Order", "WriteReport", "new_run", "run_here", "run_in_lab"]

#: A target this young may belong to a run whose container is just being started.
_STARTING_S = 120.0
#: Writes the page of a finished run and returns its path; None where there is nothing that makes one.
WriteReport = Callable[[LoadResult, Path], Path | None]


def run_in_lab(
    context: Context,
    order: Order,
    *,
    view: View,
    report: WriteReport | None = None,
    starter: Starter = container.start,
) -> tuple[LoadResult, Path]:
    """Run ``order`` in a container on the cluster's network; returns the result and the run's folder.

    Raises BadInputsError when the profile does not fit the topology, NotReadyError when the cluster, the
    engine or the queues are not ready, or when what the profile did to the cluster could not be undone.
    """
    scenario = resolve.resolve(order.scenario, context.topology)
    if order.part is not None and scenario.objects is not None:
        what = (
            f"the profile {scenario.name} declares queues of its own, which parts would take from each other"
        )
        raise BadInputError("--part", what, "run it whole, or use a profile on the topology's queues")
    acting = _acting(context, scenario, view)
    queues = free_queues(context, order, scenario)
    where = place(context)
    run_id, folder = new_run(context.state.runs, scenario.name, order.part)
    with prepared(context, order, scenario, run_id, where) as spec:
        began = datetime.now(UTC)
        counting = _counting(context, order)
        box = container.launch(spec, folder, place=where, run=context.run, starter=starter)
        journal = Journal(context.state.journal, lambda: datetime.now(UTC))
        with watching(view.show, context.management, scenario.vhost, queues, journal, kinds=view.watched):
            _follow(box, acting or view, acting.stop if acting else None)
    result = with_faults(context, left_by(box, folder), began)
    if acting is not None and acting.record is not None:
        result = dataclasses.replace(result, faults=(*result.faults, acting.record))
    if counting is not None:
        result = counting.end(result)
    if scenario.renews:
        result = leftovers.check(result, context.management, context.clock)
    keep(result, folder, report)
    if acting is not None and acting.error is not None:
        raise acting.error
    return result, folder


def free_queues(context: Context, order: Order, scenario: Scenario) -> tuple[str, ...]:
    """The queues that the run may touch, once those of others' making are empty and nobody's.

    Raises NotReadyError where they stay full or used, or where the broker has an alarm.
    """
    preflight.refuse_alarms(context.management)
    queues = resolve.touched_queues(scenario, context.topology)
    theirs = [name for name in queues if not name.startswith(RESERVED_PREFIX)]
    if theirs:
        preflight.require_empty(
            context.management, scenario.vhost, theirs, purge=order.purge, alone=order.part is None
        )
    return queues


def keep(result: LoadResult, folder: Path, report: WriteReport | None) -> None:
    """Write the result into the run's folder, and its page where there is something that makes one."""
    write_result(result, folder / "result.json")
    if report is not None:
        report(result, folder)


@contextmanager
def prepared(
    context: Context, order: Order, scenario: Scenario, run_id: str, where: Place
) -> Iterator[LoadSpec]:
    """The spec of a run on the cluster's network, and what has to be there for as long as it lasts."""
    with _own_vhost(context, order, scenario), _announced(context, run_id, where) as metrics:
        yield lab_spec(context, scenario, order, run_id, metrics)


def left_by(box: Container, folder: Path) -> LoadResult:
    """The result that a container left. Raises NotReadyError when it left none."""
    if not (folder / "result.json").exists():
        raise NotReadyError(
            f"load container of {folder.name}",
            f"ended with status {box.wait()} and wrote no result; its last words are above",
            "make cluster-status; the run's evidence is in " + str(folder),
        )
    return read_result(folder / "result.json")


def run_here(
    order: Order,
    scenario: Scenario,
    foreign: Foreign,
    *,
    runs: Path,
    view: View,
    report: WriteReport | None = None,
) -> tuple[LoadResult, Path]:
    """Run a resolved ``scenario`` against a foreign cluster, in processes of this machine."""
    run_id, folder = new_run(runs, scenario.name, order.part)
    spec = foreign_spec(scenario, order, run_id, foreign, folder)
    interrupts = engine.Interrupts()
    with on_interrupt(lambda _count: interrupts(0, None)), view:
        result = engine.run(spec, emit=view.show, interrupts=interrupts)
    keep(result, folder, report)
    return result, folder


def _acting(context: Context, scenario: Scenario, view: View) -> Acting | None:
    """What the profile does to the cluster, where it does; what a killed run of it left is undone first."""
    if scenario.act is None:
        return None
    alarm = MemoryAlarm(context.runtime, context.topology)
    alarm.undo()
    return Acting(view, scenario.act, alarm)


def _counting(context: Context, order: Order) -> Counting | None:
    """The broker's counts from now on; of a part of a run they say nothing, since they are of all parts."""
    if order.part is not None:
        return None
    counting = Counting(metrics=context.node_metrics, management=context.management)
    counting.begin()
    return counting


def _own_vhost(context: Context, order: Order, scenario: Scenario) -> AbstractContextManager[None]:
    """The profile's own virtual host for as long as the run lasts, where it asks for one."""
    if not order.scenario.own_vhost:
        return nullcontext()
    return ownvhost.lasting(
        context.management,
        scenario.vhost,
        users=users_of(scenario),
        watchers=(context.topology.account("monitoring").name,),
        keep=order.keep_objects,
        clock=context.clock,
    )


def new_run(runs: Path, profile: str, part: Part | None = None) -> tuple[str, Path]:
    """A run's name (profile, time, four random characters; or the part's) and its folder, made now.

    Raises BadInputError when a part of this name has run here before.
    """
    run_id = f"{profile}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{random.token_hex(2)}"
    if part is not None:
        run_id = part.run_id
    folder = runs / run_id
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        raise BadInputError("--run-name", f"{folder} is there already", "give another name") from error
    return run_id, folder


def place(context: Context) -> Place:
    """Where containers of load run; their image is had first."""
    images = ensure_images(
        context.topology.images,
        engine=context.engine,
        run=context.run,
        record=context.state.images,
        build_root=checkout.ROOT,
        say=context.say,
    )
    cluster = context.topology.cluster
    return Place(
        docker=context.engine.docker, image=images["warren"].reference, network=cluster, cluster=cluster
    )


@contextmanager
def _announced(context: Context, run_id: str, place: Place) -> Iterator[dict[str, str]]:
    """A certificate for the run's metrics, and its target in Prometheus, for as long as it lasts."""
    _forget_dead(context, place)
    host = f"{place.cluster}-load-{run_id}"
    name = f"load-{run_id}"
    target = context.state.targets / f"{name}.json"
    pair = context.pki.ensure_leaf("cluster", name, hosts=(host,), purpose="server")
    address = f"{host}:{context.topology.ports.load}"
    try:
        content = json.dumps([{"targets": [address], "labels": {"run_id": run_id}}])
        write_atomically(target, content.encode(), mode=0o644)
        yield {
            "certificate": pair.certificate.read_text(encoding="utf-8"),
            "key": pair.key.read_text(encoding="utf-8"),
            "client_ca": context.pki.authority("scrape").certificate.read_text(encoding="utf-8"),
        }
    finally:
        for path in (target, pair.certificate, pair.key):
            path.unlink(missing_ok=True)


def _forget_dead(context: Context, place: Place) -> None:
    """Take away the targets of runs whose launcher was killed before it could, and that have ended since."""
    listing = [place.docker, "ps", "--filter", "label=warren.role=load", "--format", "{{.Names}}"]
    alive = context.run(listing, timeout_s=20).stdout.split()
    for target in context.state.targets.glob("load-*.json"):
        is_new = time.time() - target.stat().st_mtime < _STARTING_S
        if not is_new and f"{place.cluster}-{target.stem}" not in alive:
            pair = context.pki.leaf("cluster", target.stem)
            for path in (target, pair.certificate, pair.key):
                path.unlink(missing_ok=True)


def _follow(box: Container, view: View, interrupted: Callable[[], None] | None = None) -> None:
    """Show what happens until the run ends, and call ``interrupted`` at each ^C too; raises what the
    coordinator reported as an error."""
    problem: Mapping[str, Any] | None = None

    def interrupt(count: int) -> None:
        if interrupted is not None:
            interrupted()
        if count <= 2:  # noqa: PLR2004 - the third takes the container away
            box.interrupt()
        else:
            box.remove()

    try:
        with on_interrupt(interrupt), view:
            for event in box.events():
                if event["type"] == "error":
                    problem = event
                else:
                    view.show(event)
            code = box.wait()
    finally:
        box.remove()
    if problem is not None:
        raise error_of(problem)
    if code not in (0, 1, 4, 130):
        raise NotReadyError(box.name, f"the container ended with status {code}", "see what it printed above")


def error_of(event: Mapping[str, Any]) -> WarrenError:
    """What a coordinator reported as the error that ended it."""
    kinds = {EXIT_BAD_INPUT: BadInputError, NotReadyError.exit_code: NotReadyError}
    kind = kinds.get(int(event["exit_code"]), WarrenError)
    return kind(str(event["where"]), str(event["what"]), str(event["remedy"]))


@contextmanager
def on_interrupt(act: Callable[[int], None]) -> Iterator[None]:
    """Call ``act`` with 1, 2, … at each ^C or termination instead of dying of it."""
    count = 0

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal count
        del signum, frame
        count += 1
        act(count)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            with suppress(TypeError):
                signal.signal(number, old)


def with_faults(context: Context, result: LoadResult, began: datetime) -> LoadResult:
    """``result`` with the faults that were injected since it began."""
    journal = Journal(context.state.journal, lambda: datetime.now(UTC))
    faults = journal.faults_between(began, datetime.now(UTC))
    return dataclasses.replace(result, faults=tuple(faults))


def run_built(
    context: Context,
    where: Place,
    profile: str,
    build: Callable[[str, Mapping[str, str]], LoadSpec],
    *,
    view: View,
) -> tuple[LoadResult, Path]:
    """Run in the lab what ``build`` makes of a run's name and its metrics' TLS, as `run_in_lab` does.

    For benchmarks, which have no profile; nothing is checked and nothing purged. Raises NotReadyError when
    the run wrote no result.
    """
    run_id, folder = new_run(context.state.runs, profile)
    with _announced(context, run_id, where) as metrics:
        box = container.launch(build(run_id, metrics), folder, place=where, run=context.run)
        _follow(box, view)
    return left_by(box, folder), folder
