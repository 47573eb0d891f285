"""A node whose outgoing traffic is held to a rate: a queue that fills, then drops (``tbf`` of tc).

What it sends to other nodes, to clients and to monitoring shares the rate; what it receives does not, but
its acknowledgements do. https://man7.org/linux/man-pages/man8/tc-tbf.8.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos import network
from chaos.fault import Facts, Parameter, Site, network_is_gone, networked_where
from warren.errors import NotReadyError
from warren.journal import Fault as Journaled

#: Every node's own, by which its tools talk to it.
_LOOPBACK = "lo"
#: Ours, and nobody else's: a queueing of another handle is never replaced by healing.
_HANDLE = "57a1:"
#: What may leave at once, at least: a packet of the largest size, and a tick's worth at a gigabit.
_BURST_BYTES = 32_000
_WAITS_MS = 400
_GONE = ("Invalid handle", "Cannot find", "No such file")


def _parameters() -> Mapping[str, Parameter]:
    rate = Parameter(default=1000.0, low=8, high=10_000_000, help="thousand bits a second that may leave it")
    return {"rate_kbit": rate}


@dataclass(frozen=True, slots=True)
class Bandwidth:
    summary: str = "hold what the node sends to a rate; heal takes the limit away"
    parameters: Mapping[str, Parameter] = field(default_factory=_parameters)
    takes_down: bool = True
    is_silent: bool = True
    is_wide: bool = False
    needs: str = network.NEEDS

    def before(self, site: Site, target: str) -> Facts:
        """And by which interface it sends: one that was taken off its network and put back has another."""
        facts = network.address(site, target)
        found = [str(each["dev"]) for each in network.sight(site, target).queueing]
        names = sorted({name for name in found if name != _LOOPBACK})
        if not names:
            raise NotReadyError(target, "has no interface to the other nodes", "make cluster-status")
        return {**facts, "interface": names[0]}

    def inject(self, site: Site, fault: Journaled) -> None:
        rate = f"{float(fault.args['rate_kbit']):g}kbit"
        limits = ("rate", rate, "burst", str(_BURST_BYTES), "latency", f"{_WAITS_MS}ms")
        where = ("dev", str(fault.evidence["interface"]), "root", "handle", _HANDLE)
        network.run_tool(site, fault.target, "tc", "qdisc", "replace", *where, "tbf", *limits)

    def prove(self, site: Site, fault: Journaled) -> Facts:
        found = _ours(site, fault.target)
        if found is None or not found.get("overlimits"):
            raise NotReadyError(fault.target, "nothing that it sent has met the limit yet")
        return {"overlimits": found["overlimits"]}

    def heal(self, site: Site, fault: Journaled) -> Facts:
        if network_is_gone(site, fault.target):
            return {"limit": "ended with the node's process"}
        if (found := _ours(site, fault.target)) is not None:
            where = ("dev", str(found["dev"]), "root", "handle", _HANDLE)
            network.run_tool(site, fault.target, "tc", "qdisc", "del", *where, gone=_GONE)
        if _ours(site, fault.target) is not None:
            raise NotReadyError(fault.target, "is still held to a rate")
        return {"limit": "taken away"}

    def residue(self, site: Site) -> tuple[str, ...]:
        return networked_where(site, lambda node: _mine(network.sight(site, node).queueing) is not None)


def _ours(site: Site, node: str) -> Mapping[str, Any] | None:
    """None too for a node that is on no network now: its interface took the limit along."""
    done = network.run_tool(site, node, "tc", "-s", "-j", "qdisc", "show")
    return _mine(json.loads(done.stdout or "[]"))


def _mine(shown: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((each for each in shown if each.get("handle") == _HANDLE), None)


FAULT = Bandwidth()
