"""A part of a node's packets lost at random, each way: what TCP makes of it is latency, then timeouts.

Drawn by the kernel (nftables ``numgen random``), so which packets are lost is not repeatable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos import network
from chaos.fault import Facts, Parameter, Site
from warren.journal import Fault as Journaled

#: The grain of the draw: a hundredth of a percent.
_OF = 10_000


def _parameters() -> Mapping[str, Parameter]:
    share = Parameter(default=10.0, low=0.01, high=100.0, help="of the packets, each way")
    return network.parameters(loss_percent=share)


@dataclass(frozen=True, slots=True)
class Loss:
    summary: str = "lose a part of the node's packets; heal deletes the packet filter"
    parameters: Mapping[str, Parameter] = field(default_factory=_parameters)
    takes_down: bool = True
    is_silent: bool = True

    def before(self, site: Site, target: str) -> Facts:
        return {"address": site.runtime.network_address(target)}

    def inject(self, site: Site, fault: Journaled) -> None:
        lost = round(float(fault.args["loss_percent"]) / 100 * _OF)
        cut = network.Cut(
            traffic=fault.args["traffic"],
            direction=fault.args["direction"],
            verdict="drop",
            odds=f"numgen random mod {_OF} < {lost} ",
        )
        network.insert(site, fault, cut)

    def prove(self, site: Site, fault: Journaled) -> Facts:
        return network.prove(site, fault)

    def heal(self, site: Site, fault: Journaled) -> Facts:
        return network.remove(site, fault)

    def residue(self, site: Site) -> tuple[str, ...]:  # noqa: ARG002
        return ()  # its table looks like that of a partition, which finds both


FAULT = Loss()
