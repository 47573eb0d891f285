"""Packets of a node that come late, each way: on the connections that there are, and on new ones.

A program in a helper container holds them in the node's own network, in the kernel's queue for verdicts
(`chaos.delay`). It is the fault: where it ends, however it ends, the kernel takes its table away and packets
pass as before. Why not a proxy: docs/adr/0014-latency-by-a-queue.md.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos import network, packets
from chaos.fault import Facts, Parameter, Site
from warren.errors import NotReadyError
from warren.journal import Fault as Journaled
from warren.runtime.protocol import Joined
from warren.wait import until

#: For the helper container to say that it holds packets.
_STARTS_S = 20.0


def _parameters() -> Mapping[str, Parameter]:
    return {
        "delay_ms": Parameter(default=100.0, low=1, high=10_000, help="for which a packet is held, each way"),
        "jitter_ms": Parameter(default=0.0, high=10_000, help="more or less than that, drawn evenly"),
        "traffic": network.TRAFFIC,
        "direction": network.DIRECTION,
        "peers": network.PEERS,
    }


@dataclass(frozen=True, slots=True)
class Latency:
    summary: str = "hold the node's packets for a while; heal ends the helper that does"
    parameters: Mapping[str, Parameter] = field(default_factory=_parameters)
    takes_down: bool = True
    is_silent: bool = True
    is_wide: bool = False
    outlives_process: bool = True
    needs: str = f"{network.NEEDS}, and a kernel with nftables' queues (nfnetlink_queue)"

    def before(self, site: Site, target: str) -> Facts:
        return packets.by_traffic_facts(site, target)

    def missing(self, site: Site, node: str) -> None:
        """Raise NotReadyError where no tool can be run on the node's network; what the kernel has only the
        act can tell."""
        network.sight(site, node)

    def inject(self, site: Site, fault: Journaled) -> None:
        order = json.dumps(_order(site, fault))
        site.runtime.join(fault.target, fault.fault_id, ["python3", "-m", "chaos.delay", order])
        until(
            lambda: _begun(site, fault),
            what="the helper to hold packets",
            deadline_s=_STARTS_S,
            every_s=0.1,
            clock=site.clock,
        )
        _said(site, fault)

    def prove(self, site: Site, fault: Journaled) -> Facts:
        said = _said(site, fault)
        if not said["held"]:
            raise NotReadyError(fault.target, "no packet was held yet")
        return {
            "packets": said["held"],
            "held_mean_ms": said["mean_ms"],
            "held_longest_ms": said["longest_ms"],
            "jitter_seed": _seed(fault),
        }

    def heal(self, site: Site, fault: Journaled) -> Facts:
        """Also where the node was stopped: its network is gone then, the helper that was in it is not."""
        for each in _helpers(site, fault.target):
            site.runtime.part(each.fault)
        if _helpers(site, fault.target):
            raise NotReadyError(fault.target, "the helper that holds packets is still there")
        return {"helper": "removed"}

    def residue(self, site: Site) -> tuple[str, ...]:
        return tuple(sorted({each.node for each in site.runtime.joined()}))


def _order(site: Site, fault: Journaled) -> dict[str, Any]:
    """What `chaos.delay` is told."""
    ports, args = site.topology.ports, fault.args
    chosen: Mapping[str, tuple[int, ...]] = {
        "inter-node": (ports.inter_node, ports.epmd),
        "clients": packets.client_ports(site),
        "all": (),
    }
    traffic = str(args["traffic"])
    return {
        "table": network.table_name(fault),
        "delay_ms": args["delay_ms"],
        "jitter_ms": args["jitter_ms"],
        "seed": _seed(fault),
        "ports": chosen[traffic],
        "peers": network.peer_addresses(site, fault) if traffic == "inter-node" else [],
        "directions": packets.directions(args),
        "spared": list(site.runtime.control_ports(fault.target)),
    }


def _seed(fault: Journaled) -> int:
    """The order's own, or one that its fault's name gives."""
    return fault.seed if fault.seed is not None else zlib.crc32(fault.fault_id.encode())


def _helpers(site: Site, node: str) -> list[Joined]:
    return [each for each in site.runtime.joined() if each.node == node]


def _begun(site: Site, fault: Journaled) -> None:
    """Raise NotReadyError while the helper runs and has said nothing: for one that has ended nobody waits."""
    for each in _helpers(site, fault.target):
        if each.is_running and not site.runtime.joined_said(each.fault):
            raise NotReadyError(fault.target, "the helper has not begun yet")


def _said(site: Site, fault: Journaled) -> Mapping[str, Any]:
    """What the helper has said last; raises NotReadyError where there is none, or it has ended."""
    helper = next((each for each in site.runtime.joined() if each.fault == fault.fault_id), None)
    if helper is None:
        raise NotReadyError(fault.target, "no helper holds packets")
    text = site.runtime.joined_said(helper.fault)
    if not helper.is_running:
        raise NotReadyError(
            fault.target,
            f"the helper that is to hold packets has ended: {text}",
            "make cluster-up",
        )
    try:
        found: Mapping[str, Any] = json.loads(text)
    except ValueError as error:
        raise NotReadyError(fault.target, f"the helper that is to hold packets says: {text}") from error
    return found


FAULT = Latency()
