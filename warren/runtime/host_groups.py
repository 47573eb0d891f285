"""The groups of an inventory of Ansible's: which hosts they have, and what is said of each host.

Plain YAML, as `warren hosts up` writes it and ``ansible-inventory --export`` does of any other inventory.
https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#how-variables-are-merged
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warren.errors import BadInputError
from warren.reader import value_of
from warren.runtime import host_login
from warren.runtime.host_login import EXPORT, Login

#: The group that every other is in.
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One host of a group, with all variables that the inventory has for it, templates as they stand."""

    login: Login
    variables: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class _Group:
    """Wherever it stands: an export has the content of a group, and of a host, only where it is named
    first. ``own`` are the variables of the hosts that stand in it."""

    variables: dict[str, Any] = field(default_factory=dict)
    own: dict[str, dict[str, Any]] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """All groups of the inventory at ``path``, by name."""

    path: Path
    found: Mapping[str, _Group]

    def hosts(self, name: str) -> tuple[str, ...]:
        """The hosts of the group ``name`` and of those below it, in order; none where there is no such
        group."""
        below = [self.found[each] for each in self._below(name)]
        return tuple(dict.fromkeys(host for group in below for host in group.own))

    def variables(self, host: str) -> dict[str, Any]:
        """What is said of ``host``: of all hosts, of its groups (the deeper the later, else by name), of
        itself."""
        known: dict[str, Any] = {}
        its = [name for name in self.found if host in self.hosts(name)]
        for name in sorted(its, key=lambda name: (self._depth(name), name)):
            known |= self.found[name].variables
        for name in its:
            known |= self.found[name].own.get(host, {})
        return known

    def login(self, host: str) -> Login:
        """How ``host`` is reached; raises BadInputError, naming it, for what is not safe."""
        return self._member(host).login

    def members(self, name: str) -> dict[str, Member]:
        """The hosts of the group ``name``; raises as `login` does."""
        return {host: self._member(host) for host in self.hosts(name)}

    def _member(self, host: str) -> Member:
        known = self.variables(host)
        return Member(login=host_login.of(host, known, f"{self.path}: {host}"), variables=known)

    def _below(self, name: str) -> list[str]:
        """The group and those below it, each once."""
        found = [name] if name in self.found else []
        for each in found:
            found += [child for child in self.found[each].children if child not in found]
        return found

    def _depth(self, name: str, below: frozenset[str] = frozenset()) -> int:
        """How far it is from the top, by the longest way that does not lead through those ``below`` it."""
        below |= {name}
        above = [each for each, group in self.found.items() if name in group.children and each not in below]
        return max((1 + self._depth(each, below) for each in above), default=0)


def read(path: Path) -> Groups:
    """The groups in ``path``; raises BadInputError, naming file and group, for what is no inventory."""
    roots = _mapping(_parsed(path), str(path))
    groups: dict[str, _Group] = {ALL: _Group()}
    for name, content in roots.items():
        _collect(path, str(name), content, groups)
        if name != ALL:
            groups[ALL].children.append(str(name))
    return Groups(path=path, found=groups)


def plain(known: Mapping[str, Any], name: str, default: str, where: str) -> str:
    """The variable called ``name`` as text; raises BadInputError for a template, which only Ansible can work
    out."""
    value = str(known.get(name) or default)
    if "{{" in value or "{%" in value:
        what = f"{name} is a template that only Ansible can work out: {value}"
        raise BadInputError(where, what, f"say {name} as it is")
    return value


def _collect(path: Path, name: str, content: Any, groups: dict[str, _Group]) -> None:
    """Take in one group and those below it."""
    where, group = f"{path}: {name}", groups.setdefault(name, _Group())
    parts = _mapping(content, where)
    variables, hosts, children = (
        _mapping(parts.get(key), f"{where}.{key}") for key in ("vars", "hosts", "children")
    )
    group.variables |= variables
    for host, own in hosts.items():
        group.own.setdefault(str(host), {}).update(_mapping(own, f"{path}: {host}"))
    for child, each in children.items():
        group.children.append(str(child))
        _collect(path, str(child), each, groups)


def _parsed(path: Path) -> Any:
    try:
        return value_of(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text"
        raise BadInputError(str(path), f"cannot be read: {reason}", EXPORT) from error
    except ValueError as error:
        raise BadInputError(str(path), f"is no YAML: {error}", EXPORT) from error


def _mapping(value: Any, where: str) -> dict[str, Any]:
    """What says nothing is empty."""
    if not isinstance(value, dict | None):
        raise BadInputError(where, "is no mapping", EXPORT)
    return dict(value or {})
