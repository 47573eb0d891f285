"""Maintenance mode, as an operator uses it before an upgrade: a drained node closes its clients' connections,
listens to no new ones, gives its leaders away and stops its followers.

https://www.rabbitmq.com/docs/upgrade#maintenance-mode
"""

from __future__ import annotations

import re

from warren import broker_tools
from warren.errors import NotReadyError
from warren.runtime.protocol import Runtime

#: Connections are closed one by one, and leaders given away.
_TOOL_S = 60.0
#: The tool's own waiting must end before it would be killed.
_QUORUM_S = 45
_DRAINED = "rabbit_maintenance:is_being_drained_local_read(node())"
_LOOK = f'io:format("drained=~s~n", [{_DRAINED}]).'
_STOPPED = (
    "[Q || Q <- rabbit_amqqueue:list_local_quorum_queues(), "
    "whereis(element(1, amqqueue:get_pid(Q))) =:= undefined]"
)
_LOOK_AT_MEMBERS = f'io:format("drained=~s stopped=~b~n", [{_DRAINED}, length({_STOPPED})]).'
#: The role `rabbitmq` has the same words, for hosts.
BRING_BACK = (
    # A tool's calls alone: the stacks of all processes of a large node are gigabytes.
    "Drains = [P || P <- processes(), P =/= self(), "
    "{initial_call, {erpc, _, _}} <- [process_info(P, initial_call)], "
    "{backtrace, B} <- [process_info(P, backtrace)], "
    'binary:match(B, <<"rabbit_maintenance:drain">>) =/= nomatch], '
    "[exit(P, kill) || P <- Drains], "
    f"{{_, Failed}} = rabbit_quorum_queue:recover(<<>>, {_STOPPED}), "
    'io:format("failed=~b~n", [length(Failed)]).'
)


def is_drained(runtime: Runtime, node: str) -> bool:
    """Whether ``node`` says that it is under maintenance; raises NotReadyError when it cannot be asked."""
    return "drained=true" in broker_tools.evaluate(runtime, node, _LOOK)


def drain(runtime: Runtime, node: str) -> None:
    """Put ``node`` under maintenance; raises NotReadyError when the tool fails."""
    _upgrade(runtime, node, "drain")


def is_left_out(runtime: Runtime, node: str) -> bool:
    """Whether ``node`` is under maintenance, or has members of quorum queues that do not run, as a drain that
    was broken off leaves them (see `revive`); raises NotReadyError when it cannot be asked."""
    said = broker_tools.evaluate(runtime, node, _LOOK_AT_MEMBERS)
    return "drained=true" in said or _count("stopped", said, node) > 0


def revive(runtime: Runtime, node: str) -> None:
    """End it; raises NotReadyError when the tool fails or a member does not start. Idempotent.

    After a drain that was broken off the broker's own revive is half of it (4.3.6), the other half is done
    here. The drain goes on inside the broker when its command has ended: it is ended too. Of the members that
    it has stopped only followers are started, so that a queue whose leader was stopped while no other node
    could be elected, with one dead say, stays down although most of its nodes run (docs/surprises.md).
    """
    _upgrade(runtime, node, "revive")
    if failed := _count("failed", broker_tools.evaluate(runtime, node, BRING_BACK), node):
        raise NotReadyError(node, f"{failed} of its members of quorum queues do not start")


def await_spare(runtime: Runtime, node: str) -> None:
    """Wait until every queue and the metadata store bear the loss of ``node``; raises NotReadyError when
    they do not in time. https://www.rabbitmq.com/docs/man/rabbitmq-upgrade.8"""
    _upgrade(runtime, node, "await_online_quorum_plus_one", "--timeout", str(_QUORUM_S))


def _count(name: str, said: str, node: str) -> int:
    found = re.search(rf"{name}=(\d+)", said)
    if found is None:
        raise NotReadyError(node, f"its tool does not say how many have {name}: {said.strip()}")
    return int(found[1])


def _upgrade(runtime: Runtime, node: str, *command: str) -> None:
    done = runtime.execute(node, ["rabbitmq-upgrade", *command], timeout_s=_TOOL_S)
    if not done.ok:
        raise NotReadyError(node, f"rabbitmq-upgrade {command[0]}: {done.reason()}")
