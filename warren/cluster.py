"""Brings the cluster up, down and away. `up` is idempotent and ends only when the gate holds."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from warren import bundle, disk_faults, layout, leaders, node_settings, service_bundle, volume_writing
from warren.context import Context
from warren.errors import DeadlineError, NotReadyError
from warren.images import ImageRef, Policy
from warren.journal import Fault, Journal
from warren.links import addresses
from warren.objects.found import read_actual
from warren.objects.planning import passwords
from warren.objects.writing import apply
from warren.plan import plan
from warren.prometheus import Target
from warren.reader import plain
from warren.runtime.engine import ensure_engine
from warren.runtime.protocol import NodeState
from warren.state import write_atomically
from warren.wait import until

#: A node boots in five to ten seconds; a machine under load, or one that recovers much data, takes longer.
_BOOT_DEADLINE_S = 180.0
_TARGETS_DEADLINE_S = 60.0
#: Jobs that ask once a minute: a minute is not waited for a first answer, or for a better one than a node
#: gave when it booted, where the same node gave others.
_SELDOM = frozenset({"rabbitmq-memory", "rabbitmq-allocators"})
_LOOK = "warren cluster status; warren cluster logs NODE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How long one part of `up` took."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UpReport:
    """What `up` did: its stages in order, whether the cluster was made anew, and which images it runs."""

    stages: tuple[Stage, ...]
    created: bool
    images: Mapping[str, ImageRef]
    grafana: bool

    @property
    def seconds(self) -> float:
        return sum(stage.seconds for stage in self.stages)


@dataclass(slots=True)
class _Stopwatch:
    context: Context
    stages: list[Stage] = field(default_factory=list)
    began: float = 0.0

    def lap(self, name: str) -> None:
        now = self.context.clock.now()
        self.stages.append(Stage(name=name, seconds=now - self.began))
        self.began = now


def up(context: Context, *, images_policy: Policy = "auto", with_disk_faults: bool | None = None) -> UpReport:
    """Have the whole cluster running, whole and monitored.

    ``images_policy`` says where images come from (`warren.images.Policy`); ``with_disk_faults`` whether nodes
    are made for disk faults, None: as when they were last asked to be (`warren.disk_faults`).
    Raises NotReadyError (no engine, a deadline passed: with the last error), RefusedError when the cluster
    belongs to another state folder or a change needs more than an addition.
    """
    with context.state.lock("warren cluster up"):
        watch = _Stopwatch(context, began=context.clock.now())
        context.use_engine(ensure_engine(run=context.run, say=context.say))
        watch.lap("engine")
        context.runtime.refuse_foreign()
        _refuse_paused(context)
        breakable = disk_faults.settle(context.state, context.runtime.states(), with_disk_faults)
        images = layout.images(context, images_policy)
        if breakable:
            images["rabbitmq"] = disk_faults.add_library(context, images["rabbitmq"])
        watch.lap("images")
        created = not context.runtime.has_data()
        down = [node for node, state in context.runtime.states().items() if state is not NodeState.RUNNING]
        _start(context, images, disk_faults.PATHS if breakable else None)
        watch.lap("containers")
        faults = _faults_of_before(context)
        _wait_for_gate(context)
        _close(context, faults, down)
        watch.lap("cluster formed")
        _apply_additions(context)
        _put_definitions_away(context, images)
        balance_leaders(context)
        watch.lap("broker objects")
        _wait_for_targets(context)
        watch.lap("monitoring")
        return UpReport(
            stages=tuple(watch.stages), created=created, images=images, grafana="grafana" in images
        )


def _refuse_paused(context: Context) -> None:
    """A frozen node neither starts nor answers; whoever froze it wants to be asked."""
    states = context.runtime.states()
    if frozen := [node for node, state in states.items() if state is NodeState.PAUSED]:
        verb = "is" if len(frozen) == 1 else "are"
        raise NotReadyError(", ".join(frozen), f"{verb} paused by a fault", "make chaos-heal")


def _start(context: Context, images: Mapping[str, ImageRef], disk_paths: Mapping[str, str] | None) -> None:
    """Write the volumes that changed and start what does not run."""
    runtime = context.runtime
    environment, compose, settings = layout.settings(context, images, disk_paths)
    running = [node for node, state in runtime.states().items() if state is NodeState.RUNNING]
    if running:
        node_settings.refuse_changed(context.state, settings, context.topology_path)
    if not runtime.has_data():
        # Nothing was imported from it, or what was is gone: passwords and objects may have changed since.
        context.state.boot_definitions.unlink(missing_ok=True)
    bundle.prepare(context.material)
    write_atomically(context.state.compose_file, compose.encode(), mode=0o600)
    existing = runtime.volumes()
    runtime.remove_dead()
    runtime.create(
        environment,
        services=list(plain(compose)["services"]),
        keep=[node.name for node in context.topology.nodes] if running else (),
    )
    volumes = list(service_bundle.volumes(context.material, grafana="grafana" in images))
    for node in context.topology.nodes:
        volumes += bundle.node_volumes(context.material, node.name)
    volume_writing.write(
        context, volumes, image=images["rabbitmq"].reference, running=running, existing=existing
    )
    node_settings.save(context.state, settings)
    everything = len(running) == len(context.topology.nodes)
    context.say("the nodes run already" if everything else "starting the nodes")
    runtime.up(environment)
    join_links(context)


def _put_definitions_away(context: Context, images: Mapping[str, ImageRef]) -> None:
    """What the first boot imported has done its work. A node that joins while there are fewer than
    `cluster_formation.target_cluster_size_hint`, or one in place of a lost majority, would import it again:
    passwords that were rotated since would be the first ones (docs/surprises.md)."""
    if bundle.put_definitions_away(context.state):
        nodes = [node.name for node in context.topology.nodes]
        volume_writing.write(
            context,
            [bundle.node_volumes(context.material, node)[0] for node in nodes],
            image=images["rabbitmq"].reference,
            running=nodes,
            existing=context.runtime.volumes(),
            read=False,
        )


def join_links(context: Context) -> None:
    """Have a relay to the other clusters on this machine that the topology links to, and none without."""
    routes = addresses.routes(context.topology.links)
    if not routes and not context.runtime.has_relay():
        return
    for network in context.runtime.ensure_relay(routes):
        remedy = "links to it wait; once it is up: make cluster-up"
        context.say(f"cluster '{network}' is not up on this machine: {remedy}")


def wait_ready(context: Context, *, deadline_s: float = _BOOT_DEADLINE_S, steady_s: float = 0.0) -> None:
    """Wait until the gate has held for ``steady_s`` at every look; raises DeadlineError with the last thing
    that did not."""
    since_s: float | None = None

    def holds() -> None:
        nonlocal since_s
        began_s, since_s = since_s, None
        context.gate.check()
        since_s = context.clock.now() if began_s is None else began_s
        held_s = context.clock.now() - since_s
        if held_s < steady_s:
            raise NotReadyError("cluster", f"is whole for {held_s:.0f} s, {steady_s:g} s are wanted")

    until(
        holds,
        what="the cluster to be whole",
        deadline_s=deadline_s,
        every_s=1.0,
        remedy=_LOOK,
        clock=context.clock,
    )


def _wait_for_gate(context: Context) -> None:
    """Like `wait_ready`, but a node that ends while it boots is told at once: it does not come back."""
    context.say("waiting for every node, leader and queue member")

    def whole_or_ended() -> Mapping[str, str]:
        ended = context.runtime.ended("node")
        if not ended:
            context.gate.check()
        return ended

    ended = until(
        whole_or_ended,
        what="the cluster to be whole",
        deadline_s=_BOOT_DEADLINE_S,
        every_s=1.0,
        remedy=_LOOK,
        clock=context.clock,
    )
    for node, why in ended.items():
        last = context.runtime.logs(node, lines=5).strip()
        raise NotReadyError(
            node, f"{why} while the cluster formed; its last lines:\n{last}", f"warren cluster logs {node}"
        )


def _journal(context: Context) -> Journal:
    state = context.state
    return Journal(state.journal, lambda: datetime.now(UTC), context.clock, told=state.open_faults)


def _faults_of_before(context: Context) -> tuple[Fault, ...]:
    """Open faults whose act is over: only of these the gate tells whether they are. A later one may strike
    right after its last look."""
    with _journal(context).exclusive():
        return _journal(context).open_faults()


def _close(context: Context, faults: Sequence[Fault], down: Collection[str]) -> None:
    """The gate holds, so what ``faults`` had taken down is back: later runs must not carry them. What this
    has not ended, for its node ran all the while or it outlives a process, stays open and is told: the gate
    does not see a node that is only slow."""
    over = [fault for fault in faults if _is_over(fault, down)]
    for fault in _journal(context).close(over, "cluster up"):
        context.say(f"{fault.target}: back from the fault {fault.fault_id}")
    for fault in faults:
        if fault not in over:
            context.say(f"{fault.target}: still under the fault {fault.fault_id}; to end it: make chaos-heal")


def _is_over(fault: Fault, down: Collection[str]) -> bool:
    """Whether a node that runs is free of ``fault``: one that ended the node's process (the journal has that
    process, to be held against), or one that ended with the process of a node that was ``down``."""
    if "process_id" in fault.evidence:
        return True
    return fault.target in down and not fault.evidence.get("outlives_process")


def _apply_additions(context: Context) -> None:
    """What the topology has and the broker has not; all else is refused with the command for it."""
    found = plan(context.topology, read_actual(context.management), passwords(context, make=True))
    apply(found, context.management, additions_only=True, say=context.say)


def balance_leaders(context: Context) -> None:
    """Spread the queues' leaders where a boot or a failover gathered them (an import at boot does).

    The cluster is whole without it, so that a spread that does not come about is told and no failure.
    """
    nodes = list(context.topology.by_erlang_name)
    spread = leaders.spread(context.management, nodes)
    if spread.even:
        return
    context.say(f"spreading queue leaders ({spread})")
    try:
        leaders.even_out(context.management, nodes, clock=context.clock)
    except DeadlineError as error:
        context.say(f"{error.where}: {error.what}; again: warren cluster rebalance")


def _wait_for_targets(context: Context) -> None:
    context.say("waiting for every Prometheus target")
    before: dict[tuple[str, str], str] = {}

    def is_awaited(target: Target) -> bool:
        if target.job not in _SELDOM:
            return True
        same = before.setdefault((target.job, target.instance), target.scraped_at) == target.scraped_at
        return target.health != "unknown" and not same

    def all_up() -> None:
        for service, why in context.runtime.ended("service").items():
            raise NotReadyError(service, why, f"warren cluster logs {service}")
        targets = context.prometheus.targets()
        if not targets:
            raise NotReadyError("Prometheus", "has no targets yet")
        for target in [each for each in targets if is_awaited(each)]:
            if target.health != "up" and target.job != "load":
                raise NotReadyError(f"target {target.job} {target.instance}", target.error or target.health)

    until(
        all_up,
        what="every scrape target",
        deadline_s=_TARGETS_DEADLINE_S,
        remedy="docker ps --all; make cluster-up",
        clock=context.clock,
    )


def down(context: Context) -> None:
    """Stop and remove the containers; data, secrets and certificates stay."""
    with context.state.lock("warren cluster down"):
        context.runtime.refuse_foreign()
        context.runtime.remove(volumes=False)


def destroy(context: Context) -> None:
    """Remove containers, network, data and the state folder. Messages and run results are gone.

    All by label: it works after the state folder was lost, and on a cluster that another one made."""
    with context.state.lock("warren cluster destroy"):
        context.runtime.remove(volumes=True)
        shutil.rmtree(context.state.root)
