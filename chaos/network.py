"""Packets of a node that are thrown away: one private table of nftables in its network for each fault.

The table's name says the fault, so nobody else's rules are ever touched, two faults on one node do not meet,
and healing is one atomic act: the table is deleted. Its counters are the proof. With the node's process the
network ends and the table with it. https://wiki.nftables.org/wiki-nftables/index.php/Main_Page
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from chaos.fault import Args, Facts, Parameter, Site, alive_where
from warren.errors import NotReadyError
from warren.journal import Fault as Journaled
from warren.process import Completed
from warren.runtime.protocol import NodeState
from warren.topology import Ports

#: Every table that any fault makes is called so.
PREFIX = "warren_"
#: A helper container is made, run and removed within a second; a busy machine takes longer.
_TOOL_S = 30.0
_GONE = ("No such file or directory", "does not exist")
#: For `chaos list`: the right to use the engine suffices, for root is in the helper only.
NEEDS = "a helper container that joins the node's network with NET_ADMIN"
#: Before whatever else is in the node's network.
_PRIORITY = -300
#: By direction: the hook, the word for the interface, and that for the other side's address.
_HOOKS = (("in", "input", "iifname", "saddr"), ("out", "output", "oifname", "daddr"))

TRAFFIC = Parameter(
    default="inter-node",
    choices=("inter-node", "clients", "all"),
    help="between nodes (Erlang distribution and epmd), to and from clients, or both and all else",
)
DIRECTION = Parameter(
    default="both", choices=("both", "in", "out"), help="packets that reach the node, that leave it, or both"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Which packets, and what is to become of them, in nftables' words: ``odds`` picks some of them, and
    ends with a space."""

    traffic: str
    direction: str
    verdict: str
    odds: str = ""


def table_name(fault: Journaled) -> str:
    """The table of a journaled fault: letters, digits and underscores."""
    return PREFIX + "".join(each if each.isalnum() else "_" for each in fault.fault_id)


def ruleset(name: str, cut: Cut, *, ports: Ports, peers: Collection[str]) -> str:
    """The table as nft reads it. ``peers`` are addresses of the nodes that are cut off from this one.

    Each packet is seen by its port at either end, for a node both listens and connects. The loopback
    interface, by which the node's own tools talk to it, is never touched.
    """
    lines = [f"table inet {name} {{"]
    for direction, hook, interface, end in _HOOKS:
        if cut.direction not in ("both", direction):
            continue
        lines.append(f"  chain {direction} {{")
        lines.append(f"    type filter hook {hook} priority {_PRIORITY}; policy accept;")
        lines.append(f'    {interface} "lo" accept')
        matches = _matches(cut, end, ports, peers)
        lines += [f"    {match} {cut.odds}counter {cut.verdict}" for match in matches]
        lines.append("  }")
    return "\n".join([*lines, "}", ""])


