"""Before a run: its queues must be empty and nobody else's, or the ledger would judge strangers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from warren.errors import NotReadyError
from warren.management import ManagementClient
from warren.wait import Clock, until

#: The management API's figures are up to 5 s old: a queue that was just drained may look full for that long.
#: One that was just filled may look empty, too: such messages are counted as foreign, and never judged.
_SETTLE_S = 12.0
_REMEDY = "run it with --purge to throw these messages away, or redrive them first"


def require_empty(
    management: ManagementClient,
    vhost: str,
    queues: Sequence[str],
    *,
    purge: bool,
    alone: bool = True,
    clock: Clock | None = None,
) -> None:
    """Return once every queue is empty and has no consumer; ``purge`` empties those that nobody consumes.

    Unless ``alone``, consumers are other parts of the run and may be there before this one.

    Raises NotReadyError naming the first queue that is not, with its count and what to do.
    """

    def wait(look: Callable[[], None]) -> None:
        until(look, what="the run's queues to be free", deadline_s=_SETTLE_S, every_s=1.0, clock=clock)

    if alone:
        wait(lambda: _no_strangers(management, vhost, queues))
    if purge:
        for name in queues:
            management.delete("queues", vhost, name, "contents")
    wait(lambda: _nothing_held(management, vhost, queues))


def refuse_alarms(management: ManagementClient) -> None:
    """Raise NotReadyError, naming the node, when a memory or disk alarm keeps publishers waiting already."""
    for node in management.nodes():
        kinds = [kind for kind, on in (("memory", node.mem_alarm), ("disk", node.disk_alarm)) if on]
        if kinds:
            raise NotReadyError(
                node.name,
                f"has a {' and a '.join(kinds)} alarm: the broker blocks every publisher of the cluster",
                f"docs/runbooks/{kinds[0]}-alarm.md says what to look at",
            )


def _no_strangers(management: ManagementClient, vhost: str, queues: Sequence[str]) -> None:
    for name in queues:
        consumers = management.queue(vhost, name).consumers
        if consumers:
            raise NotReadyError(
                f"queue {name}",
                f"has {consumers} consumers of someone else's; they would take messages of this run",
                "end the other run first",
            )


def _nothing_held(management: ManagementClient, vhost: str, queues: Sequence[str]) -> None:
    for name in queues:
        found = management.queue(vhost, name)
        held = (found.messages or 0) + (found.messages_dlx or 0)
        if held:
            raise NotReadyError(f"queue {name}", f"holds {held} messages of something else", _REMEDY)
