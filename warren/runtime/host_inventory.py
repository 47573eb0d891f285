"""Reads how hosts are reached out of the inventory that Ansible is given: the group ``rabbitmq``.

Plain YAML, as `warren hosts up` writes it and ``ansible-inventory --export`` does of any other inventory. Of
its variables only those that say how to log in, and the cluster's name; all else is Ansible's. No secrets:
a password in it is refused.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warren.errors import BadInputError, NotReadyError
from warren.reader import value_of

GROUP = "rabbitmq"
_PORT = 22
_EXPORT = (
    "give Ansible's inventory as one YAML file: ansible-inventory -i YOURS --list --yaml --export > hosts.yml"
)
#: Names and addresses that cannot be taken for an option of ssh, nor for anything by a shell.
_LIKE = {
    "ansible_host": r"[A-Za-z0-9_][A-Za-z0-9_.:-]*",
    "ansible_port": r"\d{0,5}",
    "ansible_user": r"|[A-Za-z_][A-Za-z0-9_.-]*",
}
#: What would take a host's key, or a login, on trust.
_TRUSTING = r"stricthostkeychecking[= ]*(no|off|accept-new)|userknownhostsfile[= ]*/dev/null"
_SECRETS = ("ansible_password", "ansible_ssh_password", "ansible_ssh_pass", "ansible_become_password")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How one host is reached: ``options`` are more arguments of ssh, as ``ansible_ssh_common_args`` has
    them; without ``key`` ssh looks for one itself."""

    name: str
    address: str
    port: int = _PORT
    user: str = ""
    key: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The nodes' hosts by name, and the name of the cluster that they are; empty where it is not said.
    ``services`` are the addresses of other groups' first hosts, by the group's name, ``waivers`` the
    production assertions that the hosts are known not to meet (``rabbitmq_waivers``). ``given_authority`` is
    what verifies the nodes where their certificates are not Warren's own."""

    path: Path
    cluster: str
    logins: Mapping[str, Login]
    services: Mapping[str, str] = field(default_factory=dict)
    waivers: tuple[str, ...] = ()
    given_authority: str = ""

    def service(self, name: str) -> str:
        """The address of the first host of the group ``name``; raises NotReadyError where there is none."""
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
    found = _Groups.of(path)
    shared, hosts = found.shared(GROUP), found.hosts(GROUP)
    if not hosts:
        raise BadInputError(str(path), f"has no host in the group {GROUP}", _EXPORT)
    logins = {name: found.login(name, GROUP) for name in hosts}
    known = [shared, *(found.known(name, GROUP) for name in hosts)]
    cluster = next((each["warren_cluster"] for each in known if each.get("warren_cluster")), "")
    waivers = [str(name) for each in known for name in each.get("rabbitmq_waivers") or ()]
    services = dict(_services(found.children, logins, found.general))
    return Inventory(
        path=path,
        cluster=str(cluster),
        logins=logins,
        services=services,
        waivers=tuple(dict.fromkeys(waivers)),
        given_authority=str(shared.get("pki_given_authority") or ""),
    )


def document(path: Path) -> dict[str, Any]:
    """The whole inventory as data; raises BadInputError where it is no mapping in YAML."""
    return _mapping(_parsed(path), str(path))


