"""A node put back into service after maintenance."""

from __future__ import annotations

from collections.abc import Sequence

from warren import maintenance
from warren.operating import parts
from warren.operating.model import Args, Facts, Parameter, Site, Step


class Revive:
    summary = "end a node's maintenance, and give it leaders again"
    parameters = (Parameter(name="node", kind="node", help="The node"),)
    promise = "no connection ends and no publish fails"
    undoing = "nothing is to be undone: warren cluster drain takes the node out of service again"

    def before(self, site: Site, args: Args) -> Facts:
        return {"drained_before": maintenance.is_left_out(site.runtime, args["node"])}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:
        if not facts["drained_before"]:
            return ()
        return (parts.reviving(site, args["node"]), parts.wait_whole(site), parts.spread_leaders(site))

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        return ()


OPERATION = Revive()
