"""A node of a host made anew: the broker's package replaced, and its settings as the inventory says them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warren import render
from warren.errors import BadInputError, RefusedError
from warren.role_values import RoleValues
from warren.runtime import units
from warren.runtime.host_groups import plain
from warren.runtime.ssh import SshRuntime
from warren.topology import Topology

_SETTINGS = ("rabbitmq.conf", "rabbitmq-env.conf", "inter_node_tls.config", "enabled_plugins")
_FILE = "file"
_BY_ANSIBLE = "site.yml brings it, or name another version in the topology"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """That of one ``node``, of which the inventory says ``variables``."""

    hosts: SshRuntime
    topology: Topology
    node: str
    variables: Mapping[str, Any]

    def refuse(self) -> None:
        """Raise RefusedError where it cannot be replaced, NotReadyError where the host cannot be asked.

        Changes nothing."""
        wanted = self.topology.broker.version
        said = self._plain("rabbitmq_version", wanted)
        if said != wanted:
            what = f"the inventory says RabbitMQ {said}, and the topology {wanted}"
            raise RefusedError(self.node, what, "make the inventory anew: warren topology render")
        if self._plain("rabbitmq_install_source", "debian") == _FILE:
            self._refuse_files()
        else:
            self._refuse_sources()
        for name in _SETTINGS:
            self._values().text(name)

    def replace(self) -> None:
        """Of a node that is stopped; it is not started. May be done again."""
        if self._plain("rabbitmq_install_source", "debian") == _FILE:
            packages = [self.hosts.lay_package(self.node, path) for path in self._files()]
        else:
            packages = [self.hosts.package(self.node, self.topology.broker.version)]
        self.hosts.install(self.node, packages)
        texts = {name: self._values().text(name).encode() for name in _SETTINGS}
        self.hosts.put(self.node, units.CONFIG, texts, owner=units.BROKER_USER, only_changed=True)

    def _refuse_files(self) -> None:
        wanted = self.topology.broker.version
        files = self._files()
        for path in files:
            if not path.is_file():
                raise BadInputError(self.node, f"{path}, of rabbitmq_package_files, is not there")
        if sum(each.name.startswith(f"rabbitmq-server_{wanted}-") for each in files) != 1:
            what = f"rabbitmq_package_files holds no package of rabbitmq-server {wanted}"
            raise RefusedError(self.node, what, "name its file, rabbitmq-server_VERSION-…_all.deb")

    def _refuse_sources(self) -> None:
        package = self.hosts.package(self.node, self.topology.broker.version)
        said = self.hosts.would_install(self.node, [package])
        if removed := re.findall(r"^Remv (\S+)", said, re.MULTILINE):
            what = f"{package} would remove {', '.join(removed)}"
            raise RefusedError(self.node, what, _BY_ANSIBLE)
        erlang = re.search(r"^Inst erlang-base (?:\[\S+\] )?\((?:\d+:)?(\d+)", said, re.MULTILINE)
        series = erlang[1] if erlang else self.hosts.erlang(self.node)
        if series not in self._supported() and "erlang-supported" not in self._waivers():
            what = f"{package} would run on Erlang {series}, and is for {', '.join(self._supported())}"
            raise RefusedError(self.node, what, f"give it another, or waive it by name; {_BY_ANSIBLE}")

    def _supported(self) -> list[str]:
        """The series of Erlang for the version that is wanted, by the role's table, newest broker first."""
        for row in self._values().value("__rabbitmq_erlang_support"):
            if _numbers(row["from"]) <= _numbers(self.topology.broker.version):
                return list(row["erlang"])
        return []

    def _waivers(self) -> Sequence[str]:
        return list(self.variables.get("rabbitmq_waivers") or [])

    def _files(self) -> list[Path]:
        return [Path(str(each)) for each in self.variables.get("rabbitmq_package_files") or []]

    def _plain(self, name: str, default: str) -> str:
        return plain(self.variables, name, default, self.node)

    def _values(self) -> RoleValues:
        known = {**render.role_vars(self.topology), **self.variables, "inventory_hostname": self.node}
        return RoleValues(role="rabbitmq", given=known)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", version)[:3])
