"""A consumer that takes messages and never acknowledges: they are nobody's until it is gone, or the broker's
``consumer_timeout`` (30 min by default) ends it.

Healed, they go back to their queue, with the flag that they were delivered before.
https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout
"""

from __future__ import annotations

import re

from chaos.access import count
from chaos.client import ACCOUNT, ClientFault, Place, connections_of, enough
from chaos.fault import Args, Facts, Parameter, Site
from warren.errors import BadInputError
from warren.journal import Fault as Journaled
from warren.topology import RESERVED_PREFIX

_NAME = "stuck-consumer"


def _place(site: Site, args: Args) -> Place:
    """As an application that may read the queue; in a profile's own virtual host as the profiles' account."""
    name = str(args["queue"])
    if name.startswith(f"/{RESERVED_PREFIX}"):
        own, _, bare = name.partition(":")
        return Place(vhost=own, user=ACCOUNT, queue=bare)
    vhost, queue = site.topology.find_queue(name)
    readers = [
        each.user
        for each in vhost.permissions
        if each.read and re.search(each.read, queue.name) and not site.topology.user(each.user).tags
    ]
    if not readers:
        raise BadInputError(f"queue {queue.name}", f"no application of {vhost.name} may read it")
    return Place(vhost=vhost.name, user=readers[0], queue=queue.name)


def _bites(site: Site, fault: Journaled) -> Facts:  # noqa: ARG001
    management = site.access.management
    held = sum(
        count(channel, "messages_unacknowledged")
        for name in connections_of(site, _NAME)
        for channel in management.rows("connections", name, "channels")
    )
    return {"unacknowledged": enough("unacknowledged messages of its consumer", held, 1)}


FAULT = ClientFault(
    name=_NAME,
    summary="a consumer that takes messages and never acknowledges; heal ends it, and they go back",
    own={
        "queue": Parameter(default="orders.work", of="queue", help="whose messages it takes"),
        "prefetch_count": Parameter(default=100.0, low=1, high=10_000, help="messages that it holds at most"),
        "consumers_count": Parameter(default=1.0, low=1, high=10, help="such consumers"),
    },
    place=_place,
    bites=_bites,
)
