"""A client that declares queues and deletes them again: each is a vote of the metadata store and, as a quorum
queue, a Raft cluster that is made and ended.

https://www.rabbitmq.com/docs/queues#churn
"""

from __future__ import annotations

from chaos.access import count
from chaos.client import ClientFault, enough, own_vhost
from chaos.clients.orders import own_queue
from chaos.fault import Facts, Parameter, Site
from warren.journal import Fault as Journaled

_NAME = "queue-churn"
_PROOF = 5


def _made(site: Site) -> int:
    return round(count(site.access.management.get("overview"), "churn_rates", "queue_created"))


def _bites(site: Site, fault: Journaled) -> Facts:
    rows = site.access.management.rows("queues", own_vhost(_NAME), columns=("name",))
    there = sum(str(row["name"]).startswith(own_queue(_NAME)) for row in rows)
    made = _made(site) - int(fault.evidence["queues_created_before"])
    return {"queues_created": enough("queues made since", made, _PROOF), "queues_there": there}


FAULT = ClientFault(
    name=_NAME,
    summary="quorum queues that are declared and soon deleted; heal ends their client and deletes them",
    own={
        "queues_count": Parameter(default=100.0, low=1, high=1000, help="queues that are there at a time"),
        "queues_per_s": Parameter(default=10.0, low=1, high=100, help="queues declared a second, at most"),
    },
    look=lambda site: {"queues_created_before": _made(site)},
    bites=_bites,
)
