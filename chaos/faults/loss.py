"""A part of a node's packets lost at random, each way: what TCP makes of it is latency, then timeouts.

Drawn by the kernel (nftables ``numgen random``), so which packets are lost is not repeatable.
"""

from __future__ import annotations

from chaos.fault import Args, Parameter
from chaos.network import Cut, PacketFault

#: The grain of the draw: a hundredth of a percent.
_OF = 10_000


def _cut(args: Args) -> Cut:
    lost = round(float(args["loss_percent"]) / 100 * _OF)
    odds = f"numgen random mod {_OF} < {lost} "
    return Cut(traffic=args["traffic"], direction=args["direction"], verdict="drop", odds=odds)


FAULT = PacketFault(
    summary="lose a part of the node's packets; heal deletes the packet filter",
    own={
        "loss_percent": Parameter(default=10.0, low=0.01, high=100.0, help="of the packets, each way"),
    },
    cut=_cut,
)
