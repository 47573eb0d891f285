"""Maintenance mode, as an operator uses it before an upgrade: a drained node closes its clients' connections,
listens to no new ones, gives its leaders away and stops its followers.

https://www.rabbitmq.com/docs/upgrade#maintenance-mode
"""

from __future__ import annotations

from warren import broker_tools
from warren.errors import NotReadyError
from warren.runtime.protocol import Runtime

#: Connections are closed one by one, and leaders given away.
_TOOL_S = 60.0
#: The tool's own waiting must end before it would be killed.
_QUORUM_S = 45
_LOOK = 'io:format("drained=~s~n", [rabbit_maintenance:is_being_drained_local_read(node())]).'


def is_drained(runtime: Runtime, node: str) -> bool:
    """Whether ``node`` says that it is under maintenance; raises NotReadyError when it cannot be asked."""
    return "drained=true" in broker_tools.evaluate(runtime, node, _LOOK)


def drain(runtime: Runtime, node: str) -> None:
    """Put ``node`` under maintenance; raises NotReadyError when the tool fails."""
    _upgrade(runtime, node, "drain")


def revive(runtime: Runtime, node: str) -> None:
    """End it; raises NotReadyError when the tool fails. Idempotent."""
    _upgrade(runtime, node, "revive")


def await_spare(runtime: Runtime, node: str) -> None:
    """Wait until every queue and the metadata store bear the loss of ``node``; raises NotReadyError when
    they do not in time. https://www.rabbitmq.com/docs/man/rabbitmq-upgrade.8"""
    _upgrade(runtime, node, "await_online_quorum_plus_one", "--timeout", str(_QUORUM_S))


def _upgrade(runtime: Runtime, node: str, *command: str) -> None:
    done = runtime.execute(node, ["rabbitmq-upgrade", *command], timeout_s=_TOOL_S)
    if not done.ok:
        raise NotReadyError(node, f"rabbitmq-upgrade {command[0]}: {done.reason()}")
