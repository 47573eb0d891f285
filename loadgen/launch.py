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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from loadgen import container, engine, preflight, resolve
from loadgen.container import Container, Place, Starter
from loadgen.parts import Part
from loadgen.progress import View
from loadgen.scenario import Scenario
from loadgen.spec import ConsumerRole, LoadSpec, PublisherRole
from loadgen.watch import watching
from warren import checkout
from warren.connection import Credentials, Endpoint
from warren.context import Context
from warren.errors import EXIT_BAD_INPUT, BadInputError, NotReadyError, WarrenError
from warren.images import ensure_images
from warren.journal import Journal
from warren.results import LoadResult, read_result, write_result
from warren.state import write_atomically

#: A target this young may belong to a run whose container is just being started.
_STARTING_S = 120.0
#: Writes the page of a finished run and returns its path; None where there is nothing that makes one.
WriteReport = Callable[[LoadResult, Path], Path | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for: a profile as loaded, and how to run it; ``endpoints`` instead of the nodes.

    With ``part`` it is one part of a run that other coordinators run too.
    """

    scenario: Scenario
    purge: bool = False
    seed: int = 1
    params: Mapping[str, Any] = field(default_factory=dict)
    endpoints: tuple[Endpoint, ...] = ()
    part: Part | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A cluster that Warren did not make: where it is, and the one account that all roles use."""

    endpoints: tuple[Endpoint, ...]
    credentials: Credentials
    ca_pem: str | None
    vhost: str | None = None


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
    engine or the queues are not ready.
    """
    scenario = resolve.resolve(order.scenario, context.topology)
    queues = resolve.touched_queues(scenario, context.topology)
    alone = order.part is None
    preflight.require_empty(context.management, scenario.vhost, queues, purge=order.purge, alone=alone)
    where = place(context)
    run_id, folder = new_run(context.state.runs, scenario.name, order.part)
    with _announced(context, run_id, where) as metrics:
        spec = _lab_spec(context, scenario, order, run_id, metrics)
        began = datetime.now(UTC)
        box = container.launch(spec, folder, place=where, run=context.run, starter=starter)
        journal = Journal(context.state.journal, lambda: datetime.now(UTC))
        with watching(view.show, context.management, scenario.vhost, queues, journal):
            _follow(box, view)
    if not (folder / "result.json").exists():
        raise NotReadyError(
            f"load container of {run_id}",
            f"ended with status {box.wait()} and wrote no result; its last words are above",
            "make cluster-status; the run's evidence is in " + str(folder),
        )
    result = _with_faults(context, read_result(folder / "result.json"), began)
    write_result(result, folder / "result.json")
    if report is not None:
        report(result, folder)
    return result, folder


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
    spec = dataclasses.replace(
        _spec(scenario, order, run_id, foreign.endpoints, foreign.ca_pem),
        vhost=foreign.vhost or scenario.vhost,
        users=tuple(
            Credentials(username=name, password=foreign.credentials.password)
            for name in (foreign.credentials.username,)
        ),
        publishers=tuple(
            dataclasses.replace(role, user=foreign.credentials.username) for role in scenario.publishers
        ),
        consumers=tuple(
            dataclasses.replace(role, user=foreign.credentials.username) for role in scenario.consumers
        ),
        folder=str(folder),
    )
    interrupts = engine.Interrupts()
    with _on_interrupt(lambda _count: interrupts(0, None)), view:
        result = engine.run(spec, emit=view.show, interrupts=interrupts)
    write_result(result, folder / "result.json")
    if report is not None:
        report(result, folder)
    return result, folder


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


def _account(context: Context, name: str) -> Credentials:
    """A user's password, and its certificate where the topology asks clients for one."""
    pem = None
    if context.topology.tls.client_certificate == "required":
        pair = context.pki.leaf("clients", name)
        pem = pair.certificate.read_text(encoding="utf-8") + pair.key.read_text(encoding="utf-8")
    return Credentials(username=name, password=context.secrets.read(name), client_pem=pem)


def _lab_spec(
    context: Context, scenario: Scenario, order: Order, run_id: str, metrics: Mapping[str, str]
) -> LoadSpec:
    port = context.topology.ports.amqps
    nodes = tuple(Endpoint(name=node.name, host=node.name, port=port) for node in context.topology.nodes)
    roles: tuple[PublisherRole | ConsumerRole, ...] = (*scenario.publishers, *scenario.consumers)
    names = sorted({role.user for role in roles})
    users = tuple(_account(context, name) for name in names)
    return dataclasses.replace(
        _spec(
            scenario, order, run_id, order.endpoints or nodes, context.cluster_ca.read_text(encoding="utf-8")
        ),
        users=users,
        folder=container.RUN_FOLDER,
        metrics_port=context.topology.ports.load,
        metrics_tls=metrics,
    )


def _spec(
    scenario: Scenario, order: Order, run_id: str, endpoints: Sequence[Endpoint], ca_pem: str | None
) -> LoadSpec:
    """The parts of a spec that do not depend on where it runs."""
    return LoadSpec(
        run_id=run_id,
        nonce=random.randbits(32) if order.part is None else order.part.nonce,
        seed=order.seed,
        profile=scenario.name,
        vhost=scenario.vhost,
        endpoints=tuple(endpoints),
        ca_pem=ca_pem,
        users=(),
        publishers=scenario.publishers,
        consumers=scenario.consumers,
        folder="",
        rate_per_s=scenario.rate_per_s,
        duration_s=scenario.duration_s,
        arrivals=scenario.arrivals,
        phases=scenario.phases,
        size_bytes=scenario.size_bytes,
        window=scenario.window,
        publish_deadline_s=scenario.publish_deadline_s,
        drain_silence_s=scenario.drain_silence_s,
        hold_back_s=scenario.hold_back_s,
        judge_order=scenario.judge_order,
        thresholds=scenario.thresholds,
        part=None if order.part is None else order.part.number - 1,
        parts=1 if order.part is None else order.part.of,
        start_at_s=None if order.part is None else order.part.start_at.timestamp(),
        params={**_params(scenario), "seed": order.seed, **order.params},
    )


def _params(scenario: Scenario) -> dict[str, Any]:
    plain = dataclasses.asdict(scenario)
    for key in ("name", "description"):
        del plain[key]
    return plain


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


def _follow(box: Container, view: View) -> None:
    """Show what happens until the run ends; raises what the coordinator reported as an error."""
    problem: Mapping[str, Any] | None = None
    try:
        with _on_interrupt(lambda count: box.interrupt() if count <= 2 else box.remove()), view:  # noqa: PLR2004
            for event in box.events():
                if event["type"] == "error":
                    problem = event
                else:
                    view.show(event)
            code = box.wait()
    finally:
        box.remove()
    if problem is not None:
        raise _error(problem)
    if code not in (0, 1, 4, 130):
        raise NotReadyError(box.name, f"the container ended with status {code}", "see what it printed above")


def _error(event: Mapping[str, Any]) -> WarrenError:
    kinds = {EXIT_BAD_INPUT: BadInputError, NotReadyError.exit_code: NotReadyError}
    kind = kinds.get(int(event["exit_code"]), WarrenError)
    return kind(str(event["where"]), str(event["what"]), str(event["remedy"]))


@contextmanager
def _on_interrupt(act: Callable[[int], None]) -> Iterator[None]:
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


def _with_faults(context: Context, result: LoadResult, began: datetime) -> LoadResult:
    journal = Journal(context.state.journal, lambda: datetime.now(UTC))
    faults = journal.faults_between(began, datetime.now(UTC))
    return dataclasses.replace(result, faults=tuple(faults))


def run_built(
    context: Context, profile: str, build: Callable[[str, Mapping[str, str]], LoadSpec], *, view: View
) -> tuple[LoadResult, Path]:
    """Run in the lab what ``build`` makes of a run's name and its metrics' TLS, as `run_in_lab` does.

    For benchmarks, which have no profile; nothing is checked and nothing purged. Raises NotReadyError when
    the run wrote no result.
    """
    where = place(context)
    run_id, folder = new_run(context.state.runs, profile)
    with _announced(context, run_id, where) as metrics:
        box = container.launch(build(run_id, metrics), folder, place=where, run=context.run)
        _follow(box, view)
    if not (folder / "result.json").exists():
        raise NotReadyError(box.name, "wrote no result", f"the run's evidence is in {folder}")
    return read_result(folder / "result.json"), folder