def _matches(cut: Cut, end: str, ports: Ports, peers: Collection[str]) -> list[str]:
    if cut.traffic == "all":
        return ["meta l4proto tcp" if "tcp" in cut.verdict else "meta l4proto { tcp, udp, icmp }"]
    if cut.traffic == "inter-node":
        who, numbers = f"ip {end} {{ {', '.join(sorted(peers))} }} ", (ports.inter_node, ports.epmd)
    else:
        who, numbers = "", (ports.amqps, ports.streams)
    listed = ", ".join(str(number) for number in numbers)
    return [f"{who}tcp dport {{ {listed} }}", f"{who}tcp sport {{ {listed} }}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketFault:
    """A fault that throws packets away; chaos/faults/ names each. ``cut`` makes of a fault's settings what
    its table does. Tables look alike, so one fault, which ``finds`` them, does it for all."""

    summary: str
    own: Mapping[str, Parameter]
    cut: Callable[[Args], Cut]
    finds: bool = False
    takes_down: bool = True
    is_silent: bool = True
    is_wide: bool = False
    needs: str = NEEDS

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {"traffic": TRAFFIC, "direction": DIRECTION, **self.own}

    def before(self, site: Site, target: str) -> Facts:
        return address(site, target)

    def inject(self, site: Site, fault: Journaled) -> None:
        insert(site, fault, self.cut(fault.args))

    def prove(self, site: Site, fault: Journaled) -> Facts:
        return prove(site, fault)

    def heal(self, site: Site, fault: Journaled) -> Facts:
        return remove(site, fault)

    def residue(self, site: Site) -> tuple[str, ...]:
        return struck(site) if self.finds else ()


def address(site: Site, target: str) -> Facts:
    """Whom the fault strikes, as the network knows it."""
    return {"address": site.runtime.network_address(target)}


def insert(site: Site, fault: Journaled, cut: Cut) -> None:
    """Put the fault's table into its target's network; raises NotReadyError when nft refuses it."""
    peers = [
        site.runtime.network_address(node)
        for node, state in site.runtime.states().items()
        if node != fault.target and state in (NodeState.RUNNING, NodeState.PAUSED)
    ]
    text = ruleset(table_name(fault), cut, ports=site.topology.ports, peers=peers)
    run_tool(site, fault.target, "nft", "-f", "-", stdin=text.encode())


def prove(site: Site, fault: Journaled) -> Facts:
    """How many packets met the table; raises NotReadyError while none has."""
    packets, octets = count(site, fault)
    if not packets:
        raise NotReadyError(fault.target, "no packet has met the fault yet")
    return {"packets": packets, "bytes": octets}


def count(site: Site, fault: Journaled) -> tuple[int, int]:
    """Packets and bytes that met the fault's table; raises NotReadyError where there is no such table."""
    done = run_tool(site, fault.target, "nft", "-j", "list", "table", "inet", table_name(fault))
    counters = [
        part["counter"]
        for entry in json.loads(done.stdout)["nftables"]
        for part in entry.get("rule", {}).get("expr", ())
        if isinstance(part, dict) and isinstance(part.get("counter"), dict)
    ]
    return sum(each["packets"] for each in counters), sum(each["bytes"] for each in counters)


def remove(site: Site, fault: Journaled) -> Facts:
    """Delete the fault's table, or every table of ours for a fault that was only found. Idempotent."""
    if site.state(fault.target) is NodeState.STOPPED:
        return {"table": "ended with the node's process"}
    mine = [table_name(fault)] if fault.begun_at is not None else _tables(site, fault.target)
    for name in mine:
        run_tool(site, fault.target, "nft", "delete", "table", "inet", name, gone=_GONE)
    left = set(mine) & set(_tables(site, fault.target))
    if left:
        raise NotReadyError(fault.target, f"still has {', '.join(sorted(left))}")
    return {"table": "deleted"}


def struck(site: Site) -> tuple[str, ...]:
    """The nodes in whose network there is any table of ours."""
    return alive_where(site, lambda node: bool(_tables(site, node)))


def _tables(site: Site, node: str) -> list[str]:
    done = run_tool(site, node, "nft", "-j", "list", "tables")
    entries: list[dict[str, Any]] = json.loads(done.stdout)["nftables"]
    names = [str(entry["table"]["name"]) for entry in entries if "table" in entry]
    return [name for name in names if name.startswith(PREFIX)]


def run_tool(
    site: Site, node: str, *argv: str, stdin: bytes | None = None, gone: Collection[str] = ()
) -> Completed:
    """Run ``nft`` or ``tc`` on a node's network; raises NotReadyError when it fails, but for saying one of
    the words in ``gone``: what was to be removed is not there."""
    done = site.runtime.in_network(node, list(argv), timeout_s=_TOOL_S, stdin=stdin)
    if not done.ok and not any(word in done.stderr for word in gone):
        raise NotReadyError(node, f"{argv[0]}: {done.last_line()}")
    return done
