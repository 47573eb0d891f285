"""Client connections cut in silence: both ends hold them, and nothing passes. New connections work.

It is what a firewall does that forgot them, or a client whose machine lost its power: the broker finds it by
the client's missing heartbeats (two intervals; with the default of 60 s up to 135 s), the client by the
broker's. https://www.rabbitmq.com/docs/heartbeats
"""

from __future__ import annotations

from chaos import connections
from chaos.fault import Site
from chaos.packets import FAR, Cut, PacketFault
from warren.journal import Fault as Journaled


def _cut(site: Site, fault: Journaled) -> Cut:  # noqa: ARG001 - what was found before the act says all
    found = connections.chosen(fault)
    listed = ", ".join(f"{each.address} . {each.port} . {each.local_port}" for each in found)
    ways = {"in": ("sport", "dport"), "out": ("dport", "sport")}
    return Cut(
        matches={
            way: [f"ip {FAR[way]} . tcp {far} . tcp {near} {{ {listed} }}"]
            for way, (far, near) in ways.items()
        }
    )


FAULT = PacketFault(
    name="half-open",
    summary="cut the client connections that there are, in silence; heal deletes the packet filter",
    parameters={"client": connections.CLIENT},
    cut=_cut,
    look=connections.look,
    takes_down=False,
)
