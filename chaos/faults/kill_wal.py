"""The write-ahead log of all quorum queues of a node killed: every member on it waits until another one has
read the log again. https://www.rabbitmq.com/docs/quorum-queues
"""

from __future__ import annotations

from chaos import inside
from chaos.raft import KilledProcess

FAULT = KilledProcess(
    summary="kill the log that a node's quorum queues share; its supervisor restarts it, heal looks",
    who=lambda _: inside.named(inside.WAL),
)
