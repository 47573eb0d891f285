"""A publisher that goes wild: into a quorum queue that keeps the newest messages and drops the oldest, so
that it costs the nodes processor and disk time, and no room.

https://www.rabbitmq.com/docs/maxlength, https://www.rabbitmq.com/docs/flow-control
"""

from __future__ import annotations

from chaos.access import count
from chaos.client import ClientFault, enough, own_queue_row
from chaos.clients.orders import own_queue
from chaos.fault import Facts, Parameter, Site
from warren.journal import Fault as Journaled

_NAME = "publisher-flood"


def _bites(site: Site, fault: Journaled) -> Facts:
    """Half a second's worth was published, and it goes on: what the broker could take is in the figures. A
    rate is what two samples differ by, so there is none before the second, five seconds on."""
    row = own_queue_row(site, _NAME, own_queue(_NAME))
    wanted = min(float(fault.args["messages_per_s"]), float(fault.args["messages_count"])) / 2
    published = enough("messages published", count(row, "message_stats", "publish"), wanted)
    rate = count(row, "message_stats", "publish_details", "rate")
    return {
        "published": published,
        "publish_rate_per_s": enough("messages published a second", rate, 1),
        "messages": round(count(row, "messages")),
    }


FAULT = ClientFault(
    name=_NAME,
    summary="messages as fast as they go, into a queue of their own; heal ends their publisher",
    own={
        "messages_per_s": Parameter(default=5000.0, low=1, high=50_000, help="messages a second, at most"),
        "messages_count": Parameter(default=1_000_000.0, low=1, high=100_000_000, help="then it stops"),
        "size_bytes": Parameter(default=1000.0, low=1, high=100_000, help="of a message's body"),
        "kept_count": Parameter(default=10_000.0, low=1, high=100_000, help="messages that the queue keeps"),
    },
    bites=_bites,
)
