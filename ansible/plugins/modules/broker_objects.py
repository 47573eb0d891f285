#!/usr/bin/python
"""The cluster's objects by the topology: a page over ``warren.provision.objects``, run on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: broker_objects
short_description: Make a cluster's objects those of the topology
description:
  - Virtual hosts, users, limits, permissions, topic permissions, policies, operator policies, exchanges, queues and
    bindings, compared and written by the engine that C(warren topology apply) uses, over the management API.
  - Runs on the controller, in the environment that Warren is installed in (C(delegate_to) localhost, with
    C(ansible_python_interpreter)). Passwords are read from the state folder, compared by their hash and never shown.
  - Refuses whatever would lose messages or stop who is connected, before anything is written.
options:
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
  addresses:
    description: Where each node is reached, by its name; a node that is not here is reached by its name.
    type: dict
    default: {}
  authorities:
    description: PEM file that verifies the nodes' certificates; the cluster's own authority if not given.
    type: path
  prune:
    description: Also remove what the topology does not have, if nobody uses it.
    type: bool
    default: false
  recreate:
    description: Also delete and declare anew what cannot be changed in place, if it is empty.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
author: [Warren (@warren)]
"""

EXAMPLES = r"""
- name: Bring the cluster's objects to the topology
  warren.hosts.broker_objects:
    topology: deploy/topology.yml
    cluster: lab
    state_dir: /home/me/.local/state/warren/lab
    addresses: {rmq1: 192.0.2.11}
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
summary: {description: How much differed., type: str, returned: always}
done: {description: A line for each object that was written, or would be., type: list, elements: str, returned: always}
left: {description: A line for each difference that nobody allowed to mend., type: list, elements: str, returned: always}
answered: {description: Whether any node answered; false only in check mode., type: bool, returned: always}
"""

from contextlib import suppress
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.warren.hosts.plugins.module_utils.controller import Answer, answer

with suppress(ImportError):
    from warren import checkout
    from warren.management_errors import UnreachableError
    from warren.provision import hosts, objects

OPTIONS = {
    "topology": {"type": "path"},
    "cluster": {"type": "str", "required": True},
    "state_dir": {"type": "path", "required": True},
    "addresses": {"type": "dict", "default": {}},
    "authorities": {"type": "path"},
    "prune": {"type": "bool", "default": False},
    "recreate": {"type": "bool", "default": False},
}


def act(module: AnsibleModule, said: list[str]) -> Answer:
    """Bring the objects to the topology, or look what that would do."""
    given = module.params
    context = hosts.open_hosts(
        checkout.topology(given["topology"]),
        Path(given["state_dir"]),
        cluster=given["cluster"],
        say=said.append,
        addresses={str(name): str(where) for name, where in given["addresses"].items() if where},
        authorities=Path(given["authorities"]) if given["authorities"] else None,
    )
    try:
        found = objects.bring(
            context, only_look=module.check_mode, prune=given["prune"], recreate=given["recreate"]
        )
    except UnreachableError:
        if not module.check_mode:
            raise
        summary = "no node answers yet; the first boot imports the topology's objects"
        return {"changed": False, "answered": False, "summary": summary, "done": [], "left": []}
    if found.left:
        module.warn(found.left_text)
    return {"answered": True, "diff": {"before": found.before, "after": found.after}, **found.as_result()}


if __name__ == "__main__":
    answer(OPTIONS, act)
