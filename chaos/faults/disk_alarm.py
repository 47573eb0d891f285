"""The disk alarm: every publisher of the cluster is blocked, consumers go on.

https://www.rabbitmq.com/docs/disk-alarms
"""

from __future__ import annotations

from chaos.alarm import Alarm

FAULT = Alarm(
    resource="disk",
    summary="the node has a disk alarm, by a limit beyond its disk; heal sets the topology's",
)
