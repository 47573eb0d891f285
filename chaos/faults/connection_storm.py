"""Clients that all want in at once: each connection costs a node a TLS handshake, processes and memory.

The account's limit of connections is what keeps a storm from taking the nodes' own.
https://www.rabbitmq.com/docs/connections#high-connection-churn
"""

from __future__ import annotations

from chaos.client import ACCOUNT, ClientFault, enough, half, own_rows
from chaos.fault import Facts, Parameter, Site
from warren.journal import Fault as Journaled

_NAME = "connection-storm"


def _bites(site: Site, fault: Journaled) -> Facts:
    limit = site.topology.user(ACCOUNT).max_connections
    found = len(own_rows(site, _NAME, "connections"))
    wanted = half(float(fault.args["connections_count"]), limit)
    return {"connections": enough("connections", found, wanted), "connections_allowed": limit}


FAULT = ClientFault(
    name=_NAME,
    summary="connections that come all at once, and again when refused; heal ends their client",
    own={
        "connections_count": Parameter(default=200.0, low=1, high=2000, help="connections that are wanted"),
        "connections_per_s": Parameter(default=100.0, low=1, high=500, help="attempts a second, at most"),
        "lives_s": Parameter(default=10.0, high=3600, help="each is closed and opened again after; 0: kept"),
    },
    bites=_bites,
)
