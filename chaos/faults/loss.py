"""A part of a node's packets lost at random, each way: what TCP makes of it is latency, then timeouts.

Drawn by the kernel (nftables ``numgen random``), so which packets are lost is not repeatable.
"""

from __future__ import annotations

from chaos.fault import Parameter, Site
from chaos.network import DIRECTION, PEERS, TRAFFIC
from chaos.packets import Cut, PacketFault, by_traffic
from warren.journal import Fault as Journaled

#: The grain of the draw: a hundredth of a percent.
_OF = 10_000


def _cut(site: Site, fault: Journaled) -> Cut:
    lost = round(float(fault.args["loss_percent"]) / 100 * _OF)
    return Cut(matches=by_traffic(site, fault), odds=f"numgen random mod {_OF} < {lost} ")


FAULT = PacketFault(
    name="loss",
    summary="lose a part of the node's packets; heal deletes the packet filter",
    parameters={
        "traffic": TRAFFIC,
        "direction": DIRECTION,
        "peers": PEERS,
        "loss_percent": Parameter(default=10.0, low=0.01, high=100.0, help="of the packets, each way"),
    },
    cut=_cut,
)
