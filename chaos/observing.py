"""Re-reads, after a fault has struck, the role by which its node was chosen: who has it now.

Never raises for a role that did not move: that is a finding.
"""

from __future__ import annotations

from collections.abc import Callable

from chaos.context import ChaosContext
from chaos.fault import Fault
from chaos.target import Resolved, Target
from warren.errors import NotReadyError, WarrenError
from warren.runtime.protocol import NodeState
from warren.wait import until

#: A frozen leader was replaced after 7 to 12 s in five tries on a busy machine, once after more than 15: 5 s
#: until the failure detector polls, and an election that may need a second round.
LEADER_MOVED_DEADLINE_S = 30.0
_POLL_S = 0.2
#: A broker tool boots an Erlang machine each time: about a second of one core.
_SILENT_POLL_S = 2.0

Seen = dict[str, object]


def role_after(
    context: ChaosContext, target: Target, resolved: Resolved, *, kind: Fault, deadline_s: float
) -> Seen:
    """What became of the role, as facts for the journal; nothing where there was none, or none that moves.
    A role that only a node's loss would move is looked at once after a fault that does not take it down.

    While a node is frozen the management API answers nothing about queues until net_ticktime has passed
    (74 s measured with the default of 60), so after silent faults a leader is asked for by the broker's
    tools on another node, and other roles are not asked for.
    """
    silent = kind.is_silent
    if resolved.is_leader and resolved.queue:
        return _leader_after(context, resolved.node, resolved.queue, silent=silent, deadline_s=deadline_s)
    look = _other_role(context, target, resolved)
    if look is None:
        return {}
    if silent:
        return {"role_after": None, "role_after_reason": "is not asked for while a node is silent"}

    def moved() -> tuple[str, ...]:
        found = look()
        if resolved.node in found or not found:
            raise NotReadyError(str(resolved.role), f"is still {', '.join(found) or 'nobody'}")
        return found

    patience_s = deadline_s if kind.takes_down else 0.0
    return _awaited(context, "role", moved, every_s=_POLL_S, deadline_s=patience_s)


def told(resolved: Resolved, seen: Seen) -> str:
    """What `role_after` found, as a line for the user."""
    key = "leader" if "leader_after" in seen else "role"
    what = str(resolved.queue[1]) if resolved.is_leader and resolved.queue else str(resolved.role)
    if seen[f"{key}_after"] is None:
        no = "no other leader was seen" if key == "leader" else "nobody else was seen"
        return f"{what}: {no} ({seen[f'{key}_after_reason']})"
    who = seen[f"{key}_after"]
    shown = who if isinstance(who, str) else ", ".join(who)  # type: ignore[arg-type]
    verb = "led by" if key == "leader" else "it is"
    return f"{what}: {verb} {shown} now, seen {seen[f'{key}_seen_after_s']} s after the proof"


def _other_role(
    context: ChaosContext, target: Target, resolved: Resolved
) -> Callable[[], tuple[str, ...]] | None:
    """How to ask who has the role now, where that is no leader's."""
    if target.attached_to is not None:
        client = target.attached_to
        return lambda: context.broker.client_nodes(client)
    if target.follower_of is not None and resolved.queue is not None:
        queue = resolved.queue
        return lambda: context.broker.queue_followers(*queue)
    return None


def _leader_after(
    context: ChaosContext, struck: str, of: tuple[str, str], *, silent: bool, deadline_s: float
) -> Seen:
    """Who leads the queue now that its leader is gone, and after how long that was seen (by polling: the
    load generator measures the gap)."""
    vhost, queue = of
    others = [node for node, state in context.runtime.states().items() if state is NodeState.RUNNING]
    asked = next((node for node in others if node != struck), None)
    if asked is None:
        return {"leader_after": None, "leader_after_reason": "no other node runs"}

    def moved() -> str:
        ask = context.broker
        if silent:
            leader = ask.queue_leader_by_tool(vhost, queue, node=asked)
        else:
            leader = ask.queue_leader(vhost, queue, asked=asked)
        if leader == struck:
            raise NotReadyError(queue, f"is still led by {leader}")
        return leader

    every_s = _SILENT_POLL_S if silent else _POLL_S
    return _awaited(context, "leader", moved, every_s=every_s, deadline_s=deadline_s)


def _awaited(
    context: ChaosContext, key: str, probe: Callable[[], object], *, every_s: float, deadline_s: float
) -> Seen:
    begun_s = context.clock.now()
    try:
        found = until(
            probe, what=f"another {key}", deadline_s=deadline_s, every_s=every_s, clock=context.clock
        )
    except WarrenError as error:
        return {f"{key}_after": None, f"{key}_after_reason": error.what}
    after = list(found) if isinstance(found, tuple) else found
    return {f"{key}_after": after, f"{key}_seen_after_s": round(context.clock.now() - begun_s, 2)}
