"""A node that is cut off while it runs: from the other nodes, from clients, or from all, one way or both.

Dropped packets leave connections open: the other nodes count the node out by their failure detector (5 s
poll, and an election), and by net_ticktime (45 to 75 s) the management API does. Refused ones close them at
once. https://www.rabbitmq.com/docs/partitions, https://www.rabbitmq.com/docs/nettick
"""

from __future__ import annotations

from chaos.fault import Args, Parameter
from chaos.network import Cut, PacketFault

_VERDICTS = {"drop": "drop", "refuse": "reject with tcp reset"}


def _cut(args: Args) -> Cut:
    return Cut(traffic=args["traffic"], direction=args["direction"], verdict=_VERDICTS[args["how"]])


FAULT = PacketFault(
    summary="cut the node off; heal deletes the packet filter",
    own={"how": Parameter(default="drop", choices=tuple(_VERDICTS), help="in silence, or by a TCP reset")},
    cut=_cut,
    finds=True,
)
