"""How Ansible says that a host is reached, and what of that is not safe to follow."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from warren.errors import BadInputError

#: What to give where an inventory is none that can be read, or has what only Ansible can work out.
EXPORT = (
    "give Ansible's inventory as one YAML file: ansible-inventory -i YOURS --list --yaml --export > hosts.yml"
)
_PORT = 22
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


def of(name: str, known: Mapping[str, Any], where: str) -> Login:
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
            yield f"has a variable that only Ansible can work out: {value}", EXPORT
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
