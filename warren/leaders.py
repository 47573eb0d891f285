"""Who leads the quorum queues: leaders are spread over the nodes where a boot or a failover has gathered
them, and one queue is given another. https://www.rabbitmq.com/docs/clustering#rebalance
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from warren import broker_tools, process
from warren.errors import NotReadyError
from warren.gate import LeaderSpread, leader_spread
from warren.management_facts import QueueInfo
from warren.runtime.protocol import Runtime
from warren.wait import Clock, until

DEADLINE_S = 30.0
_AGAIN_S = 5.0
#: A member has to be in step first, on a machine that may be busy with something else.
_LEAD_S = 30.0
_LEAD = """
Name = fun(Encoded) -> base64:decode(Encoded) end,
{{ok, Queue}} = rabbit_amqqueue:lookup(rabbit_misc:r(Name(<<"{vhost}">>), queue, Name(<<"{queue}">>))),
rabbit_quorum_queue:transfer_leadership(Queue, list_to_atom("{name}")).
"""


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


def transfer(runtime: Runtime, vhost: str, queue: str, *, node: str, name: str) -> None:
    """Have the member on ``node``, which Erlang calls ``name``, lead: what a rebalance does to each queue
    that it moves. Raises NotReadyError where it cannot.

    Names of queues go in encoded, so that no character of them can mean anything in the expression.
    """
    vhost_text, queue_text = broker_tools.encoded(vhost), broker_tools.encoded(queue)
    expression = _LEAD.format(vhost=vhost_text, queue=queue_text, name=name)
    done = process.check(runtime.execute(node, ["rabbitmqctl", "eval", expression], timeout_s=_LEAD_S))
    if "not_migrated" in done.stdout:
        raise NotReadyError(f"queue {queue} in {vhost}", f"could not be led by {node}: {done.stdout.strip()}")
