"""What is broken now: what the runtime shows beside what the journal says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaos.context import ChaosContext
from chaos.fault import load
from chaos.halt import halted_since
from warren.errors import BadInputError
from warren.journal import Fault
from warren.runtime.protocol import NodeState

#: States of a node that nothing but a start brings back.
_DOWN = (NodeState.STOPPED, NodeState.ABSENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """``nodes`` in topology order. ``over`` are open faults whose target runs as if healed: the journal only
    waits for `heal` to say so. ``unexplained`` are nodes that do not run though no open fault says why.
    ``halted_since`` (ISO-8601 UTC) is when chaos was halted, None where faults may begin."""

    nodes: Mapping[str, NodeState]
    open: tuple[Fault, ...]
    over: tuple[Fault, ...]
    unexplained: Mapping[str, NodeState]
    damage: tuple[str, ...]
    halted_since: str | None = None

    @property
    def is_down(self) -> bool:
        """Whether the whole cluster is down, which is no fault to heal."""
        return is_down(self.nodes, self.open)

    @property
    def is_quiet(self) -> bool:
        return not (self.open or self.unexplained)


def status(context: ChaosContext) -> Status:
    """Read both; changes nothing. Raises NotReadyError when the engine or the journal cannot be read."""
    reading = context.journal.read()
    nodes = context.runtime.states()
    broken = {fault.target for fault in reading.open}
    return Status(
        nodes=nodes,
        open=reading.open,
        over=tuple(fault for fault in reading.open if _is_over(fault, nodes)),
        unexplained={
            node: state
            for node, state in nodes.items()
            if state is not NodeState.RUNNING and node not in broken
        },
        damage=reading.damage,
        halted_since=halted_since(context),
    )


def is_down(nodes: Mapping[str, NodeState], open_faults: Sequence[Fault]) -> bool:
    """Whether no node is up and not all of that is the doing of open faults."""
    broken = {fault.target for fault in open_faults}
    return all(state in _DOWN for state in nodes.values()) and not set(nodes) <= broken


def _is_over(fault: Fault, nodes: Mapping[str, NodeState]) -> bool:
    """A node that runs on under its fault, cut off or slowed down, is not over it: only where the fault took
    its process, or froze it, is running a sign."""
    try:
        takes_down = load(fault.name).takes_down
    except BadInputError:  # journaled by a version that knew it
        return False
    took_process = "process_id" in fault.evidence
    return takes_down and took_process and nodes.get(fault.target) is NodeState.RUNNING
