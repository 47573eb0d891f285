"""Does a message get from each node to each other, and how soon: tried over TLS, all the time."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import Metric

from exporters import names
from exporters.canary.air import Air
from exporters.canary.fleet import Fleet
from exporters.canary.flight import Pilot
from exporters.canary.pair import pairs
from exporters.canary.tally import Tally
from exporters.collector import Reach, Scrape, family, gauge
from warren.errors import BadInputError

#: Between the end of one round of flights and the start of the next.
EVERY_S = 5.0


class CanaryCollector:
    """Flies a round and tells what all rounds came to. It never lacks what it needs: a broker that cannot be
    reached is what it is there to find out."""

    every_s = EVERY_S

    def __init__(self, fleet: Fleet, tally: Tally, air: Air) -> None:
        self._fleet, self._tally, self._air = fleet, tally, air

    def collect(self, _scrape: Scrape) -> Iterable[Metric]:
        self._fleet.fly()
        opened = family(names.CANARY_CONNECTED)
        opened.add_metric([], self._air.opened)
        return [*self._tally.families(), gauge(names.CANARY_CONNECTIONS, self._air.open), opened]


def collector(reach: Reach) -> CanaryCollector:
    """Raises BadInputError without a virtual host to fly in, NotReadyError when the authority's file cannot
    be used."""
    if not reach.vhosts:
        raise BadInputError("--vhost", "the canary has no virtual host to fly in", "give one or more")
    flown = pairs(reach.vhosts, [node.host for node in reach.nodes])
    tally, air = Tally(flown), Air(reach)
    pilots = [Pilot(pair, air.lane(pair), tally) for pair in flown]
    return CanaryCollector(Fleet(pilots, air.loop, timeout_s=reach.timeout_s), tally, air)
