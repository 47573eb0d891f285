"""A cluster of hosts as seen from the controller: the same topology and state, other addresses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from warren.console import Say
from warren.context import Context
from warren.errors import BadInputError
from warren.https import HttpEndpoint
from warren.state import State
from warren.topology import Topology
from warren.topology_reader import load


@dataclass(frozen=True, kw_only=True)
class HostContext(Context):
    """A context whose nodes are reached at ``addresses`` (by node; one that is not there by its name), on the
    topology's own ports. Certificates must name the node, wherever it is reached.

    ``authorities`` is a PEM file that verifies the nodes, or None for the cluster's own.
    """

    addresses: Mapping[str, str] = field(default_factory=dict)
    authorities: Path | None = None

    def _endpoint(self, node: str, port: str) -> HttpEndpoint:
        number = getattr(self.topology.ports, port)
        return HttpEndpoint(node=node, host=self.addresses.get(node, node), port=number, server_name=node)

    @property
    def cluster_ca(self) -> Path:
        return self.authorities or super().cluster_ca


def open_hosts(
    topology_path: Path,
    state_dir: Path,
    *,
    cluster: str,
    say: Say,
    addresses: Mapping[str, str],
    authorities: Path | None = None,
) -> HostContext:
    """Read the topology, call the cluster ``cluster``, and take ``state_dir`` as its state; makes nothing.

    Raises BadInputsError for faults of the topology, BadInputError for an address of a node that it has not.
    """
    topology = named(topology_path, cluster)
    unknown = sorted(set(addresses) - {node.name for node in topology.nodes})
    if unknown:
        raise BadInputError("addresses", f"{', '.join(unknown)}: no such node in {topology_path}")
    return HostContext(
        topology=topology,
        topology_path=topology_path,
        state=State(state_dir),
        say=say,
        addresses=addresses,
        authorities=authorities,
    )


def named(path: Path, cluster: str) -> Topology:
    """The topology at ``path`` under the name that the inventory gives the cluster: test hosts have another
    one than the containers of the same topology. Raises BadInputsError for its faults."""
    return dataclasses.replace(load(path), cluster=cluster)
