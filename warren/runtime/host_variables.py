"""What an inventory says of each host besides how to log in: its variables, with Ansible's precedence.

https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#how-variables-are-merged
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warren.errors import BadInputError
from warren.runtime import host_inventory
from warren.runtime.host_inventory import Login


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One host of a group, with all variables that the inventory has for it, templates as they stand."""

    login: Login
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    name: str
    depth: int
    variables: Mapping[str, Any]
    own: Mapping[str, Mapping[str, Any]]
    hosts: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """All groups of the inventory at ``path``."""

    path: Path
    found: tuple[_Group, ...]

    def members(self, name: str) -> dict[str, Member]:
        """The hosts of the group ``name``, in order; none where there is no such group. Raises BadInputError,
        naming the host, for what is not safe."""
        hosts = {host for each in self.found if each.name == name for host in each.hosts}
        return {host: self._member(host) for host in sorted(hosts)}

    def _member(self, host: str) -> Member:
        known: dict[str, Any] = {}
        of_host = [each for each in self.found if host in each.hosts]
        for each in sorted(of_host, key=lambda each: (each.depth, each.name)):
            known |= each.variables
        for each in of_host:
            known |= each.own.get(host, {})
        login = host_inventory.login_of(host, known, f"{self.path}: {host}")
        return Member(login=login, variables=known)


def read(path: Path) -> Groups:
    """The groups in ``path``; raises BadInputError, naming file and group, for what is no inventory."""
    document = host_inventory.document(path)
    roots = {"all": document["all"]} if "all" in document else document
    found = (each for name, content in roots.items() for each in _walk(path, str(name), content or {}, 0))
    return Groups(path=path, found=tuple(found))


def plain(known: Mapping[str, Any], name: str, default: str, where: str) -> str:
    """The variable called ``name`` as text; raises BadInputError for a template, which only Ansible can work
    out."""
    value = str(known.get(name) or default)
    if "{{" in value or "{%" in value:
        what = f"{name} is a template that only Ansible can work out: {value}"
        raise BadInputError(where, what, f"say {name} as it is")
    return value


def _walk(path: Path, name: str, content: Any, depth: int) -> Iterator[_Group]:
    """The group and those below it, whose hosts are its own too."""
    if not isinstance(content, Mapping):
        raise BadInputError(f"{path}: {name}", "is no group: a group is a mapping")
    parts = {key: content.get(key) or {} for key in ("vars", "hosts", "children")}
    if wrong := [key for key, value in parts.items() if not isinstance(value, Mapping)]:
        raise BadInputError(f"{path}: {name}.{wrong[0]}", "is no mapping")
    below = [
        found
        for child, each in parts["children"].items()
        for found in _walk(path, str(child), each or {}, depth + 1)
    ]
    own = {str(host): dict(each or {}) for host, each in parts["hosts"].items()}
    hosts = frozenset(own).union(*(each.hosts for each in below))
    yield _Group(name=name, depth=depth, variables=parts["vars"], own=own, hosts=hosts)
    yield from below
