"""The Ansible inventory that follows from the topology: the nodes and the variables that every role reads.

Addresses are not the topology's to know: an operator gives them in a file of his own beside the generated one
(``ansible/README.md``). No secrets.
"""

from __future__ import annotations

from typing import Any

import yaml

from warren import render
from warren.topology import Topology

#: Groups of hosts beside the nodes. Which hosts are in them is the operator's to say, in a file of his own.
SERVICE_GROUPS = ("prometheus", "alertmanager", "grafana", "exporters", "loadgen")


def inventory(topology: Topology) -> dict[str, Any]:
    """Ansible's inventory as data: the group ``rabbitmq`` with a host per node, groups without hosts for the
    services around it, the variables for all hosts.

    A host is called as its node is, which is also the name that its certificates carry. The topology's
    waivers are not among the variables: they excuse the lab, and a host is no lab.
    """
    hosts: dict[str, None] = {node.name: None for node in topology.nodes}
    children: dict[str, dict[str, Any]] = {name: {"hosts": {}} for name in ("rabbitmq", *SERVICE_GROUPS)}
    children["rabbitmq"]["hosts"] = hosts
    return {"all": {"vars": render.role_vars(topology), "children": children}}


def inventory_file(topology: Topology) -> str:
    """The text of ``ansible/inventory/generated.yml``."""
    return f"# {render.MANAGED}\n---\n{as_yaml(inventory(topology))}"


def as_yaml(data: dict[str, Any]) -> str:
    """An inventory's text, in the style that linters of Ansible want."""
    return yaml.dump(data, Dumper=_IndentedDumper, sort_keys=False, width=110, default_flow_style=False)


class _IndentedDumper(yaml.SafeDumper):
    """Lists stand deeper than their key, as yamllint wants them; nothing is abbreviated by an anchor."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


_IndentedDumper.add_representer(
    type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "")
)
