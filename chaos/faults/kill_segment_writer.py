"""The process killed that turns the write-ahead log of a node's quorum queues into segment files."""

from __future__ import annotations

from chaos import inside
from chaos.raft import KilledProcess

FAULT = KilledProcess(
    summary="kill what writes a node's queues into segments; its supervisor restarts it, heal looks",
    who=lambda _: inside.named(inside.SEGMENT_WRITER),
)
