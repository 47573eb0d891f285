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
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from warren.errors import WarrenError
    from warren.provision import hosts, material
    from warren.state import State
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None


def main() -> None:
    """Parse, call one engine function, answer."""
    module = AnsibleModule(
        argument_spec={
            "topology": {"type": "path"},
            "cluster": {"type": "str", "required": True},
            "state_dir": {"type": "path", "required": True},
            "hosts": {"type": "list", "elements": "str", "default": []},
            "given_authority": {"type": "path"},
        },
        supports_check_mode=True,
    )
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib("warren", reason="on the controller (make setup-dev)"))
    given = module.params
    root = Path(given["state_dir"])
    authority = Path(given["given_authority"]) if given["given_authority"] else None
    try:
        path = hosts.topology_file(given["topology"])
        topology = hosts.named(path, given["cluster"])
        if root.name != topology.cluster:
            msg = (
                f"{root}: the state folder of cluster {topology.cluster} has to be called {topology.cluster}"
            )
            module.fail_json(msg=msg)
        wanted = material.Wanted(
            topology=topology, topology_path=path, hosts=given["hosts"], given_authority=authority
        )
        if module.check_mode:
            files = material.missing(wanted, State(root))
        else:
            files = material.ensure(wanted, {**os.environ, "WARREN_STATE": str(root.parent)})
    except WarrenError as error:
        module.fail_json(msg=str(error))
    diff = {"before": "", "after": "".join(f"{name}\n" for name in files)}
    module.exit_json(changed=bool(files), files=files, diff=diff)


if __name__ == "__main__":
    main()
