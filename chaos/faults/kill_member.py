"""Raft members of quorum queues killed: with ``--leader-of`` or ``--follower-of`` that queue's, else all that
the node has. A leader that dies so is replaced by an election, or by itself where it is back first.
"""

from __future__ import annotations

from chaos import inside
from chaos.raft import KilledProcess

FAULT = KilledProcess(
    summary="kill the queue's Raft member, or all of the node's; supervisors restart them, heal looks",
    who=inside.members,
)
