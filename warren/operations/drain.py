"""A node put under maintenance, for work on its machine. https://www.rabbitmq.com/docs/upgrade#maintenance-mode"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from warren import maintenance
from warren.errors import NotReadyError
from warren.operating import parts
from warren.operating.model import Args, Facts, Parameter, Site, Step


class Drain:
    summary = "put a node under maintenance: it serves no client and leads no queue until it is revived"
    parameters = (Parameter(name="node", kind="node", help="The node"),)
    promise = "its connections end, and no publish of a client that connects to another node fails"
    undoing = "revives the node"

    def before(self, site: Site, args: Args) -> Facts:  # noqa: ARG002
        return {}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        node = args["node"]
        if maintenance.is_drained(site.runtime, node):
            return ()
        drained = Step(what=f"{node}: look whether it says so", do=partial(_says_so, site, node))
        return (parts.look_whole(site), *parts.drained(site, node, node), drained)

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        return (parts.reviving(site, args["node"]), parts.wait_whole(site))


def _says_so(site: Site, node: str) -> None:
    if not maintenance.is_drained(site.runtime, node):
        raise NotReadyError(node, "does not say that it is under maintenance")


OPERATION = Drain()
