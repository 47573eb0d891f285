"""Every connection of the canary, on one loop."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable

import pika
from pika.adapters.select_connection import IOLoop, SelectConnection

from exporters.broker import Node
from exporters.canary.flight import Hears
from exporters.canary.lane import PikaLane
from exporters.canary.link import Connect, Link
from exporters.canary.pair import Pair
from exporters.collector import Reach
from warren.connection import Endpoint, TlsMaterial, parameters, tls_context


class Air:
    """A connection per node and virtual host that a lane asks for.

    Raises NotReadyError when the authority's file cannot be used.
    """

    def __init__(
        self,
        reach: Reach,
        *,
        connect: Connect = SelectConnection,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        # Each lost connection is several lines to pika, at the level of errors; the tally says it in one.
        logging.getLogger("pika").setLevel(logging.CRITICAL)
        self.loop = IOLoop()
        self._connect, self._now_s = connect, now_s
        self._reach = reach
        self._nodes = {node.host: node for node in reach.nodes}
        self._tls = tls_context(TlsMaterial(ca_path=reach.ca, client_pem=reach.credentials.client_pem))
        self._links: dict[tuple[str, str], Link] = {}

    @property
    def open(self) -> int:
        """How many connections are open."""
        return sum(link.is_open for link in self._links.values())

    @property
    def opened(self) -> int:
        """How many have been, since the process began."""
        return sum(link.opened for link in self._links.values())

    def lane(self, pair: Pair) -> Callable[[Hears], PikaLane]:
        """Makes the lane of ``pair`` for who will hear of it."""

        def make(hears: Hears) -> PikaLane:
            return PikaLane(
                pair, self._link(pair.origin, pair.vhost), self._link(pair.target, pair.vhost), hears
            )

        return make

    def _link(self, host: str, vhost: str) -> Link:
        if (host, vhost) not in self._links:
            wanted = _parameters(self._nodes[host], vhost, self._reach, self._tls)
            self._links[host, vhost] = Link(host, wanted, self.loop, self._connect, self._now_s)
        return self._links[host, vhost]


def _parameters(node: Node, vhost: str, reach: Reach, tls: ssl.SSLContext) -> pika.ConnectionParameters:
    return parameters(
        Endpoint(name=node.host, host=node.host, port=node.amqps_port),
        vhost=vhost,
        credentials=reach.credentials,
        tls=tls,
        connection_name=f"warren-canary {node.host} {vhost}",
        connect_timeout_s=reach.timeout_s,
    )
