"""The last thing that is tried before a confirmed message is called lost: another leader for a queue whose
dead letters do not go on.

At-least-once dead-lettering is done by a process beside the queue's leader, which may wait for ever for an
answer that no leader of the target owes it any more (https://github.com/rabbitmq/rabbitmq-server/issues/12625;
docs/surprises.md). What it holds is neither ready nor unacknowledged; a new leader starts another such
process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from loadgen.telling import ANEW
from warren import leaders
from warren.errors import WarrenError
from warren.management import ManagementClient
from warren.management_facts import QueueInfo
from warren.results import LoadResult
from warren.runtime.protocol import Runtime
from warren.topology import Topology


@dataclass(slots=True, kw_only=True)
class Unsticking:
    """Of the queues that a run uses. ``done`` says what was done, in words."""

    management: ManagementClient
    runtime: Runtime
    topology: Topology
    vhost: str
    queues: Sequence[str]
    done: list[str] = field(default_factory=list)

    def hear(self, event: Mapping[str, Any], show: Callable[[Mapping[str, Any]], None]) -> None:
        """Act when the drain has waited in vain; ``show`` is told what was done."""
        if event["type"] != ANEW:
            return
        for name in self.queues:
            if text := self._move(name):
                self.done.append(text)
                show({"type": "note", "t_s": event["t_s"], "text": text})

    def told(self, result: LoadResult) -> LoadResult:
        """``result`` with what was done among its notes."""
        if not self.done:
            return result
        notes = [*result.params.get("notes", ()), *self.done]
        return replace(result, params={**result.params, "notes": notes})

    def _move(self, name: str) -> str:
        """Where the queue's dead letters wait: moves its leader. What was done, empty for nothing."""
        try:
            queue = self.management.queue(self.vhost, name)
            if not queue.messages_dlx:
                return ""
            waiting = f"{name}: {queue.messages_dlx} messages wait to be dead-lettered"
            node = self._another(queue)
            if node is None:
                return f"{waiting}, and no other member could lead it"
            called = self.topology.node(node).erlang_name
            leaders.transfer(self.runtime, self.vhost, name, node=node, name=called)
        except WarrenError as error:
            return f"{name}: could not be given another leader: {error.what}"
        return f"{waiting}: {node} leads it now in place of {queue.leader}"

    def _another(self, queue: QueueInfo) -> str | None:
        able = set(queue.online) - {queue.leader}
        names = self.topology.by_erlang_name
        return next((node for name, node in names.items() if name in able), None)
