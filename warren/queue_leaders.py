"""One queue given another leader: what `rabbitmq-queues rebalance` does to each queue that it moves.

https://www.rabbitmq.com/docs/clustering#rebalance
"""

from __future__ import annotations

from warren import process
from warren.runtime.protocol import Runtime

#: A member has to be in step first, on a machine that may be busy with something else.
_LEAD_S = 30.0
_LEAD = """
{{ok, Queue}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>)),
rabbit_quorum_queue:transfer_leadership(Queue, list_to_atom("{name}")).
"""


def transfer(runtime: Runtime, vhost: str, queue: str, *, node: str, name: str) -> None:
    """Have the member on ``node``, which Erlang calls ``name``, lead. Raises NotReadyError where it cannot.

    All names come from the topology, whose reader admits no quote or backslash.
    """
    expression = _LEAD.format(vhost=vhost, queue=queue, name=name)
    process.check(runtime.execute(node, ["rabbitmqctl", "eval", expression], timeout_s=_LEAD_S))
