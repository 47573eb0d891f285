"""The memory alarm: every publisher of the cluster is blocked, consumers go on.

https://www.rabbitmq.com/docs/memory
"""

from __future__ import annotations

from chaos.alarm import Alarm

FAULT = Alarm(
    resource="memory",
    summary="the node has a memory alarm, by a watermark that it cannot keep; heal sets the topology's",
)
