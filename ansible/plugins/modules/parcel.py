#!/usr/bin/python
"""Warren for a host's Python: a page over ``warren.provision.parcel``, run on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: parcel
short_description: Have Warren's wheel and its locked dependencies for a host's Python
description:
  - Fetches the locked wheels for a version of Python and builds Warren's own, into a folder whose name is a hash of
    what went in. Runs on the controller, in the environment that Warren is installed in, from its checkout.
options:
  folder:
    description: Where parcels are kept, on the controller.
    type: path
    required: true
  python_version:
    description: The host's Python, like 3.13.
    type: str
    required: true
  machine:
    description: The host's architecture, like x86_64.
    type: str
    required: true
attributes:
  check_mode:
    support: full
author: [Warren (@warren)]
"""

EXAMPLES = r"""
- name: Have Warren for the host's Python
  warren.hosts.parcel:
    folder: /home/me/.local/state/warren/lab/wheels
    python_version: "3.13"
    machine: x86_64
  delegate_to: localhost
"""

RETURN = r"""
digest: {description: The parcel's name., type: str, returned: always}
path: {description: Its folder on the controller., type: str, returned: always}
"""

from contextlib import suppress
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.warren.hosts.plugins.module_utils.controller import Answer, answer

with suppress(ImportError):
    from warren import checkout, process
    from warren.provision import parcel

OPTIONS = {
    "folder": {"type": "path", "required": True},
    "python_version": {"type": "str", "required": True},
    "machine": {"type": "str", "required": True},
}


def act(module: AnsibleModule, said: list[str]) -> Answer:  # noqa: ARG001 - nothing is said
    """Have the parcel, or say which it would be."""
    given = module.params
    folder = Path(given["folder"])
    checkout.path("requirements", "runtime.lock")
    wanted = parcel.Parcel(
        root=checkout.ROOT, python_version=given["python_version"], machine=given["machine"]
    )
    parcel.check_target(wanted)
    path = folder / wanted.digest
    there = path.is_dir()
    if not there and not module.check_mode:
        parcel.make(wanted, folder, run=process.run)
    return {"changed": not there, "digest": wanted.digest, "path": str(path)}


if __name__ == "__main__":
    answer(OPTIONS, act)
