"""Every process of the node frozen: it holds its connections and answers nothing.

Peers and clients see no closed connection: RabbitMQ's failure detector finds it by its poll interval (5 s
by default), a client by its heartbeat. https://www.rabbitmq.com/docs/heartbeats
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.fault import Facts, Parameter, Site, expect_state, process_facts
from warren.errors import NotReadyError
from warren.journal import Fault as Journaled
from warren.runtime.protocol import NodeState


@dataclass(frozen=True, slots=True)
class Pause:
    summary: str = "freeze every process of the node; heal lets them go on"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    takes_down: bool = True
    is_silent: bool = True
    is_wide: bool = False

    def before(self, site: Site, target: str) -> Facts:
        return process_facts(site, target)

    def inject(self, site: Site, fault: Journaled) -> None:
        site.runtime.pause(fault.target)

    def prove(self, site: Site, fault: Journaled) -> Facts:
        return {"state": expect_state(site, fault.target, NodeState.PAUSED).value}

    def heal(self, site: Site, fault: Journaled) -> Facts:
        site.runtime.unpause(fault.target)
        if site.state(fault.target) is NodeState.PAUSED:
            raise NotReadyError(fault.target, "is still paused")
        return {"process_id_healed": site.runtime.process_id(fault.target)}

    def residue(self, site: Site) -> tuple[str, ...]:
        return tuple(node for node, state in site.runtime.states().items() if state is NodeState.PAUSED)


FAULT = Pause()
