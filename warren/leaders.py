"""Spreads the leaders of quorum queues over the nodes, where a boot or a failover has gathered them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from warren.errors import NotReadyError
from warren.gate import LeaderSpread, leader_spread
from warren.management_facts import QueueInfo
from warren.wait import Clock, until

DEADLINE_S = 30.0
_AGAIN_S = 5.0


class Management(Protocol):
    """What is used of the management API."""

    def queues(self, vhost: str | None = None) -> tuple[QueueInfo, ...]: ...

    def post(self, *path: str, body: Any = None) -> Any: ...


def spread(management: Management, nodes: Sequence[str]) -> LeaderSpread:
    """How the leaders are spread over ``nodes`` (Erlang names) now."""
    return leader_spread(management.queues(), nodes)


def even_out(
    management: Management, nodes: Sequence[str], *, clock: Clock, deadline_s: float = DEADLINE_S
) -> LeaderSpread:
    """Have the broker spread them, and wait until no node has more than its share; how they are spread then.

    Raises DeadlineError with the spread that there is. No leader is moved where they are spread already.
    """
    asked_s = clock.now() - _AGAIN_S

    def even() -> LeaderSpread:
        nonlocal asked_s
        now = spread(management, nodes)
        if now.even:
            return now
        if clock.now() - asked_s >= _AGAIN_S:
            # Again and again: it passes over queues whose members were not in step when it ran.
            management.post("rebalance", "queues")
            asked_s = clock.now()
        raise NotReadyError("queue leaders", str(now))

    return until(even, what="leaders to spread", deadline_s=deadline_s, clock=clock)
