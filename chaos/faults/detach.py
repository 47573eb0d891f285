"""A node without a network: its container is taken from the cluster's network, and put back as it was.

To the others it is as a pause: connections stay and nothing comes. Inside, the node's interface is gone, so
that it cannot connect to itself by its name either. It gets its own address back; where somebody has taken
that meanwhile (the engine gives free ones to who comes), it gets another, and the result says so.
https://docs.docker.com/reference/cli/docker/network/disconnect/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos import network
from chaos.fault import Facts, Parameter, Site
from warren.errors import NotReadyError
from warren.journal import Fault as Journaled
from warren.runtime.protocol import Ability, NodeState


@dataclass(frozen=True, slots=True)
class Detach:
    summary: str = "take the node from the network; heal puts it back with the address that it had"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    takes_down: bool = True
    is_silent: bool = True
    is_wide: bool = False
    outlives_process: bool = True
    ability: Ability = Ability.DETACH

    def before(self, site: Site, target: str) -> Facts:
        return network.address(site, target)

    def inject(self, site: Site, fault: Journaled) -> None:
        site.runtime.detach(fault.target)

    def prove(self, site: Site, fault: Journaled) -> Facts:
        if not site.runtime.is_detached(fault.target):
            raise NotReadyError(fault.target, "is still on the network")
        return {"networks": "none"}

    def heal(self, site: Site, fault: Journaled) -> Facts:
        wanted = str(fault.evidence.get("address", ""))
        site.runtime.attach(fault.target, wanted)
        if site.runtime.is_detached(fault.target):
            raise NotReadyError(fault.target, "is not on the network again")
        if site.state(fault.target) is NodeState.STOPPED:
            return {"address_healed": "given when it starts"}
        found = site.runtime.network_address(fault.target)
        if wanted and found != wanted:
            site.say(f"{fault.target}: its address {wanted} was taken; it is {found} now")
        return {"address_healed": found}

    def residue(self, site: Site) -> tuple[str, ...]:
        there = [node for node, state in site.runtime.states().items() if state is not NodeState.ABSENT]
        return tuple(node for node in there if site.runtime.is_detached(node))


FAULT = Detach()
