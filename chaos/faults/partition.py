"""A node that is cut off while it runs: from the other nodes, from clients, or from all, one way or both.

Dropped packets leave connections open: the other nodes count the node out by their failure detector (5 s
poll, and an election), and by net_ticktime (45 to 75 s) the management API does. Refused ones close them at
once. https://www.rabbitmq.com/docs/partitions, https://www.rabbitmq.com/docs/nettick
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos import network
from chaos.fault import Facts, Parameter, Site
from warren.journal import Fault as Journaled


def _parameters() -> Mapping[str, Parameter]:
    how = Parameter(default="drop", choices=("drop", "refuse"), help="in silence, or by a TCP reset")
    return network.parameters(how=how)


@dataclass(frozen=True, slots=True)
class Partition:
    summary: str = "cut the node off; heal deletes the packet filter"
    parameters: Mapping[str, Parameter] = field(default_factory=_parameters)
    takes_down: bool = True
    is_silent: bool = True

    def before(self, site: Site, target: str) -> Facts:
        return {"address": site.runtime.network_address(target)}

    def inject(self, site: Site, fault: Journaled) -> None:
        cut = network.Cut(
            traffic=fault.args["traffic"],
            direction=fault.args["direction"],
            verdict={"drop": "drop", "refuse": "reject with tcp reset"}[fault.args["how"]],
        )
        network.insert(site, fault, cut)

    def prove(self, site: Site, fault: Journaled) -> Facts:
        return network.prove(site, fault)

    def heal(self, site: Site, fault: Journaled) -> Facts:
        return network.remove(site, fault)

    def residue(self, site: Site) -> tuple[str, ...]:
        """Of every fault that throws packets away: their tables look alike."""
        return network.struck(site)


FAULT = Partition()
