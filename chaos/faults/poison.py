"""Messages on which every worker fails: each is delivered again until its delivery limit, then dead-lettered.

It goes on in a queue of its own: what it takes from others is processor and disk time. Poison among a
profile's own messages is the load profile ``poison``.
https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling
"""

from __future__ import annotations

from chaos.access import count
from chaos.client import ClientFault, enough, own_queue_row
from chaos.clients.orders import DEAD_SUFFIX, own_queue
from chaos.fault import Facts, Parameter, Site
from warren.journal import Fault as Journaled

_NAME = "poison"


def _bites(site: Site, fault: Journaled) -> Facts:
    """As many messages were redelivered as come in a second, and one at least was given up."""
    row = own_queue_row(site, _NAME, own_queue(_NAME))
    again = count(row, "message_stats", "redeliver")
    dead = count(own_queue_row(site, _NAME, own_queue(_NAME) + DEAD_SUFFIX), "messages")
    return {
        "redelivered": enough("redeliveries", again, float(fault.args["messages_per_s"])),
        "redelivery_rate_per_s": count(row, "message_stats", "redeliver_details", "rate"),
        "dead_lettered": enough("messages given up", dead, 1),
    }


FAULT = ClientFault(
    name=_NAME,
    summary="messages that no worker can do, redelivered up to their limit; heal ends their client",
    own={
        "messages_per_s": Parameter(default=50.0, low=1, high=2000, help="poisonous messages a second"),
        "messages_count": Parameter(default=100_000.0, low=1, high=10_000_000, help="then no more come"),
        "deliveries_count": Parameter(default=20.0, low=1, high=1000, help="the queue's delivery limit"),
    },
    bites=_bites,
)
