"""A node that is cut off while it runs: from the other nodes, from clients, or from all, one way or both.

Dropped packets leave connections open: the other nodes count the node out by their failure detector (5 s
poll, and an election), and by net_ticktime (45 to 75 s) the management API does. Refused ones close them at
once. Cut off from some of its peers only, a node makes the shapes in which no majority is lost and yet not
all see each other: a bridge of three, a ring of five.
https://www.rabbitmq.com/docs/partitions, https://www.rabbitmq.com/docs/nettick
"""

from __future__ import annotations

from chaos.fault import Parameter, Site
from chaos.network import DIRECTION, PEERS, TRAFFIC
from chaos.packets import Cut, PacketFault, by_traffic
from warren.journal import Fault as Journaled

_VERDICTS = {"drop": "drop", "refuse": "reject with tcp reset"}


def _cut(site: Site, fault: Journaled) -> Cut:
    how = fault.args["how"]
    return Cut(matches=by_traffic(site, fault, is_tcp=how == "refuse"), verdict=_VERDICTS[how])


FAULT = PacketFault(
    name="partition",
    summary="cut the node off; heal deletes the packet filter",
    parameters={
        "traffic": TRAFFIC,
        "direction": DIRECTION,
        "peers": PEERS,
        "how": Parameter(default="drop", choices=tuple(_VERDICTS), help="in silence, or by a TCP reset"),
    },
    cut=_cut,
)
