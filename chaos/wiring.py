"""Builds the context of a chaos command from the cluster at hand."""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from chaos.access import Access
from chaos.context import ChaosContext
from chaos.watchdog import Watchdog
from warren import alarms, cluster, leaders, majority, process
from warren.context import Context
from warren.errors import NotReadyError
from warren.journal import Journal
from warren.management import ManagementClient
from warren.management_facts import QueueInfo, connection_name
from warren.management_facts import queue as read_queue
from warren.operate import options
from warren.runtime.protocol import NodeState, Runtime
from warren.wait import Clock

#: One call of a broker tool on a busy machine.
_TOOL_S = 10.0
#: What the metadata store says of a quorum queue: its record carries the leader's name and node.
_LEADER = """
{{ok, Queue}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>)),
{{_, Leader}} = amqqueue:get_pid(Queue),
io:format("leader=~s~n", [Leader]).
"""


@dataclass(frozen=True, slots=True)
class ManagementBroker:
    """`chaos.context.Broker` over the management API."""

    management: ManagementClient
    runtime: Runtime
    clock: Clock

    def queue_leader(self, vhost: str, queue: str, *, asked: str | None = None) -> str:
        found = read_queue(self.management.get("queues", vhost, queue, node=asked))
        return _node_of(found.leader, vhost, queue)

    def queue_leader_by_tool(self, vhost: str, queue: str, *, node: str) -> str:
        # Names come from the topology, whose reader admits no quote or backslash.
        expression = _LEADER.format(vhost=vhost, queue=queue)
        done = self.runtime.execute(node, ["rabbitmqctl", "eval", expression], timeout_s=_TOOL_S)
        found = re.search(r"leader=(\S+)", process.check(done).stdout)
        return _node_of(found[1] if found else None, vhost, queue)

    def lead(self, vhost: str, queue: str, node: str) -> None:
        leaders.transfer(self.runtime, vhost, queue, node=node, name=f"rabbit@{node}")

    def queue_followers(self, vhost: str, queue: str) -> tuple[str, ...]:
        found = self.management.queue(vhost, queue)
        return tuple(sorted(_short(each) for each in found.online if each != found.leader))

    def client_nodes(self, client: str) -> tuple[str, ...]:
        rows = self.management.rows("connections")
        mine = [row for row in rows if connection_name(row).startswith(client) or row.get("user") == client]
        return tuple(sorted({_short(str(row["node"])) for row in mine if row.get("node")}))

    def queues_lost_with(self, nodes: Collection[str]) -> tuple[str, ...]:
        def is_lost(queue: QueueInfo) -> bool:
            left = [each for each in queue.online if _short(each) not in nodes]
            return len(left) <= len(queue.members) // 2

        queues = [queue for queue in self.management.queues() if queue.members]
        return tuple(f"{queue.vhost}:{queue.name}" for queue in queues if is_lost(queue))

    def alarms(self) -> dict[str, frozenset[str]]:
        if self.management.alarms().passed:
            return {}
        running = [node for node, state in self.runtime.states().items() if state is NodeState.RUNNING]
        return {node: alarms.ringing(self.runtime, node) for node in running}

    def drained(self) -> frozenset[str]:
        return frozenset(_short(each.name) for each in self.management.nodes() if each.being_drained)

    def lost_with(self, node: str) -> str:
        return majority.lost_with(self.management, node, clock=self.clock)


def _node_of(leader: str | None, vhost: str, queue: str) -> str:
    """The topology's name of an Erlang node; raises NotReadyError where there is none."""
    if not leader:
        raise NotReadyError(f"queue {queue} in {vhost}", "has no leader now", "make cluster-status")
    return _short(leader)


def _short(erlang_node: str) -> str:
    """The topology's name of ``rabbit@rmq1``."""
    return erlang_node.partition("@")[2]


@dataclass(frozen=True, slots=True)
class ClusterGate:
    """`chaos.context.Gate`: the one that ``cluster up`` ends with."""

    context: Context

    def __call__(self, *, deadline_s: float, steady_s: float) -> None:
        cluster.wait_ready(self.context, deadline_s=deadline_s, steady_s=steady_s)


def chaos_context(context: Context) -> ChaosContext:
    """The parts of ``context`` that chaos needs; raises NotReadyError without an engine or a cluster."""
    topology = context.topology_path.resolve()
    return ChaosContext(
        topology=context.topology,
        runtime=context.nodes,
        broker=ManagementBroker(context.management, context.nodes, context.clock),
        access=Access(management=context.management, secrets=context.secrets, pki=context.pki),
        journal=Journal(context.state.journal, _now, context.clock, told=context.state.open_faults),
        wait_ready=ClusterGate(context),
        spread_leaders=lambda: cluster.balance_leaders(context),
        watch=Watchdog(
            [sys.executable, "-m", "warren", "chaos", "watch", "--topology", str(topology)],
            context.state.root / "watchdog.log",
        ),
        clock=context.clock,
        now=_now,
        fresh_id=_fresh_id,
        say=context.say,
    )


def open_chaos(topology: Path | None) -> ChaosContext:
    """`chaos_context` of the topology file, or of the checkout's own."""
    return chaos_context(options.context(topology))


def _now() -> datetime:
    return datetime.now(UTC)


def _fresh_id() -> str:
    return secrets.token_hex(4)
