"""Where the test hosts of a topology are: the name of their cluster, and an address for each."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace

from warren import render
from warren.topology import Topology

#: Who may log in on a test host and become root there (deploy/images/host/Dockerfile).
USER = "deploy"
#: The engine takes the first address of a network for itself.
_FIRST = 11
_SUFFIX = "-hosts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A host by its node's name, and its address (IPv4) on the cluster's network."""

    name: str
    address: str


def of_hosts(topology: Topology) -> Topology:
    """``topology`` under the name that its cluster of hosts goes by, so that it lives beside the containers:
    with a state folder, a network, labels and a journal of its own."""
    return replace(topology, cluster=f"{topology.cluster.removesuffix(_SUFFIX)}{_SUFFIX}")


def places(topology: Topology) -> tuple[Place, ...]:
    """A host per node. ``topology`` is one that `of_hosts` has named."""
    network = ipaddress.ip_network(render.subnet(topology.cluster))
    return tuple(
        Place(name=node.name, address=str(network[_FIRST + number]))
        for number, node in enumerate(topology.nodes)
    )


def addresses(topology: Topology) -> Mapping[str, str]:
    """The hosts' addresses by name."""
    return {place.name: place.address for place in places(topology)}
