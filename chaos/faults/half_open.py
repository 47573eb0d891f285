"""Client connections cut in silence: both ends hold them, and nothing passes. New connections work.

It is what a firewall does that forgot them, or a client whose machine lost its power: the broker finds it by
the client's missing heartbeats (two intervals; with the default of 60 s up to 135 s), the client by the
broker's. https://www.rabbitmq.com/docs/heartbeats

Proven by what was dropped. Where nothing is sent that is a heartbeat, of which each end sends two in the time
that was agreed on: for so long the proof is waited for.
"""

from __future__ import annotations

from chaos import connections
from chaos.fault import Facts, Site
from chaos.packets import FAR, Cut, PacketFault
from warren.journal import Fault as Journaled

#: How late a heartbeat may be on a busy machine.
_LATE_S = 5.0


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


def _look(site: Site, target: str) -> Facts:
    """Whom it strikes, and the shortest of their heartbeats: without traffic, when the proof is there."""
    facts = connections.look(site, target)
    beats = connections.beats(site, target, connections.read(facts))
    if not beats:
        site.say(f"{target}: none of these connections has a heartbeat; without traffic there is no proof")
        return facts
    return {**facts, "heartbeat_s": min(beats)}


def _proof_s(fault: Journaled) -> float:
    return float(fault.evidence.get("heartbeat_s", 0)) + _LATE_S


FAULT = PacketFault(
    name="half-open",
    summary="cut the client connections that there are, in silence; heal deletes the packet filter",
    parameters={"client": connections.CLIENT},
    cut=_cut,
    look=_look,
    waits_s=_proof_s,
    takes_down=False,
)
