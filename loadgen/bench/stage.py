"""Where a cell is played: a virtual host of its own with its queues or streams, under a reserved name."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from loadgen.bench.cells import Cell
from warren.errors import NotReadyError
from warren.management import ManagementClient, NotFoundError
from warren.topology import RESERVED_PREFIX
from warren.wait import Clock, until

VHOST = f"/{RESERVED_PREFIX}bench"
EXCHANGE = "bench"
_READY_S = 30.0
#: Several turns' messages of a stream, on each node.
_STREAM_BYTES = 1_000_000_000


def queue(number: int) -> str:
    """The name of queue ``number`` (1 first); its binding's routing key is the same."""
    return f"bench.{number}"


def queue_pattern() -> str:
    """The same for a program that puts the number in place of %d."""
    return queue(0).replace("0", "%d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Makes, empties and removes the broker objects of a cell, as the ``user`` that both clients use.

    Streams are not emptied: nothing but their bounds takes anything out of one.
    """

    management: ManagementClient
    user: str
    members: int
    clock: Clock
    streams: bool = False

    @property
    def _arguments(self) -> dict[str, Any]:
        if not self.streams:
            return {"x-queue-type": "quorum", "x-quorum-initial-group-size": self.members}
        bounds = {"x-max-length-bytes": _STREAM_BYTES, "x-stream-max-segment-size-bytes": _STREAM_BYTES // 10}
        return {"x-queue-type": "stream", "x-initial-cluster-size": self.members, **bounds}

    def build(self, cell: Cell) -> str:
        """Make everything anew; returns the Erlang name of the node that leads the first queue.

        Raises DeadlineError when a queue does not get all its members in time.
        """
        self.remove()
        api = self.management
        api.put("vhosts", VHOST, body={"description": "warren bench", "default_queue_type": "quorum"})
        api.put("permissions", VHOST, self.user, body={"configure": ".*", "write": ".*", "read": ".*"})
        api.put("exchanges", VHOST, EXCHANGE, body={"type": "direct", "durable": True})
        for name in map(queue, range(1, cell.queues + 1)):
            api.put("queues", VHOST, name, body={"durable": True, "arguments": self._arguments})
            api.post("bindings", VHOST, "e", EXCHANGE, "q", name, body={"routing_key": name})
        return until(
            lambda: self._leader(cell),
            what="the queues of the benchmark to have all their members",
            deadline_s=_READY_S,
            every_s=1.0,
            clock=self.clock,
        )

    def empty(self, cell: Cell) -> None:
        """Throw away what a turn left behind."""
        if self.streams:
            return
        for name in map(queue, range(1, cell.queues + 1)):
            self.management.delete("queues", VHOST, name, "contents")

    def remove(self) -> None:
        """Remove the virtual host and all in it; safe when there is none."""
        with suppress(NotFoundError):
            self.management.delete("vhosts", VHOST)

    def _leader(self, cell: Cell) -> str:
        found = [self.management.queue(VHOST, queue(number + 1)) for number in range(cell.queues)]
        for each in found:
            if each.leader is None or len(each.online) < self.members:
                raise NotReadyError(f"queue {each.name}", f"{len(each.online)} of {self.members} members")
        return str(found[0].leader)
