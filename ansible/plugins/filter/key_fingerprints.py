"""The filter key_fingerprints: fingerprints of the OpenPGP keys in a file of the controller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ansible.errors import AnsibleFilterError

from warren.errors import WarrenError
from warren.provision import openpgp

DOCUMENTATION = r"""
name: key_fingerprints
short_description: Fingerprints of the OpenPGP keys in a file
description:
  - Of the primary keys in a file on the controller, armoured or not, as hexadecimal digits in capitals.
options:
  _input:
    description: Path of the file.
    type: path
    required: true
"""

EXAMPLES = r"""
- ansible.builtin.assert:
    that: "'/srv/keys/team.asc' | warren.hosts.key_fingerprints == [known]"
"""

RETURN = r"""
_value:
  description: The fingerprints.
  type: list
  elements: str
"""


def key_fingerprints(path: str) -> list[str]:
    """The filter itself."""
    try:
        return list(openpgp.fingerprints(Path(path).expanduser()))
    except WarrenError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible asks a file of filters for."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"key_fingerprints": key_fingerprints}
