"""A node made anew under its name, as on a new machine or an empty disk: forgotten, joined, and given a
member of every queue again. https://www.rabbitmq.com/docs/clustering
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from warren import broker_tools, rolling
from warren.errors import NotReadyError
from warren.operating import parts
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.operations.forget_node import forgetting, look_without, members
from warren.runtime.protocol import NodeState
from warren.wait import until

#: A member of each queue copies what that holds.
GROW_S = 900.0
_JOINED_S = 180.0


class ReplaceNode:
    summary = "make a node anew, with nothing on its disk, and give it a member of every queue again"
    parameters = (Parameter(name="node", kind="node", help="The node, dead or alive"),)
    promise = "no confirmed message is lost, no publish of a client that connects anew fails"
    undoing = "nothing is put back: what the node had is gone once it is emptied; go on"

    def before(self, site: Site, args: Args) -> Facts:
        return {"ran_before": site.state_of(args["node"]) is NodeState.RUNNING, "emptied": False}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:
        node = args["node"]
        found = [] if facts["emptied"] else self._emptied(site, node)
        return [
            *found,
            parts.starting(site, node, node),
            joining(site, node),
            growing(site, node),
            parts.wait_whole(site, "wait until every member is in step", deadline_s=GROW_S),
            parts.spread_leaders(site),
        ]

    def _emptied(self, site: Site, node: str) -> list[Step]:
        found: list[Step] = []
        if site.state_of(node) is NodeState.RUNNING:
            found += [*parts.if_drained(site, node), parts.look_whole(site)]
        found += parts.down(site, node, node, grace_s=rolling.GRACE_S)
        empty = Step(
            what=f"{node}: empty its data folder",
            do=partial(_empty, site, node),
            is_act=True,
            left=f"{node} is down",
        )
        return [*found, look_without(site, node), *forgetting(site, node), empty]

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        return ()


def _empty(site: Site, node: str) -> Facts:
    if site.state_of(node) is NodeState.RUNNING:
        raise NotReadyError(node, "runs: its data are in use")
    site.empty_data(node)
    return {"emptied": True}


def joining(site: Site, node: str) -> Step:
    """``node``, which was started with nothing on its disk, a member that runs."""
    return Step(what=f"{node}: wait until it has joined the others", do=partial(_joined, site, node))


def growing(site: Site, node: str) -> Step:
    """A member of every quorum queue on ``node``; it copies what the queue holds by and by."""
    return Step(
        what=f"{node}: give it a member of every quorum queue",
        do=partial(_grow, site, node),
        is_act=True,
        left=f"{node} serves, and some queues have fewer members than before",
    )


def _joined(site: Site, node: str) -> None:
    name = site.topology.node(node).erlang_name

    def member() -> None:
        if name not in members(site, node):
            raise NotReadyError(node, "has not joined the others yet", f"warren cluster logs {node}")
        running = {each.name for each in site.management.nodes() if each.running}
        if name not in running:
            raise NotReadyError(node, "has joined, and does not run yet", f"warren cluster logs {node}")

    until(member, what=f"{node} to join", deadline_s=_JOINED_S, every_s=1.0, clock=site.clock)


def _grow(site: Site, node: str) -> None:
    """Queues that have a member there already are passed over."""
    argv = ["rabbitmq-queues", "grow", site.topology.node(node).erlang_name, "all"]
    broker_tools.run(site.runtime, node, argv, timeout_s=GROW_S)


OPERATION = ReplaceNode()
