"""Another leader for one queue: its clients stay connected, and with the leader move the queue's own helpers,
the process that dead-letters for it among them (docs/runbooks/dead-letter-backlog.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warren import leaders
from warren.context import Context
from warren.errors import NotReadyError, RefusedError
from warren.management_facts import QueueInfo
from warren.queues import listing
from warren.wait import until

_SEEN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Led:
    """``before`` and ``now`` are nodes; the same where nothing had to be done, ``before`` empty where no
    leader was known."""

    queue: str
    before: str
    now: str

    def as_result(self) -> Mapping[str, Any]:
        """For ``--json``."""
        return {"queue": self.queue, "before": self.before, "now": self.now}

    def __str__(self) -> str:
        if self.before == self.now:
            return f"{self.queue} is led by {self.now} already"
        return f"{self.queue} is led by {self.now} now, before by {self.before or 'nobody'}"


def lead(context: Context, given: str, node: str) -> Led:
    """Have ``node`` lead the quorum queue called exactly ``given``, and return once the broker says so.

    Raises BadInputError for a queue or a node that there is not, RefusedError where the node has no member of
    it that is up, NotReadyError where another goes on to lead.
    """
    called = context.topology.node(node).erlang_name
    info = listing.exactly(context.management.queues(), given)
    title = f"{info.vhost}:{info.name}"
    if info.type != "quorum":
        raise RefusedError(
            f"queue {title}", f"is a {info.type} queue", "only quorum queues have a leader to move"
        )
    if called not in info.online:
        able = ", ".join(_short(context, name) for name in info.online) or "none"
        raise RefusedError(node, f"has no member of {title} that is up", f"nodes that have one: {able}")
    if info.leader != called:
        leaders.transfer(context.nodes, info.vhost, info.name, node=node, name=called)
        _await(context, info, called)
    return Led(queue=title, before=_short(context, info.leader or ""), now=node)


def _await(context: Context, info: QueueInfo, called: str) -> None:
    def led() -> None:
        found = context.management.queue(info.vhost, info.name)
        if found.leader != called:
            raise NotReadyError(f"queue {info.vhost}:{info.name}", f"is led by {found.leader or 'nobody'}")

    what = f"{info.name} to be led by {called}"
    until(led, what=what, deadline_s=_SEEN_S, clock=context.clock, remedy="warren queue list: is it in step?")


def _short(context: Context, called: str) -> str:
    return context.topology.by_erlang_name.get(called, called)
