"""The connections of clients to a node, as its kernel knows them: what is struck by name and not by port."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaos import network, packets
from chaos.fault import Facts, Parameter, Site
from warren import process
from warren.errors import RefusedError
from warren.journal import Fault as Journaled

EVERY_CLIENT = "all"
CLIENT = Parameter(
    default=EVERY_CLIENT,
    pattern=r"[\w.:/ -]+",
    help="all; or an address, address:port, or part of the name that the client gave its connection",
)
#: One end of a connection as ss prints it; a node that listens on IPv6 sees IPv4 clients mapped into it.
_END = re.compile(r"\[?(?:::ffff:)?(?P<address>[^\]]+?)\]?:(?P<port>\d+)$")
_LIST_S = 30.0
#: Of each connection of AMQP to this node, the client's address and port, and what it calls itself.
_NAMES = """
[io:format("~s ~b ~ts~n", [inet:ntoa(Host), Port, Name])
 || Each <- rabbit_networking:local_connections(),
    [{peer_host, Host}, {peer_port, Port}, {client_properties, Table}]
      <- [catch rabbit_networking:connection_info(Each, [peer_host, peer_port, client_properties])],
    {<<"connection_name">>, longstr, Name} <- Table], ok.
"""
#: The same with the heartbeat that was agreed on, in seconds; 0: none.
_BEATS = """
[io:format("~s ~b ~b~n", [inet:ntoa(Host), Port, Beat])
 || Each <- rabbit_networking:local_connections(),
    [{peer_host, Host}, {peer_port, Port}, {timeout, Beat}]
      <- [catch rabbit_networking:connection_info(Each, [peer_host, peer_port, timeout])],
    is_integer(Beat)], ok.
"""


@dataclass(frozen=True, slots=True, order=True)
class Connection:
    """One connection: the client's end, and the node's port."""

    address: str
    port: int
    local_port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}>{self.local_port}"


def listed(site: Site, node: str) -> tuple[Connection, ...]:
    """Those that are open now; raises NotReadyError when the node's kernel cannot be asked."""
    ports = " or ".join(f"sport = :{port}" for port in packets.client_ports(site))
    done = network.run_tool(site, node, "ss", "-Htn", "state", "established", f"( {ports} )")
    found = []
    for line in done.stdout.splitlines():
        local, far = (_END.match(end) for end in line.split()[-2:])
        if local and far:
            found.append(Connection(far["address"], int(far["port"]), int(local["port"])))
    return tuple(sorted(found))


def look(site: Site, target: str) -> Facts:
    """Whom the fault strikes: the connections that ``client`` of ``site.args`` means, as they are now.

    Raises RefusedError where there is none: there would be nothing to prove.
    """
    client = str(site.args.get("client", EVERY_CLIENT))
    chosen = _of(client, listed(site, target), site, target)
    if not chosen:
        whose = "client" if client == EVERY_CLIENT else f"client '{client}'"
        raise RefusedError(
            target, f"no {whose} is connected to it", "see who is: warren cluster ctl list_connections"
        )
    return {"connections": [str(each) for each in chosen]}


def beats(site: Site, node: str, among: Iterable[Connection]) -> tuple[int, ...]:
    """The heartbeats in seconds of those of ``among`` that have one, by the broker's own tool."""
    ends = {(each.address, each.port) for each in among}
    done = process.check(
        site.runtime.execute(node, ["rabbitmqctl", "--quiet", "eval", _BEATS], timeout_s=_LIST_S)
    )
    found = re.findall(r"^(?:::ffff:)?(\S+) (\d+) (\d+)$", done.stdout, re.MULTILINE)
    return tuple(int(beat) for address, port, beat in found if (address, int(port)) in ends and int(beat))


def chosen(fault: Journaled) -> tuple[Connection, ...]:
    """The connections that `look` found, out of the journal."""
    return read(fault.evidence)


def read(facts: Facts) -> tuple[Connection, ...]:
    """The connections of what `look` found."""
    return tuple(_read(text) for text in facts.get("connections", ()))


def _read(text: str) -> Connection:
    far, _, local = text.partition(">")
    address, _, port = far.rpartition(":")
    return Connection(address, int(port), int(local))


def _of(client: str, found: Sequence[Connection], site: Site, node: str) -> tuple[Connection, ...]:
    if client == EVERY_CLIENT:
        return tuple(found)
    if re.fullmatch(r"[\d.]+(:\d+)?", client):
        return tuple(each for each in found if client in (each.address, f"{each.address}:{each.port}"))
    named = set(_named(client, site, node))
    return tuple(each for each in found if (each.address, each.port) in named)


def _named(client: str, site: Site, node: str) -> Iterable[tuple[str, int]]:
    """The ends of the connections whose client called itself so, by the broker's own tool: of this node
    alone, for `list_connections` asks all, and waits for those that do not answer."""
    done = process.check(
        site.runtime.execute(node, ["rabbitmqctl", "--quiet", "eval", _NAMES], timeout_s=_LIST_S)
    )
    for address, port, name in re.findall(r"^(?:::ffff:)?(\S+) (\d+) (.*)$", done.stdout, re.MULTILINE):
        if client in name:
            yield address, int(port)
