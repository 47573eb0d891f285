"""Every node started, all at once: the metadata store needs a majority of them to boot at all, so that a node
started alone waits for the others. https://www.rabbitmq.com/docs/clustering#restarting
"""

from __future__ import annotations

from collections.abc import Sequence

from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.operations.stop_all import starting
from warren.runtime.protocol import NodeState


class StartAll:
    summary = "start all nodes that are down, at once, and wait until the cluster is whole"
    parameters: tuple[Parameter, ...] = ()
    promise = "clients are served again as soon as a majority of the nodes has booted"
    undoing = "nothing is to be undone: warren cluster stop-all stops the nodes again"

    def before(self, site: Site, args: Args) -> Facts:  # noqa: ARG002
        return {"down": [node for node in site.nodes if site.state_of(node) is not NodeState.RUNNING]}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        return starting(site, facts["down"]) if facts["down"] else ()

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        return ()


OPERATION = StartAll()
