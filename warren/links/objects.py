"""What links are on the broker: runtime parameters, and the policies by which something is federated.

https://www.rabbitmq.com/docs/shovel-dynamic and https://www.rabbitmq.com/docs/federation-reference; the keys
are those that 4.0.5 and 4.3.6 accept (rabbit_amqp091_shovel.erl, rabbit_federation_parameters.erl).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from warren import routing
from warren.links import addresses
from warren.topology import Policy, Topology, Vhost
from warren.topology_link_checks import POLICY_PREFIX
from warren.topology_links import End, Federation, Shovel

SHOVEL, UPSTREAM, UPSTREAM_SET = "shovel", "federation-upstream", "federation-upstream-set"
#: Runtime parameters that are links; other components are other objects, or other plugins' own.
COMPONENTS = (SHOVEL, UPSTREAM, UPSTREAM_SET)
_APPLY_TO = {"quorum": "quorum_queues", "classic": "classic_queues"}


def parameters(topology: Topology, vhost: Vhost) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The parameters of ``vhost`` as (component, name, definition), passwords left out."""
    for shovel in topology.links.shovels:
        if shovel.vhost == vhost.name:
            yield SHOVEL, shovel.name, _shovel(topology, shovel)
    for link in topology.links.federations:
        if link.vhost == vhost.name:
            yield UPSTREAM, link.name, _upstream(topology, link)


def remote_of(topology: Topology, name: str) -> str:
    """The remote of the link called ``name``; each parameter is called as its link is."""
    return topology.links.link(name).remote


def _shovel(topology: Topology, shovel: Shovel) -> dict[str, Any]:
    """The shovel never declares a queue: one that is gone is told, not made anew with other settings."""
    target = shovel.target
    body: dict[str, Any] = {
        "src-protocol": "amqp091",
        "src-uri": _uri(topology, shovel.source),
        "src-queue": shovel.source.queue,
        "src-predeclared": True,
        "src-prefetch-count": shovel.prefetch,
        "src-delete-after": "never",
        "dest-protocol": "amqp091",
        "dest-uri": _uri(topology, target),
        "dest-predeclared": True,
        "dest-add-forward-headers": True,
        "ack-mode": shovel.ack_mode,
        "reconnect-delay": shovel.reconnect_delay_s,
    }
    if target.queue:
        return {**body, "dest-queue": target.queue}
    key = {"dest-exchange-key": target.routing_key} if target.routing_key else {}
    return {**body, "dest-exchange": target.exchange, **key}


def _uri(topology: Topology, end: End) -> str | list[str]:
    if not end.remote:
        return addresses.here(end.vhost)
    return addresses.there(topology.links, topology.links.remote(end.remote))


def _upstream(topology: Topology, link: Federation) -> dict[str, Any]:
    """As they come, an exchange's upstream queue is a classic one on one node, and is deleted with what it
    holds whenever the link closes in order (``terminate`` of rabbit_federation_exchange_link.erl)."""
    body: dict[str, Any] = {
        "uri": addresses.there(topology.links, topology.links.remote(link.remote)),
        "ack-mode": "on-confirm",
        "prefetch-count": link.prefetch,
        "reconnect-delay": link.reconnect_delay_s,
        "trust-user-id": False,
    }
    if link.of_queues:
        return {**body, "queue": link.source.queue, "consumer-tag": f"federation-link-{link.name}"}
    return {
        **body,
        "exchange": link.source.exchange,
        "max-hops": link.max_hops,
        "queue-type": "quorum",
        "resource-cleanup-mode": "never",
    }


def policies(topology: Topology, vhost: Vhost) -> Iterator[Policy]:
    """A policy for each thing of ``vhost`` that is federated. Of several that match, the broker heeds one
    only, so that it says too what the policy says over which it is put."""
    for link in topology.links.federations:
        if link.vhost == vhost.name:
            yield _policy(vhost, link)


def _policy(vhost: Vhost, link: Federation) -> Policy:
    name = link.target.name
    if link.of_queues:
        queue = vhost.queue(name)
        under, _ = routing.matching_policies(vhost, queue)
        apply_to = _APPLY_TO[queue.type]
    else:
        fitting = [
            each
            for each in vhost.policies
            if each.apply_to in ("all", "exchanges") and re.search(each.pattern, name) is not None
        ]
        under = max(fitting, key=lambda each: each.priority, default=None)
        apply_to = "exchanges"
    return Policy(
        name=f"{POLICY_PREFIX}{link.name}",
        pattern=f"^{re.escape(name)}$",
        apply_to=apply_to,
        priority=under.priority + 1 if under else 0,
        definition={**(under.definition if under else {}), UPSTREAM: link.name},
    )
