"""What a command works with: the topology, its state, the engine and the clients, opened once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from warren import checkout, process, secrets
from warren.bundle import Material
from warren.console import Say
from warren.errors import RefusedError
from warren.gate import Gate
from warren.https import HttpEndpoint
from warren.management import ManagementClient
from warren.node_metrics import NodeMetrics
from warren.pki import Pki
from warren.process import Runner
from warren.prometheus import PrometheusClient
from warren.runtime import host_inventory
from warren.runtime.compose import ComposeRuntime
from warren.runtime.engine import Engine, find_engine
from warren.runtime.host_inventory import Inventory
from warren.runtime.protocol import Runtime
from warren.runtime.ssh import SshRuntime
from warren.runtime.ssh_login import Ssh
from warren.secrets import Secrets
from warren.state import State, open_state
from warren.topology import Topology
from warren.topology_reader import load
from warren.wait import Clock

_MANAGEMENT_TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Context:
    """One cluster as seen by one command. Parts are made when first asked for."""

    topology: Topology
    topology_path: Path
    state: State
    say: Say
    run: Runner = process.run
    clock: Clock = field(default_factory=Clock)
    #: How the hosts are reached whose services the nodes are; None: the nodes are containers.
    inventory: Inventory | None = None

    @cached_property
    def secrets(self) -> Secrets:
        return Secrets(self.state.secrets)

    @cached_property
    def pki(self) -> Pki:
        return Pki(self.state.pki, datetime.now(UTC))

    @cached_property
    def material(self) -> Material:
        return Material(
            topology=self.topology,
            state=self.state,
            secrets=self.secrets,
            pki=self.pki,
            topology_path=self.topology_path,
        )

    @cached_property
    def engine(self) -> Engine:
        """The container engine that is there; raises NotReadyError with what to type when there is none."""
        return find_engine(run=self.run)

    def use_engine(self, engine: Engine) -> None:
        """Work with ``engine``, which has just been found or brought up, instead of looking again."""
        self.__dict__["engine"] = engine
        self.__dict__.pop("runtime", None)
        self.__dict__.pop("nodes", None)
        self.__dict__.pop("gate", None)

    @cached_property
    def nodes(self) -> Runtime:
        """Where the nodes run, containers or hosts. What is asked of it fits both."""
        return self.runtime if self.inventory is None else self.hosts

    @cached_property
    def hosts(self) -> SshRuntime:
        """The hosts whose services the nodes are; raises RefusedError where the nodes are containers."""
        if self.inventory is None:
            raise RefusedError("this command", "needs hosts, and the nodes are containers", "give --hosts")
        ssh = Ssh(logins=self.inventory.logins, sockets=self.state.root / "ssh", run=self.run)
        return SshRuntime(ssh=ssh, topology=self.topology, clock=self.clock)

    @cached_property
    def ssh(self) -> Ssh:
        """The hosts of the inventory, the nodes' and those with only services. Raises BadInputError where one
        of the latter cannot be reached by what it says, RefusedError where the nodes are containers."""
        if self.inventory is None:
            raise RefusedError("this command", "needs hosts", "name their inventory: --hosts")
        logins = {**self.inventory.logins, **host_inventory.beside(self.inventory.path)}
        return Ssh(logins=logins, sockets=self.state.root / "ssh", run=self.run)

    @property
    def options(self) -> tuple[str, ...]:
        """What a command must say to work with these nodes again."""
        return () if self.inventory is None else ("--hosts", str(self.inventory.path))

    def refuse_hosts(self) -> None:
        """Raise RefusedError where the nodes are services of hosts: for what needs containers."""
        if self.inventory is not None:
            what = f"needs containers, and the nodes of {self.inventory.path} are services of hosts"
            raise RefusedError("this command", what, "leave out --hosts (and WARREN_HOSTS)")

    @cached_property
    def runtime(self) -> ComposeRuntime:
        """The cluster's containers; raises RefusedError where its nodes are services of hosts."""
        self.refuse_hosts()
        return ComposeRuntime(
            engine=self.engine, topology=self.topology, state=self.state, run=self.run, clock=self.clock
        )

    @cached_property
    def management(self) -> ManagementClient:
        """The management API as the operator; raises NotReadyError when the cluster was never up."""
        return self.management_as(self.topology.account("operator").name)

    def management_as(self, user: str, *, timeout_s: float = _MANAGEMENT_TIMEOUT_S) -> ManagementClient:
        """The management API as ``user``; raises NotReadyError when it has no password yet."""
        return ManagementClient(
            [self._endpoint(node.name, "management") for node in self.topology.nodes],
            user=user,
            password=self.secrets.read(user),
            ca=self.cluster_ca,
            timeout_s=timeout_s,
        )

    @cached_property
    def node_metrics(self) -> NodeMetrics:
        """Each node's own metrics as the monitoring account; raises NotReadyError as `management` does."""
        monitoring = self.topology.account("monitoring").name
        return NodeMetrics(
            [self._endpoint(node.name, "metrics") for node in self.topology.nodes],
            user=monitoring,
            password=self.secrets.read(monitoring),
            ca=self.cluster_ca,
        )

    def probe_page(self) -> str:
        """The probe's metrics, as Prometheus asks for them. Raises NotReadyError where it does not answer, or
        an inventory of hosts has none in the group ``exporters``."""
        probe = self._service("probe", of="exporters")
        pair = self.pki.leaf("scrape", "prometheus")
        return NodeMetrics([probe], ca=self.cluster_ca, client=(pair.certificate, pair.key)).page(probe.node)

    @cached_property
    def prometheus(self) -> PrometheusClient:
        """Raises NotReadyError where the inventory of hosts names none."""
        at = self._service("prometheus", of="prometheus")
        return PrometheusClient(
            f"https://{at.host}:{at.port}",
            user="prometheus",
            password=self.secrets.read(secrets.PROMETHEUS_WEB),
            ca=self.cluster_ca,
            server_name=at.server_name,
        )

    def _service(self, name: str, *, of: str) -> HttpEndpoint:
        """Where the service ``name`` answers: of hosts, on the first one of the group ``of``, by that host's
        name. Raises NotReadyError where the group has none."""
        if self.inventory is None:
            port = self.topology.published(name)
            return HttpEndpoint(node=name, host="127.0.0.1", port=port, server_name=name)
        host = self.inventory.service(of)
        port = getattr(self.topology.ports, name)
        return HttpEndpoint(node=name, host=host.address, port=port, server_name=host.name)

    def _endpoint(self, node: str, port: str) -> HttpEndpoint:
        if self.inventory is None:
            host, number = "127.0.0.1", self.topology.published_node(node, port)
        else:
            host, number = self.nodes.address(node, port)
        return HttpEndpoint(node=node, host=host, port=number, server_name=node)

    @property
    def cluster_ca(self) -> Path:
        """The certificate of the authority that signed every server of the cluster; of hosts that were given
        certificates from elsewhere, the file with both authorities (`State.hosts_ca`)."""
        if self.inventory is not None and self.state.hosts_ca.is_file():
            return self.state.hosts_ca
        return self.pki.authority("cluster").certificate

    @cached_property
    def gate(self) -> Gate:
        return Gate(topology=self.topology, management=self.management, runtime=self.nodes)


def open_context(
    say: Say,
    *,
    topology_path: Path | None = None,
    env: Mapping[str, str] | None = None,
    named: Callable[[Topology], Topology] | None = None,
) -> Context:
    """Read the topology and open its state; raises BadInputsError and NotReadyError.

    ``named`` gives the cluster another name, before anything is made under it. Without it, the inventory that
    ``WARREN_HOSTS`` names says where the nodes are, and which cluster.
    """
    env = os.environ if env is None else env
    path = checkout.topology(topology_path)
    topology = load(path)
    inventory = None
    if named is not None:
        topology = named(topology)
    elif env.get("WARREN_HOSTS"):
        inventory = host_inventory.read(Path(env["WARREN_HOSTS"]).expanduser().absolute())
        inventory.refuse_unless_of(tuple(node.name for node in topology.nodes))
        topology = replace(topology, cluster=inventory.cluster or topology.cluster)
    state = open_state(topology.cluster, env)
    return Context(topology=topology, topology_path=path, state=state, say=say, inventory=inventory)
