"""Every node restarted, one after the other, with the gate between them.

https://www.rabbitmq.com/docs/upgrade#rolling-upgrade
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from warren import maintenance
from warren.errors import NotReadyError
from warren.operating import parts
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.operating.parts import start
from warren.runtime.protocol import NodeState


class Restart:
    summary = "restart all nodes, one after the other, each drained before it is stopped"
    parameters = (
        Parameter(name="node", kind="node", default="", help="Restart this node only"),
        Parameter(
            name="grace",
            kind="choice",
            default="60",
            choices=("60", "300", "1800"),
            help="Seconds from SIGTERM to SIGKILL: a node with much data needs longer",
        ),
    )
    promise = "no confirmed message is lost, no publish of a client that connects anew fails"
    undoing = "revives what is drained and starts what is stopped; restarted nodes stay as they are"

    def before(self, site: Site, args: Args) -> Facts:
        nodes = (args["node"],) if args["node"] else site.nodes
        return {"processes": {node: site.runtime.process_id(node) for node in nodes}}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:
        """A node that runs as another process than before is done. One that was left out of service is put
        back first: the others can only be spared once it is whole."""
        processes = facts["processes"]
        left = [node for node in processes if not _is_done(site, node, processes[node])]
        stopped = [node for node in left if site.state_of(node) is not NodeState.RUNNING]
        found = [step for node in left if node not in stopped for step in parts.if_drained(site, node)]
        if not stopped:
            found.append(parts.look_whole(site))
        for node in (*stopped, *(node for node in left if node not in stopped)):
            named = f"{node} ({list(processes).index(node) + 1} of {len(processes)})"
            found += parts.down(site, node, named, grace_s=float(args["grace"]))
            found.append(parts.starting(site, node, named))
            prove = partial(_prove, site, node, processes[node])
            found.append(Step(what=f"{named}: look whether it is another process", do=prove))
            found.append(parts.wait_whole(site, f"{named}: wait until the cluster is whole"))
        return [*found, parts.spread_leaders(site)]

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        nodes = facts["processes"]
        back = [
            Step(
                what=f"{node}: have it run, and end its maintenance",
                do=partial(_back, site, node),
                is_act=True,
            )
            for node in nodes
        ]
        return [*back, parts.wait_whole(site)]


def _is_done(site: Site, node: str, process: int | None) -> bool:
    return site.state_of(node) is NodeState.RUNNING and site.runtime.process_id(node) != process


def _prove(site: Site, node: str, before: int | None) -> Facts:
    found = site.runtime.process_id(node)
    if found is None or found == before:
        raise NotReadyError(node, "does not run" if found is None else f"still runs as process {found}")
    return {}


def _back(site: Site, node: str) -> None:
    start(site, node)
    maintenance.revive(site.runtime, node)


OPERATION = Restart()
