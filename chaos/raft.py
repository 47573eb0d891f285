"""What the faults share that kill a process inside the broker once; chaos/faults/ names each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chaos import inside
from chaos.fault import Facts, Parameter, Site
from warren.errors import NotReadyError
from warren.journal import Fault as Journaled
from warren.runtime.protocol import NodeState

#: A look is one run of the broker's tool, and the first may come too soon for the supervisor: on a machine
#: with a load of 40 both took 16 s.
_PROOF_S = 30.0
#: The queue of the role by which a node was chosen, if any.
Queue = tuple[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KilledProcess:
    """A fault that kills processes of the broker while the node goes on; ``who`` makes of the target's queue
    the expression that names them. Their supervisors start others at once, so it is over when it is proven,
    and healing makes sure of that."""

    summary: str
    who: Callable[[Queue], str]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    takes_down: bool = False
    is_silent: bool = False
    is_wide: bool = False

    def before(self, site: Site, target: str) -> Facts:
        """Every process that may be meant; which of them the proof is about is known only with the queue."""
        found = inside.process_ids(site, target, self.who(None))
        if not found:
            raise NotReadyError(target, "there is nothing to kill: it has no member of a quorum queue")
        return {"processes": dict(found)}

    def inject(self, site: Site, fault: Journaled) -> None:
        inside.kill_processes(site, fault.target, self.who(queue_of(fault)))

    def prove(self, site: Site, fault: Journaled) -> Facts:
        now = inside.process_ids(site, fault.target, self.who(queue_of(fault)))
        return {"processes_after": replaced(fault, now)}

    def proof_s(self, fault: Journaled) -> float:  # noqa: ARG002
        return _PROOF_S

    def heal(self, site: Site, fault: Journaled) -> Facts:
        return raft_processes_run(site, fault.target)

    def residue(self, site: Site) -> tuple[str, ...]:  # noqa: ARG002
        return ()  # nothing stays: a member that did not come back keeps the gate from passing


def queue_of(fault: Journaled) -> Queue:
    """The queue by whose role the fault's node was chosen."""
    found = fault.evidence.get("queue")
    return (str(found[0]), str(found[1])) if found else None


def replaced(fault: Journaled, now: Mapping[str, str]) -> dict[str, str]:
    """``now`` if every process in it is another one than before the act; raises NotReadyError naming one that
    is not, or that is not back."""
    before = fault.evidence["processes"]
    for name, process in now.items():
        if process == inside.NOBODY:
            raise NotReadyError(fault.target, f"{name} is not back yet")
        if process == before.get(name):
            raise NotReadyError(fault.target, f"{name} still runs as process {process}")
    return dict(now)


def raft_processes_run(site: Site, node: str) -> Facts:
    """Start what does not run of the node's Raft members; raises NotReadyError while one is missing."""
    if site.state(node) is NodeState.STOPPED:
        return {"processes": "ended with the node's process"}
    inside.restart_members(site, node)
    shared = inside.process_ids(site, node, inside.named(inside.WAL, inside.SEGMENT_WRITER))
    found = {**shared, **inside.process_ids(site, node, inside.members(None))}
    missing = [name for name, process in found.items() if process == inside.NOBODY]
    if missing:
        raise NotReadyError(node, f"{', '.join(missing)} does not run")
    return {"processes_healed_count": len(found)}
