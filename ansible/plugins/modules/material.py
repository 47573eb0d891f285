#!/usr/bin/python
"""Certificates and secrets on the controller: a page over ``warren.provision.material``."""

from __future__ import annotations

DOCUMENTATION = r"""
module: material
short_description: Make certificates, secrets and rendered files for a cluster's hosts
description:
  - Makes in the cluster's state folder on the controller whatever is missing or no longer good (authorities, a server
    certificate for each host, passwords, cookie, definitions of the first boot), and renews what is about to expire.
  - Runs on the controller, in the environment that Warren is installed in. Only names of files are returned.
options:
  topology:
    description: The topology file; that of Warren's checkout if not given.
    type: path
  cluster:
    description: The cluster's name, as the inventory has it; its state folder is called so.
    type: str
    required: true
  state_dir:
    description: The cluster's state folder; has to be called as the cluster is.
    type: path
    required: true
  hosts:
    description: Names of the hosts that need a server certificate; nodes have one in any case.
    type: list
    elements: str
    default: []
  given_authority:
    description: PEM file with the authority of brokers' certificates that are not made here.
    type: path
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
author: [Warren (@warren)]
"""

EXAMPLES = r"""
- name: Have certificates for every host
  warren.hosts.material:
    topology: deploy/topology.yml
    cluster: lab
    state_dir: /home/me/.local/state/warren/lab
    hosts: [rmq1, rmq2, rmq3, mon1]
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
files: {description: Files that were written, or would be, below the state folder., type: list, elements: str, returned: always}
"""

import os
from contextlib import suppress
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.warren.hosts.plugins.module_utils.controller import Answer, answer

with suppress(ImportError):
    from warren import checkout
    from warren.errors import BadInputError
    from warren.provision import hosts, material
    from warren.state import State

OPTIONS = {
    "topology": {"type": "path"},
    "cluster": {"type": "str", "required": True},
    "state_dir": {"type": "path", "required": True},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "given_authority": {"type": "path"},
}


def act(module: AnsibleModule, said: list[str]) -> Answer:  # noqa: ARG001 - nothing is said
    """Make what is missing or no longer good, or look what that is."""
    given = module.params
    root, path = Path(given["state_dir"]), checkout.topology(given["topology"])
    topology = hosts.named(path, given["cluster"])
    if root.name != topology.cluster:
        what = f"the state folder of cluster {topology.cluster} has to be called {topology.cluster}"
        raise BadInputError(str(root), what)
    wanted = material.Wanted(
        topology=topology,
        topology_path=path,
        hosts=given["hosts"],
        given_authority=Path(given["given_authority"]) if given["given_authority"] else None,
    )
    if module.check_mode:
        files = material.missing(wanted, State(root))
    else:
        files = material.ensure(wanted, {**os.environ, "WARREN_STATE": str(root.parent)})
    diff = {"before": "", "after": "".join(f"{name}\n" for name in files)}
    return {"changed": bool(files), "files": files, "diff": diff}


if __name__ == "__main__":
    answer(OPTIONS, act)
