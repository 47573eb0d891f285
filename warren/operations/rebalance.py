"""The leaders of quorum queues spread over the nodes. https://www.rabbitmq.com/docs/cluster-operations"""

from __future__ import annotations

from collections.abc import Sequence

from warren import leaders
from warren.gate import LeaderSpread
from warren.operating import parts
from warren.operating.model import Args, Facts, Parameter, Site, Step


class Rebalance:
    summary = "spread the leaders of quorum queues evenly over the nodes"
    parameters: tuple[Parameter, ...] = ()
    promise = "no connection ends and no publish fails; each move is an election of a fraction of a second"
    undoing = "nothing is to be undone: every member of a queue may lead it"

    def before(self, site: Site, args: Args) -> Facts:  # noqa: ARG002
        return {"leaders_before": str(_spread(site))}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        if _spread(site).even:
            return ()
        return (parts.look_whole(site), parts.spread_leaders(site), parts.wait_whole(site))

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        return ()


def _spread(site: Site) -> LeaderSpread:
    return leaders.spread(site.management, list(site.topology.by_erlang_name))


OPERATION = Rebalance()
