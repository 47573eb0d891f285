"""``warren load run`` on the host: from a profile and a cluster to a result.

Against Warren's own cluster the run lasts in a container on its network, where nodes are called by name
and no traffic passes a proxy; against others it runs here.
"""

from __future__ import annotations

import dataclasses
import os
import secrets as random
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

from loadgen import container, engine, leftovers, ownvhost, preflight, resolve
from loadgen.acting import Acting, MemoryAlarm
from loadgen.announcing import announced
from loadgen.container import Container, Place, Starter
from loadgen.counting import Counting
from loadgen.following import follow, left_by
from loadgen.interrupts import Interrupts, on_interrupt
from loadgen.parts import Part
from loadgen.progress import View
from loadgen.scenario import Scenario
from loadgen.spec import LoadSpec
from loadgen.specify import Foreign, Order, foreign_spec, lab_spec, users_of
from loadgen.unsticking import Unsticking
from loadgen.watch import watching
from loadgen.whereshown import where_shown
from warren import checkout
from warren.context import Context
from warren.errors import BadInputError, NotReadyError
from warren.images import ensure_images
from warren.journal import Journal
from warren.results import LoadResult, write_result
from warren.signals import terminate_as_interrupt
from warren.topology import RESERVED_PREFIX

__all__ = ["Foreign", "Order", "WriteReport", "new_run", "run_here", "run_in_lab"]

#: Writes the page of a finished run and returns its path; None where there is nothing that makes one.
WriteReport = Callable[[LoadResult, Path], Path | None]


@terminate_as_interrupt()
def run_in_lab(
    context: Context,
    order: Order,
    *,
    view: View,
    report: WriteReport | None = None,
    starter: Starter = container.start,
    standard_input: Callable[[], bytes] = lambda: os.read(0, 1 << 16),
) -> tuple[LoadResult, Path]:
    """Run ``order`` in a container on the cluster's network; returns the result and the run's folder. A held
    one publishes when ``standard_input``, which waits for the next bytes, has no more.

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
        unsticking = unsticking_of(context, scenario, queues)
        box = container.launch(spec, folder, place=where, run=context.run, starter=starter)
        if order.held:
            _release_after(standard_input, box)
        journal = Journal(context.state.journal, lambda: datetime.now(UTC))
        with watching(view.show, context.management, scenario.vhost, queues, journal, kinds=view.watched):
            follow(box, acting or view, acting.stop if acting else None, unsticking)
    result = with_faults(context, unsticking.told(left_by(box, folder)), began)
    if acting is not None and acting.record is not None:
        result = dataclasses.replace(result, faults=(*result.faults, acting.record))
    if counting is not None:
        result = counting.end(result)
    if scenario.renews:
        result = leftovers.check(result, context.management, context.clock)
    result = dataclasses.replace(result, dashboards=where_shown(context, scenario))
    keep(result, folder, report)
    if acting is not None and acting.error is not None:
        raise acting.error
    return result, folder


def _release_after(read: Callable[[], bytes], box: Container) -> None:
    """Release ``box`` when there is no more to read; who waits here keeps nobody from ending."""

    def wait() -> None:
        with suppress(OSError):  # no input at all, or a container that is gone
            while read():
                pass
        with suppress(OSError):
            box.release()

    threading.Thread(target=wait, name="release", daemon=True).start()


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


def unsticking_of(context: Context, scenario: Scenario, queues: Sequence[str]) -> Unsticking:
    """What can be done about ``queues`` that keep what they should pass on."""
    return Unsticking(
        management=context.management,
        runtime=context.nodes,
        topology=context.topology,
        vhost=scenario.vhost,
        queues=queues,
    )


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
    on_hosts = context.inventory is not None  # their Prometheus knows no runs of this machine
    metrics = nullcontext() if on_hosts else announced(context, run_id, where)
    with _own_vhost(context, order, scenario), metrics as served:
        yield lab_spec(context, scenario, order, run_id, served)


@terminate_as_interrupt()
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
    interrupts = Interrupts()
    with on_interrupt(lambda _count: interrupts(0, None)), view:
        result = engine.run(spec, emit=view.show, interrupts=interrupts)
    keep(result, folder, report)
    return result, folder


def _acting(context: Context, scenario: Scenario, view: View) -> Acting | None:
    """What the profile does to the cluster, where it does; what a killed run of it left is undone first."""
    if scenario.act is None:
        return None
    alarm = MemoryAlarm(context.nodes, context.topology)
    alarm.undo()
    return Acting(view, scenario.act, alarm)


def _counting(context: Context, order: Order) -> Counting | None:
    """The broker's counts from now on; of a part of a run, or of one beside others, they say nothing, since
    they are of all of them."""
    if order.part is not None or order.beside:
        return None
    counting = Counting(metrics=context.node_metrics, management=context.management, probe=context.probe_page)
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
    """Where containers of load run; their image is had first. Nodes that are services of hosts are reached
    from this machine's own network, by the names that their certificates have. Raises NotReadyError where an
    address of the inventory is a name that nobody knows."""
    images = ensure_images(
        context.topology.images,
        engine=context.engine,
        run=context.run,
        record=context.state.images,
        build_root=checkout.ROOT,
        say=context.say,
    )
    cluster = context.topology.cluster
    here = Place(
        docker=context.engine.docker, image=images["warren"].reference, network=cluster, cluster=cluster
    )
    if context.inventory is None:
        return here
    names = {node.name: context.inventory.logins[node.name].address for node in context.topology.nodes}
    known = {name: _resolved(name, address) for name, address in names.items()}
    return dataclasses.replace(here, network="host", addresses=known)


def _resolved(node: str, address: str) -> str:
    """A container is told addresses, and an inventory may say names."""
    try:
        return str(socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise NotReadyError(node, f"its address {address} is not known: {error.strerror}") from error


def with_faults(context: Context, result: LoadResult, began: datetime) -> LoadResult:
    """``result`` with the faults that were injected since it began."""
    journal = Journal(context.state.journal, lambda: datetime.now(UTC))
    faults = journal.faults_between(began, datetime.now(UTC))
    return dataclasses.replace(result, faults=tuple(faults))


@terminate_as_interrupt()
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
    with announced(context, run_id, where) as metrics:
        box = container.launch(build(run_id, metrics), folder, place=where, run=context.run)
        follow(box, view)
    return left_by(box, folder), folder
