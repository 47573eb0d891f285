"""What cannot be done on hosts, or not as they are, said before anything is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from warren.errors import RefusedError
from warren.operating import parts
from warren.operating.host_package import Package
from warren.operating.host_services import Services
from warren.operating.model import Args, Management
from warren.runtime import host_scripts, units
from warren.runtime.host_groups import Member, plain
from warren.runtime.protocol import NodeState
from warren.runtime.ssh import SshRuntime
from warren.topology import Topology

#: Those that act on every node: one that is not reached would be found out halfway.
_EVERY_NODE = frozenset(
    {
        "backup-data", "restart", "restore-data", "rotate-authority", "rotate-certificates", "rotate-cookie",
        "rotate-inter-node-certificates", "start-all", "stop-all", "upgrade",
    }
)  # fmt: skip
#: Why a cluster of hosts is not made larger or smaller here.
OTHER_NODES = "are made and taken away by Ansible, which has them join"
#: Those that issue certificates for the nodes' listeners.
_CERTIFICATES = frozenset({"rotate-authority", "rotate-certificates"})
#: Where operations look for things, by the variable that says otherwise.
_PLACES = {
    "rabbitmq_config_dir": units.CONFIG,
    "rabbitmq_tls_dir": f"{units.CONFIG}/tls",
    "rabbitmq_data_dir": host_scripts.DATA,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """What is looked at: hosts, what the inventory says of them, and what nodes know of each other."""

    hosts: SshRuntime
    management: Management
    topology: Topology
    nodes: Mapping[str, Member]
    services: Services
    package: Callable[[str], Package]

    def refuse(self, name: str, args: Args) -> None:
        """Raise RefusedError where the operation called ``name`` cannot be had on these hosts, NotReadyError
        where one that it needs is not reached; changes nothing."""
        if name in ("add-node", "remove-node"):
            raise RefusedError(
                "hosts", OTHER_NODES, "change topology and inventory: ansible-playbook site.yml"
            )
        wanted = tuple(self.nodes) if name in _EVERY_NODE else ()
        if name in ("replace-node", "recover-majority"):
            wanted = (args["node"],)
        parts.at_once(self._refuse_absent, wanted)
        if name == "rotate-authority" or (name == "rotate-password" and self.topology.is_own(args["user"])):
            self.services.refuse_unreached()
        if name in _CERTIFICATES:
            self._refuse_given_certificates()
        if name == "restart":
            self._refuse_short_patience(float(args["grace"]))
        if name == "forget-node":
            self._refuse_seen(args["node"])
        if name == "upgrade":
            parts.at_once(lambda node: self.package(node).refuse(), self.nodes)

    def _refuse_absent(self, node: str) -> None:
        """What `Hosts.look` raises where the host is not reached tells why."""
        if self.hosts.look(node).state is NodeState.ABSENT:
            raise RefusedError(node, "has no broker", "have Ansible make it first: ansible-playbook site.yml")

    def _refuse_given_certificates(self) -> None:
        for node, member in self.nodes.items():
            if member.variables.get("rabbitmq_server_certificate"):
                what = "shows a certificate that is not Warren's (rabbitmq_server_certificate)"
                remedy = "renew it where it comes from, then: ansible-playbook site.yml --tags rabbitmq"
                raise RefusedError(node, what, remedy)

    def _refuse_short_patience(self, grace_s: float) -> None:
        """systemd kills a broker that takes longer than its unit allows, whatever is asked for here."""
        for node in self.nodes:
            allowed_s = self.hosts.stops_s(node)
            if 0 < allowed_s < grace_s:
                what = f"is killed by systemd {allowed_s:g} s after SIGTERM, and {grace_s:g} s are asked for"
                raise RefusedError(
                    node, what, "ask for less: --grace; or raise TimeoutStopSec of its unit first"
                )

    def _refuse_seen(self, node: str) -> None:
        """A host that is not reached from here may run its node all the same."""
        name = self.topology.node(node).erlang_name
        if any(each.running for each in self.management.nodes() if each.name == name):
            what = "is seen running by the others: forgotten, it would go on as a cluster of its own"
            raise RefusedError(node, what, "stop it first, or see why its host is not reached from here")


def refuse_other_places(state: Path, nodes: Mapping[str, Member]) -> None:
    """Raise RefusedError where the inventory has files lie elsewhere than operations look for them."""
    for node, member in nodes.items():
        for name, usual in _PLACES.items():
            if (said := plain(member.variables, name, usual, node)) != usual:
                raise RefusedError(node, f"{name} is {said}, and operations know {usual} only")
        for name in ("rabbitmq_state_dir", "warren_state_dir"):
            said = plain(member.variables, name, str(state), node)
            if Path(said).expanduser().resolve() != state.resolve():
                what = f"{name} is {said}, and this command works with {state}"
                raise RefusedError(node, what, "set WARREN_STATE to the folder in which that one lies")
