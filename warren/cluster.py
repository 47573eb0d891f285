"""Brings the cluster up, down and away. `up` is idempotent and ends only when the gate holds."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import yaml

from warren import bundle, checkout, render
from warren.bundle import Volume
from warren.context import Context
from warren.errors import NotReadyError, RefusedError, WarrenError
from warren.gate import leader_spread
from warren.images import ImageRef, ensure_images
from warren.objects.found import read_actual
from warren.objects.writing import apply
from warren.plan import plan
from warren.runtime.engine import ensure_engine
from warren.runtime.protocol import NodeState
from warren.state import write_atomically
from warren.wait import until

#: A node boots in five to ten seconds; a machine under load, or one that recovers much data, takes longer.
_BOOT_DEADLINE_S = 180.0
_TARGETS_DEADLINE_S = 60.0
_REBALANCE_DEADLINE_S = 60.0
_DOWN_REMEDY = "stop and start with the new settings, messages are kept: make cluster-down cluster-up"


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


def up(context: Context) -> UpReport:
    """Have the whole cluster running, whole and monitored.

    Raises NotReadyError (no engine, a deadline passed: with the last error), RefusedError when the cluster
    belongs to another state folder or a change needs more than an addition.
    """
    with context.state.lock("warren cluster up"):
        watch = _Stopwatch(context, began=context.clock.now())
        engine = ensure_engine(run=context.run, say=context.say)
        context = replace(context)
        context.__dict__["engine"] = engine
        watch.lap("engine")
        context.runtime.refuse_foreign()
        images = _images(context)
        watch.lap("images")
        created = not context.runtime.has_data()
        environment = _start(context, images)
        watch.lap("containers")
        _wait_for_gate(context)
        watch.lap("cluster formed")
        _apply_additions(context)
        _balance_leaders(context)
        watch.lap("broker objects")
        _wait_for_targets(context)
        watch.lap("monitoring")
        _remember(context, environment)
        return UpReport(
            stages=tuple(watch.stages), created=created, images=images, grafana="grafana" in images
        )


def _images(context: Context) -> dict[str, ImageRef]:
    return ensure_images(
        context.topology.images,
        engine=context.engine,
        run=context.run,
        record=context.state.images,
        build_root=checkout.ROOT,
        say=context.say,
    )


def _start(context: Context, images: Mapping[str, ImageRef]) -> dict[str, str]:
    """Write the volumes that changed and start what does not run; returns what compose was told."""
    runtime, grafana = context.runtime, "grafana" in images
    states = runtime.states()
    if frozen := [node for node, state in states.items() if state is NodeState.PAUSED]:
        raise NotReadyError(", ".join(frozen), "is paused by a fault", "make chaos-heal")
    environment = {f"WARREN_IMAGE_{name.upper()}": ref.reference for name, ref in images.items()}
    limit = runtime.open_files_limit(environment["WARREN_IMAGE_RABBITMQ"])
    environment["WARREN_OPEN_FILES"] = str(limit)
    compose = render.compose_file(context.topology, grafana=grafana)
    bundle.prepare(context.material)
    digest = _node_digest(context, compose, environment)
    running = [node for node, state in states.items() if state is NodeState.RUNNING]
    if running and _applied(context).get("nodes", digest) != digest:
        raise RefusedError("deploy/topology.yml", "changes settings of nodes that are running", _DOWN_REMEDY)
    write_atomically(context.state.compose_file, compose.encode(), mode=0o600)
    runtime.remove_dead()
    runtime.create(environment)
    stale = _stale_volumes(context, running, grafana=grafana)
    if stale:
        runtime.fill(stale, environment)
    for volume in stale:
        service = volume.name.removesuffix("-config")
        if service not in states and runtime.runs(service):
            runtime.restart_service(service)
    context.say("starting the nodes" if len(running) < len(states) else "the nodes run already")
    runtime.up(environment)
    _save_applied(context, {"nodes": digest, **{volume.name: volume.digest() for volume in stale}})
    return environment


def _stale_volumes(context: Context, running: list[str], *, grafana: bool) -> list[Volume]:
    """Volumes whose content is not what the last `up` wrote; those of a node that does not run, always."""
    applied = _applied(context)
    wanted = list(bundle.service_volumes(context.material, grafana=grafana))
    stale = [volume for volume in wanted if applied.get(volume.name) != volume.digest()]
    for node in context.topology.nodes:
        if node.name not in running:
            stale += bundle.node_volumes(context.material, node.name)
    return stale


def _node_digest(context: Context, compose: str, environment: Mapping[str, str]) -> str:
    """Of everything that a running node would have to be restarted for."""
    services = yaml.safe_load(compose)["services"]
    nodes = [services[node.name] for node in context.topology.nodes]
    parts = [
        render.broker_files(context.topology),
        nodes,
        environment["WARREN_IMAGE_RABBITMQ"],
        environment["WARREN_OPEN_FILES"],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _applied(context: Context) -> dict[str, str]:
    path = context.state.root / "applied.json"
    if not context.runtime.has_data() or not path.exists():
        return {}
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _save_applied(context: Context, applied: Mapping[str, str]) -> None:
    merged = {**_applied(context), **applied}
    write_atomically(context.state.root / "applied.json", json.dumps(merged, indent=1).encode(), mode=0o600)


def _remember(context: Context, environment: Mapping[str, str]) -> None:
    """Keep what compose was told, so that `down` works without asking any registry."""
    content = json.dumps(environment, indent=1).encode()
    write_atomically(context.state.root / "environment.json", content, mode=0o600)


def wait_ready(context: Context, *, deadline_s: float = _BOOT_DEADLINE_S) -> None:
    """Wait until the gate holds; raises DeadlineError with the last thing that did not."""
    until(
        context.gate.check,
        what="the cluster to be whole",
        deadline_s=deadline_s,
        every_s=1.0,
        remedy="warren cluster logs; make cluster-status",
        clock=context.clock,
    )


def _wait_for_gate(context: Context) -> None:
    context.say("waiting for every node, leader and queue member")
    try:
        wait_ready(context)
    except NotReadyError as error:
        stopped = [node for node, state in context.runtime.states().items() if state is NodeState.STOPPED]
        if not stopped:
            raise
        last = context.runtime.logs(stopped[0], lines=5).strip()
        raise NotReadyError(
            stopped[0],
            f"stopped while it booted; its last lines:\n{last}",
            "warren cluster logs " + stopped[0],
        ) from error


def _apply_additions(context: Context) -> None:
    """What the topology has and the broker has not; all else is refused with the command for it."""
    passwords = {user.name: context.secrets.read(user.name) for user in context.topology.users}
    found = plan(context.topology, read_actual(context.management), passwords)
    apply(found, context.management, additions_only=True, say=context.say)


def _balance_leaders(context: Context) -> None:
    """Spread the queues' leaders where a boot or a failover gathered them (an import at boot does)."""
    nodes = [node.erlang_name for node in context.topology.nodes]
    low, high = leader_spread(context.management.queues(), nodes)
    if high - low <= 1:
        return
    context.say(f"spreading queue leaders ({low} to {high} on a node)")
    context.management.post("rebalance", "queues")

    def spread() -> None:
        least, most = leader_spread(context.management.queues(), nodes)
        if most - least > 1:
            raise NotReadyError("queue leaders", f"{least} to {most} on a node")

    until(spread, what="leaders to spread", deadline_s=_REBALANCE_DEADLINE_S, clock=context.clock)


def _wait_for_targets(context: Context) -> None:
    context.say("waiting for every Prometheus target")

    def all_up() -> None:
        context.runtime.services_run()
        targets = context.prometheus.targets()
        if not targets:
            raise NotReadyError("Prometheus", "has no targets yet")
        for target in targets:
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
        _remove(context, volumes=False)


def destroy(context: Context) -> None:
    """Remove containers, network, data and the state folder. Messages and run results are gone."""
    with context.state.lock("warren cluster destroy"):
        _remove(context, volumes=True)
        shutil.rmtree(context.state.root)


def _remove(context: Context, *, volumes: bool) -> None:
    """By label, so that it works without the compose file and after a state folder was lost."""
    context.runtime.remove(volumes=volumes)
    leftovers = context.runtime.containers()
    if leftovers:
        raise WarrenError(context.topology.cluster, f"{len(leftovers)} containers are still there")
