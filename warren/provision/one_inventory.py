"""An inventory of Ansible's as the one file that Warren's commands read.

Several sources, folders, plugins and vaults become one by ``ansible-inventory --export``. Of it only what
Warren reads is kept: how hosts are reached, and the variables of the roles. Passwords are not among them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from warren.errors import BadInputError
from warren.process import Runner, check
from warren.runtime import host_inventory
from warren.state import write_atomically

#: In the state folder; another than that of test hosts, which is an operator's source.
NAME = "hosts.yml"
_EXPORT_S = 120.0
_LOGIN = ("host", "port", "user", "ssh_private_key_file", "ssh_common_args", "ssh_extra_args", "connection")
#: What is told by a play and not by a role.
_MORE = ("warren_cluster", "warren_state_dir", "pki_given_authority")
_PREFIXES = ("warren_", "rabbitmq_", "prometheus_", "alertmanager_", "grafana_", "exporters_", "loadgen_")
_SECRET = ("password", "secret", "token")


def path(sources: Sequence[Path], state_dir: Path, *, run: Runner) -> Path:
    """The file to give as ``--hosts``: the only source where it is such a file, else one that is written into
    ``state_dir``. Raises BadInputError for what is no inventory, NotReadyError where Ansible fails."""
    if len(sources) == 1 and _is_plain(sources[0]):
        return sources[0]
    command = [_program(), *(part for each in sources for part in ("--inventory", str(each)))]
    done = check(run([*command, "--list", "--yaml", "--export"], timeout_s=_EXPORT_S), "see the inventory")
    found = yaml.safe_load(done.stdout)
    if not isinstance(found, Mapping):
        raise BadInputError("the inventory", "has no groups")
    kept = {name: _group(each) for name, each in found.items()}
    if not state_dir.is_dir():
        raise BadInputError(str(state_dir), "is no folder", "ansible-playbook site.yml --tags pki makes it")
    written = state_dir / NAME
    write_atomically(written, yaml.safe_dump(kept, sort_keys=False).encode(), mode=0o600)
    return written


def _is_plain(source: Path) -> bool:
    if not source.is_file():
        return False
    try:
        host_inventory.read(source)
    except BadInputError:
        return False
    return True


def _program() -> str:
    """That of the environment at hand, where it has one."""
    beside = Path(sys.executable).with_name("ansible-inventory")
    return str(beside) if beside.exists() else "ansible-inventory"


def _group(content: Any) -> dict[str, Any]:
    if not isinstance(content, Mapping):
        return {}
    found: dict[str, Any] = {}
    if content.get("vars"):
        found["vars"] = _variables(content["vars"])
    if content.get("hosts"):
        found["hosts"] = {host: _variables(each or {}) for host, each in content["hosts"].items()}
    if content.get("children"):
        found["children"] = {name: _group(each) for name, each in content["children"].items()}
    return found


def _variables(known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in known.items() if _is_wanted(str(name))}


def _is_wanted(name: str) -> bool:
    if name.removeprefix("ansible_") in _LOGIN or name in _MORE:
        return True
    return name.startswith(_PREFIXES) and not any(word in name for word in _SECRET)
