"""What faults of a node's network share: tools run on it, and the private tables of nftables.

A table's name says the fault, so nobody else's rules are ever touched, two faults on one node do not meet,
and healing is one atomic act: the table is deleted. Its counters are the proof. With a container's
process its network ends and the table with it; a host's stays. https://wiki.nftables.org/wiki-nftables/index.php/Main_Page
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from chaos.fault import Args, Facts, Parameter, Site, network_is_gone, networked_where
from warren.errors import BadInputError, NotReadyError
from warren.journal import Fault as Journaled
from warren.process import Completed
from warren.runtime.protocol import NodeState

#: Every table that any fault makes is called so, then after the fault, then after what was journaled.
PREFIX = "warren_"
#: A helper container is made, run and removed within a second; a busy machine takes longer.
_TOOL_S = 30.0
_GONE = ("No such file or directory", "does not exist")
#: For `chaos list`: the right to use the engine suffices, for root is in the helper only.
NEEDS = "a helper container that joins the node's network with NET_ADMIN (on hosts: nft, tc and sudo there)"
#: Both tools at once, for a helper container costs more than what it does.
LOOK = "nft -j list tables && tc -j qdisc show"
ALL_PEERS = "all"

TRAFFIC = Parameter(
    default="inter-node",
    choices=("inter-node", "clients", "all"),
    help="between nodes (Erlang distribution and epmd), to and from clients, or both and all else",
)
DIRECTION = Parameter(
    default="both", choices=("both", "in", "out"), help="packets that reach the node, that leave it, or both"
)
PEERS = Parameter(
    default=ALL_PEERS,
    pattern=r"[\w.-]+(,[\w.-]+)*",
    help="of traffic between nodes: that with these nodes, like rmq1,rmq2; or with all others",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What can be seen on a node's network without any journal: names of tables of ours, and the queueing of
    each interface as tc shows it."""

    tables: tuple[str, ...]
    queueing: tuple[Mapping[str, Any], ...]


def table_name(fault: Journaled) -> str:
    """The table of a journaled fault: letters, digits and underscores."""
    return f"{_tables_of(fault.name)}{_plain(fault.fault_id)}"


def _tables_of(name: str) -> str:
    """What the tables of the fault called ``name`` begin with."""
    return f"{PREFIX}{_plain(name)}__"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", text)


def address(site: Site, target: str) -> Facts:
    """Whom the fault strikes, as the network knows it."""
    return {"address": site.runtime.network_address(target)}


def refuse_unknown_peers(site: Site, target: str) -> None:
    """Raise BadInputError when ``site.args`` name peers that are none, or that its traffic does not have."""
    peers(site, target, site.args)


def peers(site: Site, target: str, args: Args) -> tuple[str, ...]:
    """The nodes that ``args`` mean by their peers; raises BadInputError as `refuse_unknown_peers` does."""
    others = tuple(node.name for node in site.topology.nodes if node.name != target)
    given = str(args.get("peers", ALL_PEERS))
    if given == ALL_PEERS:
        return others
    if args.get("traffic") != "inter-node":
        raise BadInputError("peers", "go with traffic between nodes", "give traffic=inter-node too")
    for each in given.split(","):
        if each not in others:
            what = "is the target itself" if each == target else f"there is no node '{each}'"
            raise BadInputError(f"peers {given}", what, f"some of: {', '.join(others)}")
    return tuple(given.split(","))


def peer_addresses(site: Site, fault: Journaled) -> list[str]:
    """The addresses of those of the fault's peers that have one; raises NotReadyError where none has."""
    found = []
    for node in peers(site, fault.target, fault.args):
        if site.state(node) in (NodeState.RUNNING, NodeState.PAUSED) and not site.runtime.is_detached(node):
            found.append(site.runtime.network_address(node))
    if not found:
        raise NotReadyError(fault.target, "none of its peers has an address: they do not run")
    return sorted(found)


def counted(site: Site, fault: Journaled) -> Facts:
    """How many packets met the fault's table; raises NotReadyError while none has, or without a table."""
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
    """Delete the fault's table, or every table of its kind for a fault that was only found. Idempotent."""
    if network_is_gone(site, fault.target):
        return {"table": "ended with the node's process"}
    mine = [table_name(fault)] if fault.begun_at is not None else tables(site, fault.target, fault.name)
    for name in mine:
        run_tool(site, fault.target, "nft", "delete", "table", "inet", name, gone=_GONE)
    left = set(mine) & set(tables(site, fault.target, fault.name))
    if left:
        raise NotReadyError(fault.target, f"still has {', '.join(sorted(left))}")
    return {"table": "deleted"}


def struck(site: Site, name: str) -> tuple[str, ...]:
    """The nodes in whose network there is a table of the fault called ``name``."""
    return networked_where(site, lambda node: bool(tables(site, node, name)))


def tables(site: Site, node: str, name: str) -> list[str]:
    """The tables of the fault called ``name`` in a node's network."""
    return [each for each in sight(site, node).tables if each.startswith(_tables_of(name))]


def sight(site: Site, node: str) -> Sight:
    """What can be seen on a node's network; kept for the next who asks where ``site`` keeps sights."""
    if site.sights is not None and node in site.sights:
        kept: Sight = site.sights[node]
        return kept
    done = run_tool(site, node, "sh", "-c", LOOK)
    first, end = json.JSONDecoder().raw_decode(done.stdout.lstrip())
    names = [str(entry["table"]["name"]) for entry in first["nftables"] if "table" in entry]
    seen = Sight(
        tables=tuple(name for name in names if name.startswith(PREFIX)),
        queueing=tuple(json.loads(done.stdout.lstrip()[end:] or "[]")),
    )
    if site.sights is not None:
        site.sights[node] = seen
    return seen


def run_tool(
    site: Site, node: str, *argv: str, stdin: bytes | None = None, gone: Collection[str] = ()
) -> Completed:
    """Run a tool on a node's network; raises NotReadyError when it fails, but for saying one of the words in
    ``gone``: what was to be removed is not there."""
    done = site.runtime.in_network(node, list(argv), timeout_s=_TOOL_S, stdin=stdin)
    if not done.ok and not any(word in done.stderr for word in gone):
        raise NotReadyError(node, f"{argv[0]}: {done.reason()}")
    return done
