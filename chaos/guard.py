"""The blast radius: what may be broken at once. Refuses before anything has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chaos.context import ChaosContext
from chaos.fault import CLUSTER, load
from warren.errors import BadInputError, NotReadyError, RefusedError
from warren.journal import Fault as Journaled
from warren.runtime.protocol import NodeState

_ANYWAY = "give --majority-loss if that is what you want to see"
_OVERRIDE = f"heal first (make chaos-heal), or {_ANYWAY}"


def refuse_unless_safe(
    context: ChaosContext, name: str, targets: Sequence[str], *, majority_loss: bool
) -> None:
    """Return if the fault called ``name`` may strike all of ``targets`` now; others may be at work there.

    Raises RefusedError when a target is down or under this fault already, or when the nodes down would be
    more than a minority or a queue would lose its majority and ``majority_loss`` is false; NotReadyError
    when there is no such container, or the broker cannot be asked and ``majority_loss`` is false.
    """
    states = context.runtime.states()
    open_faults = context.journal.open_faults()
    if CLUSTER in targets:
        _refuse_twice(name, open_faults)
        if load(name).takes_down:
            _refuse_unless_all_run(states, open_faults)
        return
    for target in targets:
        _refuse_unfit(name, target, states[target], open_faults)
    if not load(name).takes_down or majority_loss:
        return
    down = {node for node, state in states.items() if state is not NodeState.RUNNING}
    down |= {each.target for each in open_faults if each.target in states and _takes_down(each)}
    _refuse_during_a_course(open_faults)
    fresh = [target for target in targets if target not in down]  # else lost already, by another fault
    if fresh:
        _refuse_beyond_a_minority(context, fresh, down, len(states))


def _refuse_beyond_a_minority(
    context: ChaosContext, targets: Sequence[str], down: set[str], total: int
) -> None:
    named = ", ".join(targets)
    if total == 1:
        raise RefusedError(named, "is the only node: nothing would serve", _ANYWAY)
    if len(down) + len(targets) > (total - 1) // 2:
        more = f"{len(targets)} of {total} is more than a minority"
        if down:
            number = "one more" if len(targets) == 1 else f"{len(targets)} more"
            verb = "takes" if len(targets) == 1 else "take"
            more = f"{_named(down)} down or under a fault already: {number} of {total} {verb} the majority"
        raise RefusedError(named, more, _OVERRIDE if down else _ANYWAY)
    for target in targets:
        if what_is_lost := context.broker.lost_with(target):
            what = f"without this node there would be no majority of {what_is_lost} (quorum critical)"
            raise RefusedError(target, what, _OVERRIDE)
    if len(targets) > 1 and (lost := context.broker.queues_lost_with({*targets, *down})):
        raise RefusedError(named, f"together they are the majority of {', '.join(lost)}", _ANYWAY)


def _refuse_unless_all_run(states: Mapping[str, NodeState], open_faults: Sequence[Journaled]) -> None:
    """For what takes every node down in turn: one at a time is a minority only while no other is down."""
    down = {node for node, state in states.items() if state is not NodeState.RUNNING}
    down |= {each.target for each in open_faults if each.target in states and _takes_down(each)}
    if down:
        what = f"{_named(down)} down or under a fault already"
        raise RefusedError(CLUSTER, what, "heal first: make chaos-heal")
    if len(states) == 1:
        raise RefusedError(CLUSTER, "has one node: nothing would serve", "try it on a cluster of three")


def _refuse_during_a_course(open_faults: Sequence[Journaled]) -> None:
    """What takes one node after the other down may be at any of them now."""
    for fault in open_faults:
        if fault.target == CLUSTER and _takes_down(fault):
            what = f"is under the fault {fault.fault_id}, which takes one node after the other down"
            raise RefusedError(CLUSTER, what, f"wait until it has ended; or {_ANYWAY}")


def _refuse_twice(name: str, open_faults: tuple[Journaled, ...]) -> None:
    for fault in open_faults:
        if (fault.target, fault.name) == (CLUSTER, name):
            raise RefusedError(
                CLUSTER, f"is under the fault {fault.fault_id} already", "heal it first: make chaos-heal"
            )


def _refuse_unfit(name: str, target: str, state: NodeState, open_faults: tuple[Journaled, ...]) -> None:
    if state is NodeState.ABSENT:
        raise NotReadyError(target, "there is no such container", "bring the cluster up: make cluster-up")
    for fault in open_faults:
        if fault.target == target and (fault.name == name or state is not NodeState.RUNNING):
            raise RefusedError(
                target, f"is under the fault {fault.fault_id} already", "heal it first: make chaos-heal"
            )
    if state is not NodeState.RUNNING:
        raise RefusedError(target, f"is {state.value} already", "heal it first: make chaos-heal")


def _takes_down(fault: Journaled) -> bool:
    try:
        return load(fault.name).takes_down
    except BadInputError:  # journaled by a version that knew it: think the worst
        return True


def _named(nodes: set[str]) -> str:
    return f"{', '.join(sorted(nodes))} {'is' if len(nodes) == 1 else 'are'}"
