"""Whom a fault strikes: resolved at the moment of injection, since roles move between nodes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chaos.context import ChaosContext
from chaos.fault import CLUSTER
from warren.errors import BadInputError, NotReadyError, WarrenError
from warren.runtime.protocol import NodeState
from warren.topology import RESERVED_PREFIX
from warren.wait import until

#: A frozen leader was replaced after 7 to 12 s in five tries on a busy machine, once after more than 15: 5 s
#: until the failure detector polls, and an election that may need a second round.
LEADER_MOVED_DEADLINE_S = 30.0
_POLL_S = 0.2
#: What names of profiles are made of: nothing that could end a string of a broker tool's language.
_PLAIN = r"[A-Za-z0-9./_-]+"
#: A broker tool boots an Erlang machine each time: about a second of one core.
_SILENT_POLL_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Who is meant: a node by its name, or the leader of a queue (``vhost`` only where it is ambiguous).

    Give exactly one of ``node`` and ``leader_of``.
    """

    node: str | None = None
    leader_of: str | None = None
    vhost: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The node that is meant now, and in what role it was chosen."""

    node: str
    queue: tuple[str, str] | None = None

    @property
    def role(self) -> str | None:
        return f"leader of {self.queue[1]} in {self.queue[0]}" if self.queue else None


def resolve(context: ChaosContext, target: Target, *, wide: bool = False) -> Resolved:
    """The node that ``target`` means now; the cluster as a whole for a fault that is ``wide``.

    Raises BadInputError for a node, queue or vhost that the topology does not know or a target that names
    both or neither, NotReadyError when the queue has no leader or the broker cannot be asked.
    """
    if wide:
        if target != Target():
            raise BadInputError(
                "target", "this fault strikes the whole cluster", "name no node and no queue"
            )
        return Resolved(node=CLUSTER)
    if (target.node is None) == (target.leader_of is None):
        raise BadInputError("target", "name one node, or --leader-of QUEUE, and not both", _example(context))
    if target.node is not None:
        if target.vhost is not None:
            raise BadInputError("target", "--vhost goes with --leader-of, not with a node")
        return Resolved(node=context.topology.node(target.node).name)
    vhost, queue = _queue(context, target)
    leader = context.broker.queue_leader(vhost, queue)
    return Resolved(node=context.topology.node(leader).name, queue=(vhost, queue))


def _queue(context: ChaosContext, target: Target) -> tuple[str, str]:
    """The virtual host and the queue: one of the topology's, or one of a load profile's own."""
    queue, vhost = str(target.leader_of), target.vhost
    if vhost is None and queue.startswith(f"/{RESERVED_PREFIX}"):
        vhost, _, queue = queue.partition(":")
    if vhost and vhost.removeprefix("/").startswith(RESERVED_PREFIX):
        if not re.fullmatch(_PLAIN, vhost) or not re.fullmatch(_PLAIN, queue):
            raise BadInputError(f"queue {queue!r}", "is no name of a profile's queue")
        return vhost, queue
    if vhost is None and queue.startswith(RESERVED_PREFIX):
        what = "is a load profile's own, in a virtual host that is named after the profile"
        raise BadInputError(f"queue {queue}", what, f"--leader-of /{RESERVED_PREFIX}PROFILE:{queue}")
    found, known = context.topology.find_queue(f"{vhost}:{queue}" if vhost else queue)
    return found.name, known.name


def await_new_leader(
    context: ChaosContext, resolved: Resolved, *, silent: bool, deadline_s: float
) -> dict[str, object]:
    """Who leads the queue now that its leader is gone, and after how long that was seen (by polling: the
    load generator measures the gap). Never raises for a leader that did not move: that is a finding.

    While a node is frozen the management API answers nothing about queues until net_ticktime has passed
    (74 s measured with the default of 60), so ``silent`` faults ask the broker's tools on another node.
    """
    if resolved.queue is None:
        return {}
    vhost, queue = resolved.queue
    begun_s = context.clock.now()
    others = [node for node, state in context.runtime.states().items() if state is NodeState.RUNNING]
    asked = next((node for node in others if node != resolved.node), None)
    if asked is None:
        return {"leader_after": None, "leader_after_reason": "no other node runs"}

    def moved() -> str:
        ask = context.broker
        if silent:
            leader = ask.queue_leader_by_tool(vhost, queue, node=asked)
        else:
            leader = ask.queue_leader(vhost, queue, asked=asked)
        if leader == resolved.node:
            raise NotReadyError(queue, f"is still led by {leader}")
        return leader

    try:
        leader = until(
            moved,
            what=f"another leader of {queue}",
            deadline_s=deadline_s,
            every_s=_SILENT_POLL_S if silent else _POLL_S,
            clock=context.clock,
        )
    except WarrenError as error:
        return {"leader_after": None, "leader_after_reason": error.what}
    return {"leader_after": leader, "leader_seen_after_s": round(context.clock.now() - begun_s, 2)}


def _example(context: ChaosContext) -> str:
    return f"chaos kill {context.nodes[-1]}, or chaos kill --leader-of {_any_queue(context)}"


def _any_queue(context: ChaosContext) -> str:
    return next((queue.name for vhost in context.topology.vhosts for queue in vhost.queues), "QUEUE")
