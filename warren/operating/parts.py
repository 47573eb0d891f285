"""What many operations are made of: steps, and the acts in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from warren import leaders, maintenance, majority, rolling
from warren.errors import NotReadyError, RefusedError
from warren.operating.model import Facts, Site, Step
from warren.runtime.protocol import NodeState
from warren.wait import until

T = TypeVar("T")

#: For a cluster that should be whole already.
_LOOK_S = 15.0
#: For it to be whole again after one node's restart: the node is back within 10 s, its members follow.
WHOLE_S = 180.0
#: For the leaders of a drained node to be elsewhere: giving them away is done without a look at the outcome.
#: https://www.rabbitmq.com/docs/upgrade#maintenance-mode
_GIVEN_AWAY_S = 30.0


def look_whole(site: Site) -> Step:
    """The first step of what may only be done to a cluster that is whole."""
    return Step(what="look whether the cluster is whole", do=partial(site.whole, _LOOK_S))


def wait_whole(
    site: Site, what: str = "wait until the cluster is whole", deadline_s: float = WHOLE_S
) -> Step:
    """The gate between nodes."""
    left = "what is missing: warren cluster status"
    return Step(what=what, do=partial(site.whole, deadline_s), left=left)


def down(site: Site, node: str, named: str, *, grace_s: float) -> list[Step]:
    """``node`` out of service and stopped, from wherever it is; nothing where it is stopped."""
    return taken_down(site, node, named, grace_s=grace_s) if site.state_of(node) is NodeState.RUNNING else []


def taken_down(site: Site, node: str, named: str, *, grace_s: float) -> list[Step]:
    """``node``, which runs or will when its turn comes, out of service and stopped."""
    return [*drained(site, node, named), stopping(site, node, named, grace_s=grace_s)]


def drained(site: Site, node: str, named: str) -> list[Step]:
    """``node`` under maintenance, once nothing would be lost with it, its leaders seen elsewhere."""
    spare, drain, _ = rolling.down(site.runtime, node, drain=True)
    left = f"{node} may be under maintenance: it serves no client then"
    return [
        Step(what=f"{named}: {spare.what}", do=spare.do),
        Step(what=f"{named}: look whether it is quorum critical", do=partial(refuse_lost, site, node)),
        Step(what=f"{named}: {drain.what}", do=drain.do, is_act=True, left=left),
        Step(what=f"{named}: wait until it leads no queue", do=partial(leads_none, site, node), left=left),
    ]


def if_drained(site: Site, node: str) -> list[Step]:
    """The end of a maintenance that an earlier attempt has left; nothing where there is none."""
    if not maintenance.is_left_out(site.runtime, node):
        return []
    return [reviving(site, node)]


def reviving(site: Site, node: str) -> Step:
    """``node`` in service again."""
    revive = partial(maintenance.revive, site.runtime, node)
    left = f"{node} may be under maintenance"
    return Step(what=f"{node}: reviving it", do=revive, is_act=True, left=left)


def stopping(site: Site, node: str, named: str, *, grace_s: float) -> Step:
    *_, stop = rolling.down(site.runtime, node, drain=False, grace_s=grace_s)
    return Step(what=f"{named}: {stop.what}", do=stop.do, is_act=True, left=f"{node} may be down")


def starting(site: Site, node: str, named: str) -> Step:
    return Step(
        what=f"{named}: starting it", do=partial(start, site, node), is_act=True, left=f"{node} may be down"
    )


def spread_leaders(site: Site) -> Step:
    """The last step of what has moved leaders about."""
    left = "the cluster is whole, its leaders are not spread evenly"
    return Step(
        what="spread the queues' leaders over the nodes",
        do=partial(even_out, site),
        is_act=True,
        left=left,
    )


def even_out(site: Site) -> Facts:
    names = list(site.topology.by_erlang_name)
    return {"leaders": str(leaders.even_out(site.management, names, clock=site.clock))}


def refuse_lost(site: Site, node: str) -> None:
    """Raise RefusedError where a queue or the metadata store would lose its majority with ``node``. To be
    asked before a drain: a drained node passes it vacuously."""
    if lost := majority.lost_with(site.management, node, clock=site.clock):
        what = f"without this node there would be no majority of {lost} (quorum critical)"
        raise RefusedError(node, what, "bring back what is missing: warren cluster status")


def leads_none(site: Site, node: str) -> None:
    """Wait until ``node`` leads no queue of several members; raises DeadlineError naming one that it does."""
    name = site.topology.node(node).erlang_name

    def none() -> None:
        led = [each for each in site.management.queues() if each.leader == name and len(each.members) > 1]
        if led:
            raise NotReadyError(node, f"still leads {led[0].name} in {led[0].vhost} and {len(led) - 1} more")

    until(none, what=f"{node} to lead no queue", deadline_s=_GIVEN_AWAY_S, clock=site.clock)


def start(site: Site, node: str) -> None:
    """Start ``node`` if it does not run; raises NotReadyError when it does not run afterwards."""
    site.runtime.start(node)
    if (state := site.state_of(node)) is not NodeState.RUNNING:
        raise NotReadyError(node, f"was started and is {state.value}", f"warren cluster logs {node}")


def at_once(act: Callable[[str], T], nodes: Iterable[str]) -> dict[str, T]:
    """What ``act`` returns for each node, all at the same time; raises the first error when all are done."""
    named = list(nodes)
    with ThreadPoolExecutor(max(1, len(named))) as pool:
        futures = {node: pool.submit(act, node) for node in named}
    return {node: future.result() for node, future in futures.items()}
