"""What `cluster status` and the end of `cluster up` show."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from warren import secrets
from warren.cluster import UpReport
from warren.context import Context
from warren.dashboards_record import served_at
from warren.errors import EXIT_NOT_READY, EXIT_OK, NotReadyError, WarrenError
from warren.journal import Journal
from warren.management import NodeInfo, QueueInfo
from warren.operating import catalogue, record
from warren.runtime.protocol import NodeState
from warren.topology import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLine:
    """One node: what the engine says, and what the broker says where it answers."""

    name: str
    state: str
    leaders: int | None
    memory_used: float | None
    alarms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One queue; ``online`` of ``members`` replicas."""

    vhost: str
    name: str
    leader: str
    online: int
    members: int
    ready: int | None
    unacked: int | None
    consumers: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The whole picture; ``problem`` is the first thing that keeps the gate shut, empty when it holds, and
    ``operation`` the one that was begun and has not ended, with what to do about it."""

    cluster: str
    nodes: tuple[NodeLine, ...]
    queues: tuple[QueueLine, ...]
    faults: tuple[str, ...]
    targets_up: int | None
    targets: int | None
    problem: str
    reachable: bool
    operation: str = ""

    @property
    def exit_code(self) -> int:
        return EXIT_NOT_READY if self.problem else EXIT_OK


def read(context: Context) -> Status:
    """Ask the engine, the broker and Prometheus; what does not answer is left out, and told."""
    if context.inventory is None:
        context.runtime.refuse_foreign()
    states = context.nodes.states()
    if all(state is NodeState.ABSENT for state in states.values()):
        remedy = "make cluster-up" if context.inventory is None else "provision the hosts: docs/hosts.md"
        raise NotReadyError(f"cluster '{context.topology.cluster}'", "is not up", remedy)
    problem, reachable = _problem(context), True
    seen: dict[str, NodeInfo] = {}
    queues: tuple[QueueInfo, ...] = ()
    try:
        seen = {node.name: node for node in context.management.nodes()}
        queues = context.management.queues()
    except WarrenError:
        reachable = False
    leaders = Counter(queue.leader for queue in queues)
    nodes = [
        _node_line(node, states[node.name], seen.get(node.erlang_name), leaders[node.erlang_name])
        for node in context.topology.nodes
    ]
    up, total = _targets(context)
    return Status(
        cluster=context.topology.cluster,
        nodes=tuple(nodes),
        queues=tuple(
            _queue_line(queue) for queue in sorted(queues, key=lambda each: (each.vhost, each.name))
        ),
        faults=_faults(context),
        targets_up=up,
        targets=total,
        problem=problem,
        reachable=reachable,
        operation=_operation(context),
    )


def _operation(context: Context) -> str:
    try:
        begun = record.read(context.state)
    except WarrenError as error:
        return f"{error.where}: {error.what}"
    if begun is None:
        return ""
    stopped = f", stopped at '{begun.stopped}'" if begun.stopped else ""
    command = catalogue.command(begun.name, begun.args, context.options)
    return f"{begun.name} began at {begun.began_at}{stopped} (go on: {command}; undo: {command} --undo)"


def _node_line(node: Node, state: NodeState, info: NodeInfo | None, leaders: int) -> NodeLine:
    """The engine's word on the container goes before what other nodes still believe of it: they list a frozen
    node as running for a while."""
    running = state is NodeState.RUNNING and info is not None and info.running
    told = "booting" if state is NodeState.RUNNING and not running else state.value
    share = None
    if running and info and info.mem_used_bytes and info.mem_limit_bytes:
        share = info.mem_used_bytes / info.mem_limit_bytes
    alarms = [] if info is None else [("memory", info.mem_alarm), ("disk", info.disk_alarm)]
    return NodeLine(
        name=node.name,
        state=told,
        leaders=leaders if running else None,
        memory_used=share,
        alarms=tuple(name for name, on in alarms if on),
    )


def _queue_line(queue: QueueInfo) -> QueueLine:
    return QueueLine(
        vhost=queue.vhost,
        name=queue.name,
        leader=(queue.leader or "none").removeprefix("rabbit@"),
        online=len(queue.online),
        members=len(queue.members),
        ready=queue.messages_ready,
        unacked=queue.messages_unacked,
        consumers=queue.consumers,
    )


def _faults(context: Context) -> tuple[str, ...]:
    journal = Journal(context.state.journal, lambda: datetime.now(UTC))
    return tuple(
        f"{fault.name} of {fault.target} since {fault.begun_at or 'a time not recorded'}"
        for fault in journal.open_faults()
    )


def _problem(context: Context) -> str:
    try:
        context.gate.check()
    except WarrenError as error:
        return f"{error.where}: {error.what}"
    return ""


def _targets(context: Context) -> tuple[int | None, int | None]:
    try:
        targets = context.prometheus.targets()
    except WarrenError:
        return None, None
    asked = [target for target in targets if target.health != "unknown"]  # some are asked once a minute
    return sum(target.health == "up" for target in asked), len(asked)


def as_dict(status: Status) -> dict[str, Any]:
    """For ``--json``."""
    return asdict(status)


def text(status: Status) -> str:
    """For a terminal or a pipe: plain columns."""
    lines = [f"cluster '{status.cluster}': {status.problem or 'whole'}"]
    lines += [f"  operation: {status.operation}"] if status.operation else []
    lines += [f"  fault: {fault} (undo it: make chaos-heal)" for fault in status.faults]
    lines.append(f"  {'node':<8} {'state':<9} {'leaders':>7}  {'memory':>6}  alarms")
    for node in status.nodes:
        leaders = "-" if node.leaders is None else str(node.leaders)
        memory = "-" if node.memory_used is None else f"{node.memory_used:.0%}"
        lines.append(
            f"  {node.name:<8} {node.state:<9} {leaders:>7}  {memory:>6}  {', '.join(node.alarms) or 'none'}"
        )
    if status.queues:
        width = max(len(f"{queue.vhost}:{queue.name}") for queue in status.queues)
        lines.append(f"  {'queue':<{width}}  leader  online  {'ready':>7}  {'unacked':>7}  {'consumers':>9}")
    for queue in status.queues:
        name = f"{queue.vhost}:{queue.name}"
        counts = [
            "-" if each is None else str(each) for each in (queue.ready, queue.unacked, queue.consumers)
        ]
        lines.append(
            f"  {name:<{width}}  {queue.leader:<6}  {queue.online}/{queue.members:<4}  "
            f"{counts[0]:>7}  {counts[1]:>7}  {counts[2]:>9}"
        )
    if not status.reachable:
        lines.append("  no node answers for its queues")
    known = status.targets is not None
    lines.append(
        f"  Prometheus: {status.targets_up} of {status.targets} targets up"
        if known
        else "  Prometheus: no answer"
    )
    return "\n".join(lines)


def up_text(report: UpReport) -> str:
    """Where the time went, and which images run."""
    parts = ", ".join(f"{stage.name} {stage.seconds:.1f} s" for stage in report.stages)
    how = "made" if report.created else "up"
    lines = [f"cluster {how} in {report.seconds:.1f} s ({parts})"]
    for name, ref in sorted(report.images.items()):
        lines.append(f"  image {name}: {ref.origin}, {ref.reference}{f' ({ref.note})' if ref.note else ''}")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardsPlace:
    """Where the dashboards are served, whose password opens them, and what serves them."""

    url: str
    user: str
    password_file: Path
    kind: str


def dashboards_place(context: Context) -> DashboardsPlace:
    """Grafana where it runs, else the preview."""
    service, secret, user, kind = ("grafana", secrets.GRAFANA_ADMIN, "admin", "Grafana")
    if not context.runtime.runs("grafana"):
        service, secret, user = ("view", secrets.VIEW, "view")
        kind = (
            "a preview: Grafana's image was not to be had; to ask again: WARREN_IMAGES=pull make cluster-up"
        )
    return DashboardsPlace(
        url=served_at(context.topology, service),
        user=user,
        password_file=context.state.secrets / secret,
        kind=kind,
    )


def places_text(context: Context) -> str:
    """Every page that is really there, and where the password for it is."""
    topology, state = context.topology, context.state
    operator = topology.account("operator").name
    dashboards = dashboards_place(context)
    management = topology.published_node(topology.nodes[0].name, "management")
    lines = [
        "where to look (certificate authority: " + str(context.cluster_ca) + ")",
        f"  dashboards  {dashboards.url}  user {dashboards.user}, password in "
        f"{dashboards.password_file} ({dashboards.kind})",
        f"  management  https://localhost:{management}  user {operator}, password in "
        f"{state.secrets / operator}",
        f"  Prometheus  https://localhost:{topology.published('prometheus')}/api/v1/targets  "
        f"user prometheus, password in {state.secrets / secrets.PROMETHEUS_WEB}",
    ]
    if topology.shipping.long_term:
        lines.append(
            f"  long term   https://localhost:{topology.published('victoriametrics')}  "
            f"user victoriametrics, password in {state.secrets / secrets.VICTORIAMETRICS_WEB}"
        )
    return "\n".join(lines)
