#!/usr/bin/python
"""One operation of a cluster on its hosts: a page over ``warren.provision.operation``, run on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: operation
short_description: Carry out an operation on a cluster's hosts
description:
  - Restarts, maintenance, backups, rotations, upgrades; what C(warren cluster OPERATION --hosts) does, by the same engine.
  - Runs on the controller, in the environment that Warren is installed in. Hosts are reached by its own ssh, with what the
    inventory says of how to log in; secrets go by standard input and are never shown.
  - In check mode the plan is made, and refused where it would be, and nothing is changed.
  - An operation that stopped on its way is gone on with by the same task; nothing else is begun before.
options:
  operation:
    description: Its name, as C(warren cluster --help) lists them.
    type: str
    required: true
  arguments:
    description: What it is told, by name; see C(warren cluster OPERATION --help). An empty value is none. Files lie on the controller.
    type: dict
    default: {}
  undo:
    description: Put back what it did, where it stopped on its way.
    type: bool
    default: false
  topology:
    description: The topology file; that of Warren's checkout if not given.
    type: path
  cluster:
    description: The cluster's name, as the inventory has it; its state folder is called so.
    type: str
    required: true
  state_dir:
    description: The cluster's state folder, with its certificates and passwords.
    type: path
    required: true
  inventory:
    description: The inventory's sources. One that is not a single file in YAML is written as such into the state folder, without passwords.
    type: list
    elements: path
    required: true
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
author: [Warren (@warren)]
"""

EXAMPLES = r"""
- name: Restart all nodes, one after the other
  warren.hosts.operation:
    operation: restart
    arguments: {grace: "300"}
    cluster: lab
    state_dir: /home/me/.local/state/warren/lab
    inventory: "{{ ansible_inventory_sources }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
steps: {description: Every step in words that was done, or would be., type: list, elements: str, returned: always}
done: {description: Whether it was carried out; false in check mode., type: bool, returned: always}
resumed: {description: Whether it had been begun before., type: bool, returned: always}
seconds: {description: How long the steps took., type: float, returned: always}
facts: {description: What was found; no secret., type: dict, returned: always}
said: {description: What was said meanwhile., type: list, elements: str, returned: always}
"""

from contextlib import suppress
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.warren.hosts.plugins.module_utils.controller import Answer, answer

with suppress(ImportError):
    from warren import checkout
    from warren.provision import operation

OPTIONS = {
    "operation": {"type": "str", "required": True},
    "arguments": {"type": "dict", "default": {}},
    "undo": {"type": "bool", "default": False},
    "topology": {"type": "path"},
    "cluster": {"type": "str", "required": True},
    "state_dir": {"type": "path", "required": True},
    "inventory": {"type": "list", "elements": "path", "required": True},
}


def act(module: AnsibleModule, said: list[str]) -> Answer:
    """Plan it, and carry it out unless this only rehearses."""
    given = module.params
    wanted = operation.Wanted(
        operation=given["operation"],
        arguments={
            str(name): str(value) for name, value in given["arguments"].items() if value not in (None, "")
        },
        undo=given["undo"],
        topology_path=checkout.topology(given["topology"]),
        cluster=given["cluster"],
        state_dir=Path(given["state_dir"]),
        inventory=[Path(each) for each in given["inventory"]],
    )
    return {**operation.operate(wanted, only_look=module.check_mode, say=said.append), "said": said}


if __name__ == "__main__":
    answer(OPTIONS, act)
