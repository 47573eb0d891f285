"""Every node stopped, all at once: so no queue elects leaders among the nodes that are left, one after the
other. https://www.rabbitmq.com/docs/clustering#restarting
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from warren import rolling
from warren.errors import NotReadyError
from warren.operating import parts
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.runtime.protocol import NodeState


class StopAll:
    summary = "stop all nodes at once; messages are kept"
    parameters: tuple[Parameter, ...] = ()
    promise = "nobody is served until start-all; no confirmed message is lost"
    undoing = "starts all nodes"

    def before(self, site: Site, args: Args) -> Facts:  # noqa: ARG002
        return {"running": [node for node in site.nodes if site.state_of(node) is NodeState.RUNNING]}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        running = [node for node in site.nodes if site.state_of(node) is NodeState.RUNNING]
        return stopping(site, running) if running else ()

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        return starting(site, facts["running"])


def stopping(site: Site, nodes: Sequence[str]) -> tuple[Step, ...]:
    """``nodes`` stopped, all at once."""
    named = ", ".join(nodes)
    stop = partial(_stop, site, nodes)
    return (
        Step(what=f"{named}: stopping them all at once", do=stop, is_act=True, left="some nodes may be down"),
        Step(what="look whether every node is down", do=partial(_all_down, site)),
    )


def starting(site: Site, nodes: Sequence[str]) -> tuple[Step, ...]:
    """``nodes`` started, all at once, and the whole cluster waited for."""
    start = partial(_start, site, nodes)
    return (
        Step(
            what=f"{', '.join(nodes)}: starting them all at once",
            do=start,
            is_act=True,
            left="some nodes may be down",
        ),
        # A node waits so long for a leader of the metadata store: `khepri_leader_wait_retry_timeout`.
        parts.wait_whole(site, deadline_s=300.0),
        parts.spread_leaders(site),
    )


def _stop(site: Site, nodes: Sequence[str]) -> None:
    parts.at_once(lambda node: site.runtime.stop(node, grace_s=rolling.GRACE_S), nodes)


def _start(site: Site, nodes: Sequence[str]) -> None:
    parts.at_once(lambda node: parts.start(site, node), nodes)


def _all_down(site: Site) -> None:
    if up := [node for node in site.nodes if site.state_of(node) is NodeState.RUNNING]:
        raise NotReadyError(", ".join(up), "still runs")


OPERATION = StopAll()
