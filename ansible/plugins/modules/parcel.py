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

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from warren import checkout, process
    from warren.errors import WarrenError
    from warren.provision import parcel
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None


def main() -> None:
    """Parse, call one engine function, answer."""
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "python_version": {"type": "str", "required": True},
            "machine": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    if MISSING is not None:
        module.fail_json(msg=missing_required_lib("warren", reason="on the controller (make setup-dev)"))
    given = module.params
    folder = Path(given["folder"])
    try:
        checkout.path("requirements", "runtime.lock")
        wanted = parcel.Parcel(
            root=checkout.ROOT, python_version=given["python_version"], machine=given["machine"]
        )
        parcel.check_target(wanted)
        path = folder / wanted.digest
        there = path.is_dir()
        if not there and not module.check_mode:
            parcel.make(wanted, folder, run=process.run)
    except WarrenError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=not there, digest=wanted.digest, path=str(path))


if __name__ == "__main__":
    main()
