"""Client connections whose end does not get through: FIN and RST are dropped, all else passes.

Who closes waits for an answer, and the other side believes that the connection lives: the broker holds a dead
client's messages until its heartbeats are missed, as after a crash behind a link that drops its last words.
The kernel of the closing side tries again for a minute or two (``tcp_retries2``, ``tcp_orphan_retries``), so
a close gets through once this is healed in time.
"""

from __future__ import annotations

from chaos import network
from chaos.fault import Site
from chaos.packets import Cut, PacketFault, at_ports, client_ports, directions
from warren.journal import Fault as Journaled
from warren.runtime.protocol import NodeState

#: Opens a connection and closes it again: its FIN is what is struck.
_CLOSE = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()"


def _cut(site: Site, fault: Journaled) -> Cut:
    matches = at_ports(client_ports(site), after=" tcp flags & (fin | rst) != 0")
    return Cut(matches=dict.fromkeys(directions(fault.args), matches))


def _poke(site: Site, target: str) -> None:
    """Close a connection to the target from another node's network, as no client may do so for long."""
    others = [n for n, state in site.runtime.states().items() if n != target and state is NodeState.RUNNING]
    if others:
        where = (site.runtime.network_address(target), str(site.topology.ports.amqps))
        network.run_tool(site, others[0], "python3", "-c", _CLOSE, *where)


FAULT = PacketFault(
    name="slow-close",
    summary="let no client connection end: drop FIN and RST; heal deletes the packet filter",
    parameters={"direction": network.DIRECTION},
    cut=_cut,
    look=network.address,
    poke=_poke,
    takes_down=False,
)