def beside(path: Path) -> Mapping[str, Login]:
    """How those hosts of the inventory in ``path`` are reached that are no nodes, but in another group;
    raises as `read` does."""
    found = _Groups.of(path)
    nodes = found.hosts(GROUP)
    return {
        name: found.login(name, group)
        for group in found.children
        if group != GROUP and isinstance(found.children[group], dict)
        for name in found.hosts(group)
        if name not in nodes
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Groups:
    """An inventory's parts: ``top`` is what it says of all hosts, ``general`` of each, ``children`` by
    group."""

    path: Path
    top: Mapping[str, Any]
    general: Mapping[str, Any]
    children: Mapping[str, Any]

    @staticmethod
    def of(path: Path) -> _Groups:
        root = document(path)
        top = _mapping(root.get("all") or {}, f"{path}: all")
        children = _mapping(top.get("children") or {}, f"{path}: all.children")
        if GROUP not in children and root.get(GROUP):
            children[GROUP] = root[GROUP]
        general = _mentioned({"hosts": _mapping(top.get("hosts") or {}, f"{path}: all.hosts")})
        _mentioned({"children": children or root}, general)
        return _Groups(path=path, top=top, general=general, children=children)

    def hosts(self, group: str) -> dict[str, Any]:
        content = _mapping(self.children.get(group) or {}, f"{self.path}: {group}")
        named = _mapping(content.get("hosts") or {}, f"{self.path}: {group}.hosts")
        return {str(name): own for name, own in named.items()}

    def shared(self, group: str) -> dict[str, Any]:
        content = _mapping(self.children.get(group) or {}, f"{self.path}: {group}")
        own = _mapping(content.get("vars") or {}, f"{self.path}: {group}.vars")
        return _mapping(self.top.get("vars") or {}, f"{self.path}: all.vars") | own

    def known(self, name: str, group: str) -> dict[str, Any]:
        """What is said of a host, the more special the later; what stands beside its name may stand in any
        group that it is in."""
        where = f"{self.path}: {name}"
        found = self.shared(group) | _mapping(self.general.get(name) or {}, where)
        for each in (*self.children, group):
            if isinstance(self.children.get(each), dict):
                found |= _mapping(self.hosts(each).get(name) or {}, where)
        return found

    def login(self, name: str, group: str) -> Login:
        return login_of(name, self.known(name, group), f"{self.path}: {name}")


def _mentioned(group: Any, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """The variables of every host below ``group``, wherever they stand: an export has them only where the
    host is named first. What is no mapping is for others to refuse."""
    known = {} if known is None else known
    if isinstance(group, Mapping):
        hosts, children = group.get("hosts"), group.get("children")
        for name, own in hosts.items() if isinstance(hosts, Mapping) else ():
            if isinstance(own, Mapping):
                known[name] = {**known.get(name, {}), **own}
        for child in children.values() if isinstance(children, Mapping) else ():
            _mentioned(child, known)
    return known


def _services(
    groups: Mapping[str, Any], logins: Mapping[str, Login], general: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Every other group's name and the address of its first host."""
    for group, content in groups.items():
        hosts = content.get("hosts") if isinstance(content, dict) else None
        for name, own in list(hosts.items())[:1] if isinstance(hosts, dict) else ():
            known = own or general.get(name) or {}
            address = logins[name].address if name in logins else str(known.get("ansible_host", name))
            if group != GROUP:
                yield str(group), address


def _parsed(path: Path) -> Any:
    try:
        return value_of(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text"
        raise BadInputError(str(path), f"cannot be read: {reason}", _EXPORT) from error
    except ValueError as error:
        raise BadInputError(str(path), f"is no YAML: {error}", _EXPORT) from error


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInputError(where, "is no mapping", _EXPORT)
    return dict(value)


def login_of(name: str, known: Mapping[str, Any], where: str) -> Login:
    """How the host called ``name`` is reached by what is ``known`` of it; raises BadInputError, beginning
    with ``where``, for what is not safe."""
    for faulty in _faults(name, known):
        raise BadInputError(where, *faulty)
    return Login(
        name=name,
        address=str(known.get("ansible_host", name)),
        port=int(known.get("ansible_port") or _PORT),
        user=str(known.get("ansible_user", "")),
        key=str(known.get("ansible_ssh_private_key_file", "")),
        options=tuple(shlex.split(_arguments(known))),
    )


def _arguments(known: Mapping[str, Any]) -> str:
    keys = ("ansible_ssh_common_args", "ansible_ssh_extra_args")
    return " ".join(str(known[key]) for key in keys if known.get(key))


def _faults(name: str, known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What and remedy of everything that is wrong with a host."""
    for key in _SECRETS:
        if key in known:
            yield f"has a password ({key}), which would be in an argument", "let the account in by key"
    for value in _used(known):
        if isinstance(value, str) and "{{" in value:
            yield f"has a variable that only Ansible can work out: {value}", _EXPORT
    if known.get("ansible_connection", "ssh") not in ("ssh", "smart"):
        yield f"is reached by {known['ansible_connection']}", "give hosts that are reached by SSH"
    for key, pattern in _LIKE.items():
        value = str(known.get(key, name if key == "ansible_host" else ""))
        if not re.fullmatch(pattern, value):
            yield f"{key} is '{value}', which cannot be", f"set {key}"
    yield from _faults_of_arguments(_arguments(known))


def _faults_of_arguments(given: str) -> Iterator[tuple[str, str]]:
    if re.search(_TRUSTING, given, re.IGNORECASE):
        yield (
            "takes any key for the host's",
            "put the host's key into a file, and name that: see docs/hosts.md",
        )
    try:
        shlex.split(given)
    except ValueError as error:
        yield f"its arguments of ssh cannot be read: {error}", "mend ansible_ssh_common_args"


def _used(known: Mapping[str, Any]) -> list[Any]:
    names = ("host", "port", "user", "ssh_private_key_file", "ssh_common_args", "ssh_extra_args")
    return [known.get(f"ansible_{name}") for name in names]
