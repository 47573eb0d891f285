"""What is known of a running cluster when it is judged: read once, so that the checks are pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from warren.management_facts import HealthCheck, NodeInfo, Overview, QueueInfo
from warren.objects.steps import Plan
from warren.topology import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """A file inside a node: its mode in octal digits as text, and its owner's id."""

    mode: str
    owner: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What a node's own tools and files say; terms of the Erlang runtime are printed as Erlang terms.

    ``environment`` maps ``application.key`` to the effective value. ``ports`` are all that anything in
    the node listens on beyond the loopback. ``inter_node_without_certificate`` and ``…_with_certificate``
    are the answers of another node's inter-node port to a client that shows none and to one that does.
    """

    otp_release: str
    total_memory_bytes: int
    cookie_hash: str
    proto_dist: str
    inter_node_options: str
    inter_node_without_certificate: str
    inter_node_with_certificate: str
    environment: Mapping[str, str]
    configuration: str
    default_files: tuple[str, ...]
    files: Mapping[str, FileFacts]
    ports: tuple[int, ...]
    user: int
    command_lines: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerFacts:
    """A published TLS port of a node, as a client finds it: each field is empty when all is as wanted, or
    says what was seen instead."""

    verified: str
    old_versions_refused: str
    without_certificate: str
    status_without_credentials: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """A service of systemd that runs on a host: what the kernel says of its first process, and the limits
    that systemd was given. ``user`` is a user id, ``capabilities`` are those that it has or could get, as a
    bit set in hexadecimal digits (capabilities(7)), ``root`` how it sees ``/`` mounted, ``ro`` or ``rw``; a
    limit of None is none. ``is_node`` marks the broker's own, ``shown`` is what every account of the host can
    read of its settings."""

    host: str
    unit: str
    is_node: bool
    user: int
    capabilities: str
    no_new_privileges: bool
    root: str
    memory_bytes: int | None
    processes: int | None
    shown: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the nodes stand in, which differs by ``kind``: ``containers`` as the engine describes them, nodes
    and services alike, or ``services`` of hosts.

    ``clocks`` say by machine whether its clock follows a source (None: it cannot be asked), and
    ``data_directories`` by node where its data lie, so that equal ones are the same place; empty where there
    is none. ``guarded`` are by host the ports that its packet filter keeps from strangers.
    """

    kind: Literal["containers", "hosts"]
    clocks: Mapping[str, bool | None]
    data_directories: Mapping[str, str]
    containers: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    services: tuple[ServiceFacts, ...] = ()
    guarded: Mapping[str, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that the assertions look at.

    ``nodes`` are by node name, ``members`` what the management API says of all nodes, ``listeners`` by
    node and port name (`Topology.node_ports`). ``secret_values`` are held only to be looked for where they
    must not be.
    """

    topology: Topology
    overview: Overview
    members: tuple[NodeInfo, ...]
    queues: tuple[QueueInfo, ...]
    users: tuple[Mapping[str, Any], ...] = field(repr=False)
    vhosts: tuple[Mapping[str, Any], ...]
    permissions: tuple[Mapping[str, Any], ...]
    feature_flags: tuple[Mapping[str, Any], ...]
    deprecated_in_use: tuple[Mapping[str, Any], ...]
    certificates: tuple[HealthCheck, ...]
    plan: Plan
    nodes: Mapping[str, NodeFacts]
    listeners: Mapping[tuple[str, str], ListenerFacts]
    around: Around
    secret_values: Mapping[str, str] = field(repr=False)

    def environment(self, key: str) -> dict[str, str]:
        """The effective value of ``application.key`` on each node."""
        return {name: node.environment.get(key, "unset") for name, node in self.nodes.items()}
