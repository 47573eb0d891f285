"""What the services around the nodes are given on hosts: the files that their Ansible roles name, brought
where they differ, and the services restarted that are older than their files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warren import render
from warren.context import Context
from warren.provision import material
from warren.role_values import RoleValues
from warren.runtime.host_groups import Member
from warren.runtime.ssh import SshRuntime
from warren.runtime.ssh_login import Ssh

#: By group, which is the role's name too: the unit and the account that reads the files.
_UNITS: Mapping[str, tuple[str, str]] = {
    "prometheus": ("prometheus.service", "prometheus"),
    "alertmanager": ("prometheus-alertmanager.service", "prometheus"),
    "grafana": ("grafana-server.service", "grafana"),
    "loadgen": ("", "warren"),
}
_EXPORTERS, _EXPORTERS_OWNER = "exporters", "warren"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One service of a host: its unit (none: nothing runs all the time), whose files are ``owner``'s: by
    path on the host, what they are in the state folder."""

    unit: str
    owner: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Those that the inventory of ``context`` names."""

    context: Context
    groups: Mapping[str, Mapping[str, Member]]

    def take(self) -> None:
        """Make anew in the state folder what has to be, and bring each service what differs.

        A service that Ansible has not made yet is passed over. Raises NotReadyError at the first host that is
        not reached or does not take it; what was done need not be undone, and may be done again."""
        material.renew(self._wanted(), self.context.state, self.context.pki.now)
        hosts = self._hosts()
        for group, members_of in self.groups.items():
            for name, member in members_of.items():
                for part in parts(group, self._variables(name, member)):
                    self._bring(hosts, name, part)

    def refuse_unreached(self) -> None:
        """Raise NotReadyError where a host of a service is not reached."""
        hosts = self._hosts()
        for host in self._logins():
            hosts.refuse_unreached(host)

    def _bring(self, hosts: SshRuntime, host: str, part: Part) -> None:
        paths = list(part.files)
        if not (hosts.knows(host, part.unit) if part.unit else hosts.has_folder(host, paths[0])):
            return
        root = self.context.state.root
        files = {path.lstrip("/"): (root / source).read_bytes() for path, source in part.files.items()}
        hosts.put(host, "/", files, owner=part.owner, only_changed=True)
        if part.unit:
            hosts.have_read(host, part.unit, paths)

    def _wanted(self) -> material.Wanted:
        inventory = self.context.inventory
        given = inventory.given_authority if inventory else ""
        return material.Wanted(
            topology=self.context.topology,
            topology_path=self.context.topology_path,
            hosts=sorted(self._logins()),
            given_authority=Path(given) if given else None,
        )

    def _variables(self, host: str, member: Member) -> dict[str, Any]:
        known = {**render.role_vars(self.context.topology), **member.variables}
        return {**known, "inventory_hostname": host}

    def _logins(self) -> dict[str, Any]:
        return {name: each.login for group in self.groups.values() for name, each in group.items()}

    def _hosts(self) -> SshRuntime:
        """The same way to hosts, those of services included."""
        nodes = self.context.hosts
        ssh = Ssh(
            logins={**self._logins(), **nodes.ssh.logins},
            sockets=nodes.ssh.sockets,
            run=nodes.ssh.run,
            move=nodes.ssh.move,
        )
        return SshRuntime(ssh=ssh, topology=nodes.topology, clock=nodes.clock)


def parts(group: str, variables: Mapping[str, Any]) -> Iterable[Part]:
    """What a host of ``group`` runs, by its role's tables."""
    values = RoleValues(role=group, given=variables)
    if group == _EXPORTERS:
        folder, own = values.value("exporters_dir"), values.value("__exporters_own")
        for name in values.value("__exporters_services"):
            table = [*values.value("__exporters_certificates"), *own[name]]
            files = _files(table, f"{folder}/{name}/")
            yield Part(unit=f"warren-{name}.service", owner=_EXPORTERS_OWNER, files=files)
        return
    unit, owner = _UNITS[group]
    yield Part(unit=unit, owner=owner, files=_files(values.value(f"__{group}_material")))


def _files(table: Sequence[Mapping[str, Any]], folder: str = "") -> dict[str, str]:
    return {f"{folder}{row['dest']}": str(row["src"]) for row in table}
