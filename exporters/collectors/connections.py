"""Connections by state, and how many a virtual host may have: the broker has no metric of either.

A publisher that an alarm blocks is still connected and counts as any other in ``rabbitmq_connections``; that
it is blocked is in the management API alone (https://www.rabbitmq.com/docs/connection-blocked). The list
grows with the connections, so it is asked in the background, for two columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from prometheus_client.core import Metric

from exporters import names
from exporters.collector import Reach, Scrape, family
from warren.https import HttpEndpoint
from warren.management import ManagementClient

#: Between the end of one look and the start of the next, in seconds.
EVERY_S = 15.0
#: Told for every virtual host, 0 where there is none: what is absent cannot be told from what is not known.
STATES = ("running", "flow", "blocking", "blocked")
#: A connection is listed before it has told anything of itself.
_NEW = "starting"
_LIMIT = "max-connections"


class Asked(Protocol):
    """What is asked of the management API."""

    def get(self, *path: str, query: Mapping[str, str] | None = None) -> Any:
        """The JSON below ``/api/``; raises NotReadyError."""


class ConnectionsCollector:
    """Holds nothing between looks."""

    every_s = EVERY_S

    def __init__(self, management: Asked) -> None:
        self._management = management

    def collect(self, _scrape: Scrape) -> Iterable[Metric]:
        """Raises NotReadyError when no node's management API answers."""
        rows = self._management.get("connections", query={"columns": "vhost,state"})
        limits = {
            row["vhost"]: row["value"][_LIMIT]
            for row in self._management.get("vhost-limits")
            if row["value"].get(_LIMIT, -1) >= 0
        }
        vhosts = [row["name"] for row in self._management.get("vhosts", query={"columns": "name"})]
        counts = Counter((row["vhost"], row.get("state", _NEW)) for row in rows if row.get("vhost"))
        counts.update({(vhost, state): 0 for vhost in vhosts for state in STATES})
        connections, greatest = family(names.CONNECTIONS), family(names.CONNECTIONS_LIMIT)
        for key, count in sorted(counts.items()):
            connections.add_metric(key, count)
        for vhost, limit in sorted(limits.items()):
            greatest.add_metric([vhost], limit)
        return connections, greatest


def collector(reach: Reach) -> ConnectionsCollector:
    """Raises NotReadyError when the authority's file is missing."""
    endpoints = [
        HttpEndpoint(node=node.host, host=node.host, port=node.management_port, server_name=node.host)
        for node in reach.nodes
    ]
    return ConnectionsCollector(
        ManagementClient(
            endpoints,
            user=reach.credentials.username,
            password=reach.credentials.password,
            ca=reach.ca,
            timeout_s=reach.timeout_s,
        )
    )
