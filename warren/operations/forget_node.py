"""A node that is dead for good, taken out of the cluster: queues, streams and the metadata store wait for it
no more. https://www.rabbitmq.com/docs/clustering#forget-a-node
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from warren import broker_tools
from warren.errors import NotReadyError, RefusedError
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.runtime.protocol import NodeState

#: Every queue gives up its member there, one after the other.
_FORGET_S = 300.0


class ForgetNode:
    summary = "take a node that is dead for good out of the cluster"
    parameters = (Parameter(name="node", kind="node", help="The node"),)
    promise = "no connection ends and no publish fails: the node serves nobody"
    undoing = "nothing is put back: warren cluster replace-node makes the node anew"

    def before(self, site: Site, args: Args) -> Facts:
        if site.state_of(args["node"]) is NodeState.RUNNING:
            what = "runs: forgotten, it would go on as a cluster of its own"
            raise RefusedError(args["node"], what, "warren cluster replace-node drains and stops it first")
        return {}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        return (look_without(site, args["node"]), *forgetting(site, args["node"]))

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        return ()


def look_without(site: Site, node: str) -> Step:
    """The gate, for a cluster in which one node is known to be down."""
    what = f"look whether the others serve every queue without {node}"
    return Step(what=what, do=partial(_serves_without, site, node))


def forgetting(site: Site, node: str) -> tuple[Step, ...]:
    """``node`` no member any more; nothing is done where it is none."""
    left = f"{node} may be a member still"
    return (
        Step(
            what=f"{node}: have the others forget it", do=partial(forget, site, node), is_act=True, left=left
        ),
        Step(
            what=f"{node}: look whether nobody knows it any more", do=partial(_unknown, site, node), left=left
        ),
    )


def forget(site: Site, node: str) -> None:
    """Asked of another node that runs; raises NotReadyError when it fails."""
    name = site.topology.node(node).erlang_name
    if name in members(site, node):
        others = [each for each in site.running() if each != node]
        argv = ["rabbitmqctl", "forget_cluster_node", name]
        broker_tools.run(site.runtime, others[0], argv, timeout_s=_FORGET_S)


def members(site: Site, but: str = "") -> set[str]:
    """The Erlang names of the cluster's members, as a node other than ``but`` knows them."""
    others = [each for each in site.running() if each != but]
    if not others:
        raise NotReadyError("cluster", f"no node runs but {but}")
    return {each.name for each in site.management.nodes(node=others[0])}


def _serves_without(site: Site, node: str) -> None:
    """Every node but ``node`` runs, and every queue has a leader and a majority among them."""
    if down := [each for each in site.nodes if each != node and each not in site.running()]:
        raise NotReadyError(
            ", ".join(down), "does not run either", "start it first: warren cluster start-all"
        )
    name = site.topology.node(node).erlang_name
    for queue in site.management.queues():
        online = [each for each in queue.online if each != name]
        if queue.members and (queue.leader in (None, name) or len(online) <= len(queue.members) // 2):
            what = f"has {len(online)} of {len(queue.members)} members online without {node}"
            raise NotReadyError(f"queue {queue.name} in {queue.vhost}", what)


def _unknown(site: Site, node: str) -> None:
    if site.topology.node(node).erlang_name in members(site, node):
        raise NotReadyError(node, "is a member of the cluster still")


OPERATION = ForgetNode()
