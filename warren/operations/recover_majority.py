"""A cluster that has lost most of its nodes for good, made to serve again from the one node that is left.

Without a majority neither the metadata store nor a queue confirms anything, and only force helps: each Raft
member on the node that is left is told that it is the only one there is. The metadata store first, since what
a queue's members are is written in it, then the streams' coordinator, then the queues.
https://www.rabbitmq.com/docs/clustering, https://github.com/rabbitmq/rabbitmq-server/pull/8322, and the
broker's own test of it: ``force_standalone_boot_and_restart_with_quorum_queues``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from warren import broker_tools, rolling
from warren.errors import NotReadyError, RefusedError
from warren.operating import forcing, parts
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.operations.replace_node import GROW_S, growing, joining
from warren.runtime.protocol import NodeState
from warren.wait import until

#: A node that can serve does so within this of its start; three starts of a slow machine.
_TRY_S = 120.0
#: For a node that waited for others: it looks for a leader of the metadata store every 30 s.
_BOOT_S = 120.0
_LEADERS_S = 60.0
_WARNING = (
    "what a queue confirmed may be lost: a confirm means that most of its members have the message, and the "
    "one that is left need not be among them; what was acknowledged may come again; exclusive queues are "
    "gone, and the classic queues of the nodes given up are empty"
)


class RecoverMajority:
    summary = "have the one node that is left serve, where most nodes are lost for good; loses messages"
    parameters = (
        Parameter(name="node", kind="node", help="The node that is left, whose data are kept"),
        Parameter(
            name="lost",
            kind="nodes",
            default="",
            help="The nodes that are given up with their data, which are all others: NODE,NODE",
        ),
    )
    promise = f"nobody is served until the node serves alone; {_WARNING}"
    undoing = "stops again what was tried, unless it made a majority; what was forced cannot be undone"

    def before(self, site: Site, args: Args) -> Facts:
        """A majority that can be had is not given up, nor is a node that was not named."""
        node, others = args["node"], [each for each in site.nodes if each != args["node"]]
        if not others:
            raise RefusedError(node, "is the only node: it has its majority, or nothing has", "a backup")
        if sorted(_named(args)) != sorted(others):
            remedy = f"if they are lost for good: --lost {','.join(others)}"
            raise RefusedError("--lost", f"must name every node but {node}; {_WARNING}", remedy)
        for other in others:
            if (state := site.state_of(other)) in (NodeState.RUNNING, NodeState.PAUSED):
                what = f"is {state.value}, and only one node's data can be kept"
                remedy = "warren cluster status; stop it yourself if it has less than the other"
                raise RefusedError(other, what, remedy)
        return {"tried": False, "forced": False, "serves": False, "emptied": []}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:
        node, lost = args["node"], _named(args)
        found: list[Step] = []
        if not facts["tried"]:
            found += _trying(site, node, lost)
        if not facts["serves"]:
            found += _forcing(site, node)
        emptied = facts["emptied"]
        found += [step for each in lost if each not in emptied for step in _emptying(site, each, lost)]
        for each in lost:
            found += [parts.starting(site, each, each), joining(site, each), growing(site, each)]
        whole = parts.wait_whole(site, "wait until every member is in step", deadline_s=GROW_S)
        return [*found, whole, parts.spread_leaders(site)]

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:
        if facts["forced"]:
            return ()
        named, stop = _named(args), partial(_leave, site, args["node"], _named(args))
        return (Step(what=f"{', '.join(named)}: stop what makes no majority", do=stop, is_act=True),)


def _named(args: Args) -> list[str]:
    return [each for each in args["lost"].split(",") if each]


def _trying(site: Site, node: str, lost: Sequence[str]) -> list[Step]:
    """Who gives up a majority that would have come back loses messages for nothing. A node without data is
    not tried: it would vote for whoever asks, and make a majority that has not what was confirmed."""
    named, left = ", ".join(lost), "nothing was forced"
    begin, end = partial(_try, site, node, lost), partial(_stop, site, lost)
    return [
        Step(
            what=f"{named}: start those that have data, to see whether they serve",
            do=begin,
            is_act=True,
            left=left,
        ),
        Step(
            what=f"look for {_TRY_S:g} s whether a majority comes back",
            do=partial(_none_comes, site, node, lost),
            left=left,
        ),
        Step(
            what=f"{named}: stop what did start, so that none comes back in between",
            do=end,
            is_act=True,
            left=left,
        ),
    ]


def _try(site: Site, node: str, lost: Sequence[str]) -> Facts:
    """What each said that did not start."""
    parts.start(site, node)
    found = {}
    for each in lost:
        if not site.keeps_data(each):
            found[each] = "has no data"
            continue
        try:
            parts.start(site, each)
        except NotReadyError as error:
            found[each] = error.what
    return {"did_not_start": found}


def _none_comes(site: Site, node: str, lost: Sequence[str]) -> None:
    """Raises RefusedError as soon as the metadata store has a majority: nothing is to be given up then."""
    if not any(site.state_of(each) is NodeState.RUNNING for each in lost):
        return
    end_s = site.clock.now() + _TRY_S
    while site.clock.now() < end_s:
        if forcing.has_majority(site, node):
            what = "a majority of the nodes is back, and has all that was confirmed"
            raise RefusedError("cluster", what, "undo this, and replace what stays away: replace-node NODE")
        site.clock.sleep(5.0)


def _leave(site: Site, node: str, lost: Sequence[str]) -> None:
    if not forcing.has_majority(site, node):
        _stop(site, lost)


def _stop(site: Site, lost: Sequence[str]) -> Facts:
    for each in lost:
        if site.state_of(each) not in (NodeState.STOPPED, NodeState.ABSENT):
            site.runtime.stop(each, grace_s=rolling.GRACE_S)
    return {"tried": True}


def _forcing(site: Site, node: str) -> list[Step]:
    left = f"{node} may be the only member of some queues and not of others: go on"
    named = [
        (f"{node}: make it the only member of the metadata store", _force_store),
        (f"{node}: make it the only member of the streams' coordinator", _force_coordinator),
        (f"{node}: make it the only member of every quorum queue that it has one of", _force_queues),
        ("delete the queues that it has no member of (warren topology apply makes them anew)", _give_up),
    ]
    force, *rest = [Step(what=w, do=partial(do, site, node), is_act=True, left=left) for w, do in named]
    boot = Step(what=f"{node}: wait until it has booted", do=partial(_booted, site, node), left=left)
    look = Step(
        what=f"look whether {node} serves every queue alone",
        do=partial(_serves_alone, site, node),
        left=left,
    )
    begin = Step(
        what=f"{node}: have it run; from here on there is no way back",
        do=partial(_begin, site, node),
        is_act=True,
        left=left,
    )
    return [begin, force, boot, *rest, look]


def _begin(site: Site, node: str) -> Facts:
    """Noted before anything is forced: who dies while he forces has to know it afterwards."""
    parts.start(site, node)
    return {"forced": True}


def _force_store(site: Site, node: str) -> None:
    forcing.store(site, node, deadline_s=_BOOT_S)


def _booted(site: Site, node: str) -> None:
    argv = ["rabbitmqctl", "await_startup", "--timeout", f"{_BOOT_S:.0f}"]
    broker_tools.run(site.runtime, node, argv, timeout_s=_BOOT_S + broker_tools.TOOL_S)


def _force_coordinator(site: Site, node: str) -> None:
    forcing.coordinator(site, node)


def _force_queues(site: Site, node: str) -> Facts:
    return {"queues_kept": forcing.queues(site, node)}


def _give_up(site: Site, node: str) -> Facts:
    found = forcing.queues_elsewhere(site, node)
    for vhost, queue in found:
        site.management.delete("queues", vhost, queue)
    return {"queues_given_up": [f"{vhost} {queue}" for vhost, queue in found]}


def _serves_alone(site: Site, node: str) -> Facts:
    name = site.topology.node(node).erlang_name

    def alone() -> None:
        for queue in site.management.queues():
            if queue.type == "quorum" and (queue.leader != name or set(queue.members) != {name}):
                what = f"is led by {queue.leader}, its members are {', '.join(queue.members)}"
                raise NotReadyError(f"queue {queue.name} in {queue.vhost}", what)

    until(alone, what=f"{node} to lead every queue", deadline_s=_LEADERS_S, clock=site.clock)
    return {"serves": True}


def _emptying(site: Site, node: str, lost: Sequence[str]) -> list[Step]:
    left = f"the node that is left serves alone; go on once {', '.join(lost)} can be made anew"
    empty = partial(_empty, site, node, lost)
    return [Step(what=f"{node}: empty its data folder", do=empty, is_act=True, left=left)]


def _empty(site: Site, node: str, lost: Sequence[str]) -> Facts:
    """Emptied in their order, so that the last says of all before it that they are."""
    if site.state_of(node) is NodeState.RUNNING:
        raise NotReadyError(node, "runs: its data are in use")
    if site.state_of(node) is NodeState.ABSENT:
        site.make_anew(node)
    site.empty_data(node)
    return {"emptied": list(lost[: lost.index(node) + 1])}


OPERATION = RecoverMajority()
