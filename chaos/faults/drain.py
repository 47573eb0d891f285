"""A node put under maintenance: it runs, and serves neither clients nor queues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.fault import Facts, Parameter, Site
from warren import maintenance
from warren.errors import NotReadyError, RefusedError
from warren.journal import Fault as Journaled
from warren.runtime.protocol import NodeState


@dataclass(frozen=True, slots=True)
class Drain:
    summary: str = "put the node under maintenance, as before an upgrade; heal revives it"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    takes_down: bool = True
    is_silent: bool = False
    is_wide: bool = False

    def before(self, site: Site, target: str) -> Facts:
        """Raises RefusedError where somebody else has drained it."""
        if maintenance.is_drained(site.runtime, target):
            raise RefusedError(target, "is under maintenance already", "revive it: make chaos-heal")
        return {"drained_before": False}

    def inject(self, site: Site, fault: Journaled) -> None:
        maintenance.drain(site.runtime, fault.target)

    def prove(self, site: Site, fault: Journaled) -> Facts:
        if not maintenance.is_drained(site.runtime, fault.target):
            raise NotReadyError(fault.target, "does not say that it is under maintenance")
        return {"drained": True}

    def heal(self, site: Site, fault: Journaled) -> Facts:
        if site.state(fault.target) is NodeState.STOPPED:
            return {"drained_healed": "ended with the node's process"}
        if maintenance.is_left_out(site.runtime, fault.target):
            maintenance.revive(site.runtime, fault.target)
        if maintenance.is_drained(site.runtime, fault.target):
            raise NotReadyError(fault.target, "is still under maintenance")
        return {"drained_healed": False}

    def residue(self, site: Site) -> tuple[str, ...]:
        try:
            drained = site.drained()
        except NotReadyError:  # the gate that follows will not pass a node that does not serve
            return ()
        states = site.runtime.states()
        return tuple(node for node in states if node in drained and states[node] is NodeState.RUNNING)


FAULT = Drain()
