"""Packets of a node that are thrown away, by a table of nftables; chaos/faults/ names the faults that do."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from chaos import network
from chaos.fault import Args, Facts, Parameter, Site
from warren.journal import Fault as Journaled

#: Before whatever else is in the node's network.
_PRIORITY = -300
#: By direction: the hook, and the word for the interface.
_HOOKS = {"in": ("input", "iifname"), "out": ("output", "oifname")}
#: By direction, the word for the node's own port.
_OWN = {"in": "dport", "out": "sport"}
#: By direction, the word for the other side's address.
FAR = {"in": "saddr", "out": "daddr"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Which packets, and what is to become of them, in nftables' words. ``matches`` are by direction, ``in``
    or ``out``, and each is a rule of its own; ``odds`` picks some of what they match, and ends with a
    space."""

    matches: Mapping[str, Sequence[str]]
    verdict: str = "drop"
    odds: str = ""


def ruleset(name: str, cut: Cut, spared: Collection[int] = ()) -> str:
    """The table as nft reads it. The loopback interface, by which the node's own tools talk to it, is never
    touched, nor are connections to the TCP ports ``spared``, by which the table is taken away again."""
    listed = ", ".join(str(port) for port in spared)
    lines = [f"table inet {name} {{"]
    for direction, matches in cut.matches.items():
        hook, interface = _HOOKS[direction]
        lines.append(f"  chain {direction} {{")
        lines.append(f"    type filter hook {hook} priority {_PRIORITY}; policy accept;")
        lines.append(f'    {interface} "lo" accept')
        if spared:
            lines.append(f"    tcp {_OWN[direction]} {{ {listed} }} accept")
        lines += [f"    {match} {cut.odds}counter {cut.verdict}" for match in matches]
        lines.append("  }")
    return "\n".join([*lines, "}", ""])


def directions(args: Args) -> tuple[str, ...]:
    """``in``, ``out`` or both, as a fault's settings say."""
    chosen = args.get("direction", "both")
    return tuple(_HOOKS) if chosen == "both" else (str(chosen),)


def at_ports(ports: Collection[int], *, before: str = "", after: str = "") -> list[str]:
    """TCP packets with one of ``ports`` at either end, for a node both listens and connects; ``before`` and
    ``after`` say what else they are."""
    listed = ", ".join(str(port) for port in ports)
    return [f"{before}tcp {end} {{ {listed} }}{after}" for end in ("dport", "sport")]


def client_ports(site: Site) -> tuple[int, int]:
    """The ports at which clients connect."""
    return site.topology.ports.amqps, site.topology.ports.streams


def by_traffic(site: Site, fault: Journaled, *, is_tcp: bool = False) -> Mapping[str, Sequence[str]]:
    """What the settings ``traffic``, ``direction`` and ``peers`` mean; ``is_tcp`` where it cannot be else."""
    traffic, chosen = fault.args["traffic"], directions(fault.args)
    if traffic == "all":
        every = "meta l4proto tcp" if is_tcp else "meta l4proto { tcp, udp, icmp }"
        return {each: [every] for each in chosen}
    if traffic == "clients":
        return dict.fromkeys(chosen, at_ports(client_ports(site)))
    ports, who = site.topology.ports, ", ".join(network.peer_addresses(site, fault))
    return {
        each: at_ports((ports.inter_node, ports.epmd), before=f"ip {FAR[each]} {{ {who} }} ")
        for each in chosen
    }


def by_traffic_facts(site: Site, target: str) -> Facts:
    """`network.address`, once the peers that were asked for are found to be such."""
    network.refuse_unknown_peers(site, target)
    return network.address(site, target)


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketFault:
    """A fault that throws packets away. ``cut`` makes of its settings, or of what ``look`` found before the
    act, what its table does; ``waits_s`` says how long its proof may take, where that is long."""

    name: str
    summary: str
    parameters: Mapping[str, Parameter]
    cut: Callable[[Site, Journaled], Cut]
    look: Callable[[Site, str], Facts] = by_traffic_facts
    poke: Callable[[Site, str], None] | None = None
    waits_s: Callable[[Journaled], float] = lambda _fault: 0.0
    takes_down: bool = True
    is_silent: bool = True
    is_wide: bool = False
    needs: str = network.NEEDS

    def before(self, site: Site, target: str) -> Facts:
        return self.look(site, target)

    def missing(self, site: Site, node: str) -> None:
        """Raise NotReadyError where no tool can be run on the node's network."""
        network.sight(site, node)

    def inject(self, site: Site, fault: Journaled) -> None:
        spared = site.runtime.control_ports(fault.target)
        text = ruleset(network.table_name(fault), self.cut(site, fault), spared)
        network.run_tool(site, fault.target, "nft", "-f", "-", stdin=text.encode())

    def prove(self, site: Site, fault: Journaled) -> Facts:
        """By the table's counters; where packets that it strikes are rare, ``poke`` makes one."""
        if self.poke is not None and not network.count(site, fault)[0]:
            self.poke(site, fault.target)
        return network.counted(site, fault)

    def proof_s(self, fault: Journaled) -> float:
        return self.waits_s(fault)

    def heal(self, site: Site, fault: Journaled) -> Facts:
        return network.remove(site, fault)

    def residue(self, site: Site) -> tuple[str, ...]:
        return network.struck(site, self.name)
