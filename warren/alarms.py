"""The broker's two resource alarms: raised by limits that no node can keep, lifted by the topology's own.

While one is on anywhere the broker blocks every connection of the cluster that publishes
(https://www.rabbitmq.com/docs/alarms). Both limits are the running node's: they end with its process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from warren import broker_tools
from warren.errors import NotReadyError
from warren.process import Completed
from warren.runtime.protocol import Runtime
from warren.topology import Topology

Resource = Literal["memory", "disk"]
_SET: Mapping[Resource, str] = {"memory": "set_vm_memory_high_watermark", "disk": "set_disk_free_limit"}
#: Below what any node uses.
_TOO_LITTLE = ("absolute", "1MB")
#: Beyond what the disk has free, and not by much, for a dashboard shows the limit beside what is free. Where
#: the node does not know what is free (on some file systems), a petabyte.
_TOO_MUCH = """
Free = rabbit_disk_monitor:get_disk_free(),
rabbit_disk_monitor:set_disk_free_limit(
  case is_integer(Free) of true -> 2 * Free; false -> 1000000000000000 end).
"""
_MIB = 1024 * 1024
#: The broker's tool boots an Erlang machine of its own, on a busy machine slowly.
_TOOL_S = 60.0


def provoke(runtime: Runtime, node: str, resource: Resource) -> None:
    """Set a limit that ``node`` cannot keep. Raises NotReadyError when the broker's tool fails."""
    if resource == "disk":
        broker_tools.evaluate(runtime, node, _TOO_MUCH)
    else:
        _set(runtime, node, resource, _TOO_LITTLE)


def lift(runtime: Runtime, topology: Topology, node: str, resource: Resource) -> None:
    """Set the topology's own limit, whatever it is now. Raises NotReadyError when the tool fails."""
    broker = topology.broker
    own = {"memory": str(broker.memory_watermark), "disk": str(broker.disk_free_limit_mib * _MIB)}[resource]
    _set(runtime, node, resource, (own,))


def ringing(runtime: Runtime, node: str) -> frozenset[str]:
    """The resources for which ``node`` itself has an alarm now; raises NotReadyError when it cannot be asked.

    By the broker's tool on the node: the management API's word is up to five seconds old.
    """
    argv = ["rabbitmqctl", "eval", "rabbit_alarm:get_local_alarms()."]
    done = _checked(runtime.execute(node, argv, timeout_s=_TOOL_S), node, "its alarms cannot be asked for")
    return frozenset(re.findall(r"resource_limit,\s*(\w+)", done.stdout))


def _set(runtime: Runtime, node: str, resource: Resource, limit: tuple[str, ...]) -> None:
    argv = ["rabbitmqctl", _SET[resource], *limit]
    _checked(runtime.execute(node, argv, timeout_s=_TOOL_S), node, f"the limit of {resource} was not set")


def _checked(done: Completed, node: str, what: str) -> Completed:
    if not done.ok:
        raise NotReadyError(node, f"{what}: {done.reason()}")
    return done
