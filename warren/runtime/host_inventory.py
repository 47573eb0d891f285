"""Reads how hosts are reached out of the inventory that Ansible is given: the group ``rabbitmq``.

Of its variables only those that say how to log in, and the cluster's name; all else is Ansible's. No secrets:
a password in it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warren.errors import BadInputError, NotReadyError
from warren.runtime import host_groups
from warren.runtime.host_groups import ALL, Groups
from warren.runtime.host_login import EXPORT, Login

GROUP = "rabbitmq"
#: Ansible's own, which say nothing of what a host is for.
_GENERAL = (ALL, "ungrouped")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceHost:
    """A host by the inventory's name, which its certificate has, and where it is reached."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The nodes' hosts by name, and the name of the cluster that they are; empty where it is not said.
    ``services`` are other groups' first hosts, by the group's name, ``waivers`` the
    production assertions that the hosts are known not to meet (``rabbitmq_waivers``). ``given_authority`` is
    what verifies the nodes where their certificates are not Warren's own."""

    path: Path
    cluster: str
    logins: Mapping[str, Login]
    services: Mapping[str, ServiceHost] = field(default_factory=dict)
    waivers: tuple[str, ...] = ()
    given_authority: str = ""

    def service(self, name: str) -> ServiceHost:
        """The first host of the group ``name``; raises NotReadyError where there is none."""
        if name not in self.services:
            what = f"no host is in the group {name}, so that there is no {name} to be asked"
            raise NotReadyError(str(self.path), what, f"add the group {name} with its host")
        return self.services[name]

    def refuse_unless_of(self, nodes: tuple[str, ...]) -> None:
        """Raise BadInputError unless there is a host for each node and none besides."""
        missing = [node for node in nodes if node not in self.logins]
        foreign = [name for name in self.logins if name not in nodes]
        if missing or foreign:
            found = f"has no {', '.join(missing)}" if missing else f"has {', '.join(foreign)} besides"
            what = f"{found}; the topology's nodes are {', '.join(nodes)}"
            raise BadInputError(f"{self.path}: group {GROUP}", what, "name each host as its node")


def read(path: Path) -> Inventory:
    """The inventory in ``path``. Raises BadInputError, naming file and host, for what is none or not safe."""
    groups = host_groups.read(path)
    nodes = groups.members(GROUP)
    if not nodes:
        raise BadInputError(str(path), f"has no host in the group {GROUP}", EXPORT)
    known = [each.variables for each in nodes.values()]
    waivers = [str(name) for each in known for name in each.get("rabbitmq_waivers") or ()]
    return Inventory(
        path=path,
        cluster=_said(known, "warren_cluster"),
        logins={name: each.login for name, each in nodes.items()},
        services=_services(groups),
        waivers=tuple(dict.fromkeys(waivers)),
        given_authority=_said(known, "pki_given_authority"),
    )


def _said(known: Sequence[Mapping[str, Any]], name: str) -> str:
    """What the first host says that says it."""
    return next((str(each[name]) for each in known if each.get(name)), "")


def beside(path: Path) -> Mapping[str, Login]:
    """How those hosts of the inventory in ``path`` are reached that are no nodes, but in another group;
    raises as `read` does."""
    groups = host_groups.read(path)
    nodes = groups.hosts(GROUP)
    others = [host for name in groups.found if name not in _GENERAL for host in groups.hosts(name)]
    return {host: groups.login(host) for host in dict.fromkeys(others) if host not in nodes}


def _services(groups: Groups) -> dict[str, ServiceHost]:
    """Every other group's name and its first host."""
    first = {name: groups.hosts(name)[:1] for name in groups.found if name not in (GROUP, *_GENERAL)}
    return {
        name: ServiceHost(name=host, address=str(groups.variables(host).get("ansible_host", host)))
        for name, hosts in first.items()
        for host in hosts
    }
