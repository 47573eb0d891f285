"""The inventory that follows from a topology file, made when it is asked for: the generated one's twin."""

from __future__ import annotations

DOCUMENTATION = r"""
name: topology
short_description: A topology's nodes and variables as inventory
description:
  - Reads deploy/topology.yml, or another, and gives the groups, hosts and variables that
    C(warren topology render) writes into inventory/generated.yml; nothing has to be rendered before.
  - Needs Ansible in the environment that Warren is installed in. Addresses are not the topology's to know; put them into
    another inventory file beside this one.
options:
  plugin:
    description: Says that the file is for this plugin.
    required: true
    choices: [warren.hosts.topology]
  topology:
    description: The topology file, seen from the folder of the inventory file.
    type: str
    required: true
author: [Warren (@warren)]
"""

EXAMPLES = r"""
# inventory/warren.topology.yml
plugin: warren.hosts.topology
topology: ../../deploy/topology.yml
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError

from ansible.plugins.inventory import BaseInventoryPlugin

try:
    from warren import inventory as warren_inventory
    from warren.errors import WarrenError
    from warren.topology_reader import load
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None


class InventoryModule(BaseInventoryPlugin):
    """Reads the topology by Warren's own reader; nobody else parses that file."""

    NAME = "warren.hosts.topology"

    def verify_file(self, path: str) -> bool:
        """Whether ``path`` is called like a file for this plugin."""
        return super().verify_file(path) and path.endswith(("topology.yml", "topology.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill ``inventory``; raises AnsibleParserError with the place and the fault."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        if MISSING is not None:
            raise AnsibleParserError(
                f"{path}: Warren is not in the environment that Ansible runs in ({MISSING}); try: make setup-dev"
            )
        topology = Path(path).parent / self.get_option("topology")
        try:
            found = warren_inventory.inventory(load(topology))
        except WarrenError as error:
            raise AnsibleParserError(f"{path}: {error}") from error
        self._fill("all", found["all"])

    def _fill(self, group: str, content: dict[str, Any]) -> None:
        for name, value in (content.get("vars") or {}).items():
            self.inventory.set_variable(group, name, value)
        for host in content.get("hosts") or {}:
            self.inventory.add_host(host, group=group)
        for name, child in (content.get("children") or {}).items():
            self.inventory.add_group(name)
            self.inventory.add_child(group, name)
            self._fill(name, child)
