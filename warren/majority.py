"""What would lose its majority with one node: asked before the node is taken away."""

from __future__ import annotations

from typing import Protocol

from warren.errors import DeadlineError, NotReadyError
from warren.management_facts import HealthCheck
from warren.wait import Clock, until

#: A member is not counted as up while its queue elects a leader: the broker looks at the members' states of
#: this moment and takes leaders and followers for up, no candidates (`rabbit_quorum_queue:
#: filter_quorum_critical` of 4.3.6). An election ends within its timeout of a second or less; this is longer.
SETTLES_S = 5.0


class Management(Protocol):
    """What is used of the management API."""

    def not_quorum_critical(self, node: str) -> HealthCheck: ...


def lost_with(management: Management, node: str, *, clock: Clock, settles_s: float = SETTLES_S) -> str:
    """What would have no majority without ``node``, to be read, also after ``settles_s``; "" when nothing.

    To be asked before a drain: a drained node passes vacuously. Raises NotReadyError when the API cannot be
    asked.
    """
    last = ""

    def nothing() -> None:
        nonlocal last
        last = ""
        found = management.not_quorum_critical(node)
        last = "" if found.passed else _told(found)
        if last:
            raise NotReadyError(node, last)

    try:
        until(nothing, what=f"{node} not to be quorum critical", deadline_s=settles_s, clock=clock)
    except DeadlineError:
        if not last:
            raise
    return last


def _told(found: HealthCheck) -> str:
    """The queues by name; the broker's reason where it names none, as for its metadata store."""
    if not found.queues:
        return found.reason or "something that the broker does not name"
    (vhost, name), *more = sorted(found.queues)
    return f"queue {name} in {vhost}" + (f" and {len(more)} more" if more else "")
