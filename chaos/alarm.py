"""What both resource alarms are as faults; chaos/faults/ names each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.fault import Facts, Parameter, Site
from warren import alarms
from warren.errors import NotReadyError, RefusedError
from warren.journal import Fault as Journaled
from warren.runtime.protocol import NodeState


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm of one node, which blocks publishers of the whole cluster."""

    resource: alarms.Resource
    summary: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    takes_down: bool = False
    is_silent: bool = False
    is_wide: bool = False

    def before(self, site: Site, target: str) -> Facts:
        """Raises RefusedError where it rings by itself: then there would be nothing to prove."""
        if self.resource in alarms.ringing(site.runtime, target):
            what = f"has an alarm of {self.resource} already"
            raise RefusedError(target, what, "see docs/runbooks for what it means: make cluster-status")
        return {}

    def inject(self, site: Site, fault: Journaled) -> None:
        alarms.provoke(site.runtime, fault.target, self.resource)

    def prove(self, site: Site, fault: Journaled) -> Facts:
        found = alarms.ringing(site.runtime, fault.target)
        if self.resource not in found:
            raise NotReadyError(fault.target, f"has no alarm of {self.resource}")
        return {"alarms": sorted(found)}

    def heal(self, site: Site, fault: Journaled) -> Facts:
        """A node that was stopped has its own limits again when it starts."""
        if site.state(fault.target) is NodeState.STOPPED:
            return {"limit": "ended with the node's process"}
        alarms.lift(site.runtime, site.topology, fault.target, self.resource)
        if self.resource in alarms.ringing(site.runtime, fault.target):
            raise NotReadyError(
                fault.target, f"still has an alarm of {self.resource}, with the topology's own limit"
            )
        return {"limit": "the topology's own"}

    def residue(self, site: Site) -> tuple[str, ...]:
        """None where the broker cannot be asked: the gate that follows will not pass an alarm."""
        try:
            return tuple(node for node, found in site.alarms().items() if self.resource in found)
        except NotReadyError:
            return ()
