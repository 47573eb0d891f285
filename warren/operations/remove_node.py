"""Fewer nodes, as the topology says: each drained, its members taken out of the queues, stopped and
forgotten, one after the other, and its container removed. https://www.rabbitmq.com/docs/clustering
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from warren.errors import RefusedError
from warren.operating import parts, resizing
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.operations.replace_node import GROW_S, growing

#: Of two nodes none can be spared, not even to tell the other that it goes.
_LEAST = 3


class RemoveNode:
    summary = "take the nodes that the topology has no more out of the cluster, their data with them"
    parameters = (
        Parameter(name="nodes", kind="names", help="The nodes that are gone from the topology: NODE,NODE"),
    )
    promise = "no confirmed message is lost, no publish of a client that connects anew fails"
    undoing = "has all nodes serve as before, as long as none has gone; those that went are added again"

    def before(self, site: Site, args: Args) -> Facts:
        """Raises RefusedError for nodes that the topology has, and where fewer than three would stay."""
        change = resizing.change(site)
        what = "the cluster has these nodes that the topology has no more:"
        remedy = "take them out of cluster.nodes of the topology first, and name all of them"
        resizing.refuse_other(args["nodes"], change.gone, change.new, what, remedy)
        if len(site.nodes) < _LEAST:
            what = f"would leave {len(site.nodes)}, and the last but one cannot be spared by two"
            raise RefusedError(args["nodes"], what, "make a new cluster, and restore-definitions into it")
        return {"former": list(change.former), "out": [], "shrunk": [], "away": False}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        """The last in the topology goes first."""
        former, out = facts["former"], list(facts["out"])
        gone = [node for node in reversed(resizing.without(former, site.nodes)) if node not in out]
        found: list[Step] = []
        if gone and not facts.get("leaving") and not facts["shrunk"]:
            full = site.among(former)
            back = [step for node in gone for step in parts.if_drained(full, node)]
            found += [*back, parts.look_whole(full), resizing.growing_elsewhere(full, gone)]
            found.append(parts.wait_whole(full, "wait until every member is in step", deadline_s=GROW_S))
        for node in gone:
            here = site.among(resizing.without(former, out))
            found += resizing.leaving(here, node, facts, left=out)
            out.append(node)
            stay = site.among(resizing.without(former, out))
            found.append(parts.wait_whole(stay, f"wait until the cluster is whole without {node}"))
        if not facts["away"]:
            what = f"{', '.join(out)}: remove containers and data, and have the services around forget them"
            found.append(resizing.act(what, partial(site.lay_out, out), {"away": True}))
        return [*found, *resizing.taking_settings(site, site.nodes, facts), parts.spread_leaders(site)]

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        if facts.get("leaving"):
            return ()
        full = site.among(facts["former"])
        gone = resizing.without(facts["former"], site.nodes)
        found: list[Step] = []
        for node in gone:
            found += [parts.starting(full, node, node), parts.reviving(full, node), growing(full, node)]
        whole = parts.wait_whole(full, "wait until every member is in step", deadline_s=GROW_S)
        return [*found, whole, parts.spread_leaders(full)]


OPERATION = RemoveNode()
