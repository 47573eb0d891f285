"""The blast radius: what may be broken at once. Refuses before anything has changed."""

from __future__ import annotations

from chaos.context import ChaosContext
from chaos.fault import CLUSTER, load
from warren.errors import BadInputError, NotReadyError, RefusedError
from warren.journal import Fault as Journaled
from warren.runtime.protocol import NodeState

_ANYWAY = "give --majority-loss if that is what you want to see"
_OVERRIDE = f"heal first (make chaos-heal), or {_ANYWAY}"


def refuse_unless_safe(context: ChaosContext, name: str, target: str, *, majority_loss: bool) -> None:
    """Return if the fault called ``name`` may strike ``target`` now; another one may be at work there.

    Raises RefusedError when the target is down or under this fault already, or when the nodes down would be
    more than a minority or a queue would lose its majority and ``majority_loss`` is false; NotReadyError
    when there is no such container, or the broker cannot be asked and ``majority_loss`` is false.
    """
    states = context.runtime.states()
    open_faults = context.journal.open_faults()
    if target == CLUSTER:
        _refuse_twice(name, open_faults)
        return
    _refuse_unfit(name, target, states[target], open_faults)
    if not load(name).takes_down or majority_loss:
        return
    down = {node for node, state in states.items() if state is not NodeState.RUNNING}
    down |= {each.target for each in open_faults if each.target in states and _takes_down(each)}
    if target in down:  # by another fault: it is lost already
        return
    if len(states) == 1:
        raise RefusedError(target, "is the only node: nothing would serve", _ANYWAY)
    bearable = (len(states) - 1) // 2
    if len(down) + 1 > bearable:
        raise RefusedError(
            target,
            f"{_named(down)} down or under a fault already: one more of {len(states)} takes the majority",
            _OVERRIDE,
        )
    if context.broker.quorum_critical(target):
        raise RefusedError(
            target,
            "a queue or the metadata store would lose its majority with this node (quorum critical)",
            _OVERRIDE,
        )


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
