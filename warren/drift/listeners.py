"""Listeners of the nodes against the topology: exactly its ports, each with TLS as it is wanted. Pure.

``/api/overview`` shows the listeners of every running node with their options (seen on 4.3.6, to a user
tagged ``monitoring`` too). epmd is none of the broker's; of the port between nodes no options are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from warren.drift.model import Difference, DriftKind
from warren.drift.nodes import running
from warren.drift.reading import Answers
from warren.topology import Topology

#: The broker's name of a protocol -> the topology's name of its port.
_PROTOCOLS = {
    "amqp/ssl": "amqps",
    "stream/ssl": "streams",
    "https": "management",
    "https/prometheus": "metrics",
    "clustering/ssl": "inter_node",
}
#: Those that ask clients for a certificate.
_FOR_CLIENTS = ("amqp/ssl", "stream/ssl")
#: Earlier ones call the port between nodes so, with TLS or without.
_CLUSTERING_SAYS_TLS = (4, 3)

Row = Mapping[str, Any]


def listeners(topology: Topology, answers: Answers) -> Iterator[Difference]:
    """Listeners that are missing or that nobody asked for, and TLS options that differ."""
    wanted = _wanted(topology)
    for erlang_name, (node, _) in running(topology, answers).items():
        rows = [row for row in answers.overview.get("listeners") or () if row.get("node") == erlang_name]
        if not rows:
            continue  # each node has some: this one could not be asked
        found = {(_protocol(row, topology), int(row["port"])): row for row in rows}
        for protocol, port in sorted(wanted - found.keys()):
            where = f"listener {protocol} {port} of {node.name}"
            yield Difference(kind=DriftKind.LISTENER, where=where, wanted="open", found=None)
        for (protocol, port), row in sorted(found.items(), key=lambda item: item[0]):
            where = f"listener {protocol} {port} of {node.name}"
            if (protocol, port) in wanted:
                yield from _options(where, protocol, row, topology)
            else:
                told = "open" if row.get("tls") else "open without TLS"
                yield Difference(kind=DriftKind.LISTENER, where=where, wanted=None, found=told)


def _wanted(topology: Topology) -> set[tuple[str, int]]:
    return {
        (protocol, getattr(topology.ports, name))
        for protocol, name in _PROTOCOLS.items()
        if name != "streams" or topology.broker.streams
    }


def _protocol(row: Row, topology: Topology) -> str:
    protocol = str(row.get("protocol"))
    if protocol == "clustering" and topology.broker.series < _CLUSTERING_SAYS_TLS:
        return "clustering/ssl"
    return protocol


def _options(where: str, protocol: str, row: Row, topology: Topology) -> Iterator[Difference]:
    """TLS versions of a listener, and whether it asks for certificates; what is not shown is not judged."""
    shown = row.get("socket_opts")
    options = shown.get("ssl_opts", shown) if isinstance(shown, dict) else {}
    wanted: dict[str, object] = {"versions": sorted(topology.tls.versions)}
    if protocol in _FOR_CLIENTS:
        required = topology.tls.client_certificate == "required"
        wanted |= {"verify": "verify_peer", "fail_if_no_peer_cert": required}
    for key, value in wanted.items():
        found = options.get(key)
        found = sorted(found) if isinstance(found, list) else found
        if found is not None and found != value:
            yield Difference(
                kind=DriftKind.LISTENER, where=where, what=key, wanted=_text(value), found=_text(found)
            )


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value).lower()
