"""More nodes, as the topology says: made, joined, given members of the queues, and known to all others.

https://www.rabbitmq.com/docs/clustering, https://www.rabbitmq.com/docs/quorum-queues#replica-management
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from warren import rolling
from warren.errors import RefusedError
from warren.operating import parts, resizing
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.operations.forget_node import members
from warren.operations.replace_node import GROW_S, joining
from warren.runtime.protocol import NodeState


class AddNode:
    summary = "have the nodes that the topology has and the cluster has not, and give them members of queues"
    parameters = (
        Parameter(name="nodes", kind="nodes", help="The nodes that are new in the topology: NODE,NODE"),
    )
    promise = "no confirmed message is lost, no publish of a client that connects anew fails"
    undoing = "takes the new nodes out again, as long as no other has taken the new settings"

    def before(self, site: Site, args: Args) -> Facts:
        """Raises RefusedError for nodes that are not new, or do not stand behind those there are: published
        ports follow from a node's place."""
        change = resizing.change(site)
        what = "the topology has these nodes that the cluster has not:"
        remedy = "add them to cluster.nodes of the topology first, and name all of them"
        resizing.refuse_other(args["nodes"], change.new, change.gone, what, remedy)
        if site.nodes[: len(change.former)] != change.former:
            what = f"must stand behind {', '.join(change.former)}: a node's ports follow from its place"
            raise RefusedError(args["nodes"], what, "put them last in cluster.nodes")
        return {"former": list(change.former), "laid_out": [], "settings": False}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:
        """All but the last of the new ones were made when there were fewer, and take the settings too."""
        joined = [] if facts["settings"] else self._joined(site, args, facts)
        started = () if facts["settings"] else _new(args)[:-1]
        older = (*facts["former"], *_new(args)[:-1])
        settings = resizing.taking_settings(site, older, facts, started=started)
        return [*joined, *settings, parts.spread_leaders(site)]

    def _joined(self, site: Site, args: Args, facts: Facts) -> list[Step]:
        """One after the other, each told of as many nodes as there are with it. A node that joins while there
        are fewer than `cluster_formation.target_cluster_size_hint` applies the definitions of the first boot,
        changed or not (RabbitMQ 4.3.6; docs/surprises.md): where an older release formed the cluster and did
        not put them away, passwords that were rotated since would be back.
        """
        new = _new(args)
        found: list[Step] = []
        for place, node in enumerate(new, start=1):
            here = site.among((*facts["former"], *new[:place]))
            if node not in facts["laid_out"]:
                found += self._laid_out(site, here, new[:place], facts)
            found += [parts.starting(here, node, node), joining(here, node)]
        found += [resizing.growing_where_asked(site, node) for node in new]
        whole = parts.wait_whole(site, "wait until every member is in step", deadline_s=GROW_S)
        return [*found, whole]

    def _laid_out(self, site: Site, here: Site, new: Sequence[str], facts: Facts) -> list[Step]:
        what = f"{new[-1]}: make certificates and a container, and have the services around know it"
        left = "the nodes that were there are as they were; containers of new ones may be there, stopped"
        made = resizing.act(what, partial(here.lay_out, ()), {"laid_out": list(new)}, left)
        return [made] if new[:-1] else [parts.look_whole(site.among(facts["former"])), made]

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:
        if facts["settings"]:
            return ()
        found: list[Step] = []
        new, former = _new(args), facts["former"]
        out: list[str] = []
        for node in reversed(new):
            here = site.among(resizing.without(site.nodes, out))
            found += self._out(here, node, out, facts)
            out.append(node)
        small = site.among(former)
        away = resizing.act(
            f"{args['nodes']}: remove their containers, and have the services around forget them",
            partial(small.lay_out, new),
            {"laid_out": []},
        )
        return [*found, away, parts.wait_whole(small), parts.spread_leaders(small)]

    def _out(self, here: Site, node: str, out: Sequence[str], facts: Facts) -> list[Step]:
        """One that has joined leaves as any other; one that has not is stopped."""
        if here.topology.node(node).erlang_name in members(here, node):
            return resizing.leaving(here, node, facts, left=out, whole=False)
        if here.state_of(node) is NodeState.RUNNING:
            return [parts.stopping(here, node, node, grace_s=rolling.GRACE_S)]
        return []


def _new(args: Args) -> list[str]:
    return args["nodes"].split(",")


OPERATION = AddNode()
