"""What every module of this collection is: a page over a function of Warren, run on the controller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

Answer = dict[str, Any]


def answer(options: dict[str, dict[str, Any]], act: Callable[[AnsibleModule, list[str]], Answer]) -> None:
    """Parse ``options``, and answer with what ``act`` returns. It gets the module, and a list for what Warren
    says meanwhile. What Warren refuses, or where it is not installed, fails the task with the reason."""
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    try:
        from warren.errors import WarrenError  # noqa: PLC0415 - it may not be there, which is to be told
    except ImportError:
        module.fail_json(msg=missing_required_lib("warren", reason="on the controller (make setup-dev)"))
        return
    said: list[str] = []
    try:
        found = act(module, said)
    except WarrenError as error:
        module.fail_json(msg=str(error), said=said)
        return
    module.exit_json(**found)
