"""The inventory of test hosts: what follows from the topology, and how each of them is reached."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from warren import inventory, render
from warren.hosts.keys import Keys
from warren.hosts.place import USER, places
from warren.state import State
from warren.topology import Topology

#: What containers on a small machine cannot be, each with the reason that stands in the file.
WAIVERS = {
    "erlang-supported": "Debian's Erlang is newer than the broker supports",
    "cores": "test hosts share the cores of this machine",
    "memory": "test hosts share the memory of this machine",
    "open-files": "a container cannot have more open files than the engine that started it",
    "clock-synchronised": "a container has the clock of its machine, and may not set it",
}


def path(state: State) -> Path:
    """Where the inventory lies; Ansible takes it by ``-i``."""
    return state.root / "inventory.yml"


def document(topology: Topology, state: State, keys: Keys) -> dict[str, Any]:
    """The inventory as data. ``topology`` is one that `warren.hosts.place.of_hosts` has named.

    No secrets: paths of files that hold them.
    """
    data = inventory.inventory(topology)
    known = f"UserKnownHostsFile={shlex.quote(str(keys.known_hosts))}"
    data["all"]["vars"] |= {
        "ansible_user": USER,
        "ansible_ssh_private_key_file": str(keys.private),
        "ansible_ssh_common_args": f"-o {known} -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes",
        "ansible_python_interpreter": "/usr/bin/python3",
        "rabbitmq_state_dir": str(state.root),
        "rabbitmq_waivers": list(WAIVERS),
    }
    data["all"]["children"]["rabbitmq"]["hosts"] = {
        place.name: {"ansible_host": place.address} for place in places(topology)
    }
    return data


def text(topology: Topology, state: State, keys: Keys) -> str:
    """The file's text."""
    reasons = "".join(f"#   {name}: {reason}\n" for name, reason in WAIVERS.items())
    head = f"# {render.MANAGED}\n# Waived, since these hosts are containers:\n{reasons}---\n"
    return head + inventory.as_yaml(document(topology, state, keys))
