"""More nodes, or fewer: what the topology says now against what the cluster is made of, and what both ways
share. The topology is changed first, by its owner; the operation brings the cluster there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from warren import broker_tools, rolling
from warren.errors import RefusedError
from warren.gate import least_members
from warren.management_facts import QueueInfo
from warren.operating import parts
from warren.operating.model import Facts, Site, Step
from warren.operations.forget_node import forgetting, look_without
from warren.operations.replace_node import GROW_S
from warren.operations.upgrade import rolling_anew
from warren.runtime.protocol import NodeState

_ONE_AT_A_TIME = "one change at a time: put the others back in the topology, and change them afterwards"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Of nodes, by their names: which there were, which the topology has and the cluster has not, and which
    the cluster has and the topology has not."""

    former: tuple[str, ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]


def change(site: Site) -> Change:
    """What the topology says now against what the cluster was last made of."""
    former = site.laid_out()
    return Change(
        former=former,
        new=tuple(node for node in site.nodes if node not in former),
        gone=tuple(node for node in former if node not in site.nodes),
    )


def refuse_other(named: str, meant: Sequence[str], others: Sequence[str], what: str, remedy: str) -> None:
    """Raise RefusedError unless ``named`` are just the nodes that are ``meant`` and there are no ``others``,
    which are for the other way."""
    if sorted(named.split(",")) != sorted(meant):
        raise RefusedError(named, f"{what} {', '.join(meant) or 'none'}", remedy)
    if others:
        what = f"both more and fewer nodes are asked for: {', '.join(others)} too"
        raise RefusedError("the topology", what, _ONE_AT_A_TIME)


def growing_where_asked(site: Site, node: str) -> Step:
    """A member on ``node`` of each queue of the topology that asks for more than it has."""
    return Step(
        what=f"{node}: give it a member of every queue whose group is to grow",
        do=partial(_grow, site, node),
        is_act=True,
        left=f"{node} serves, and some queues have fewer members than they should",
    )


def _grow(site: Site, node: str) -> Facts:
    """One call of the broker's tool for each virtual host; a queue that has a member there is passed over."""
    found = {(each.vhost, each.name): each for each in site.management.queues()}
    grown = 0
    for vhost in site.topology.vhosts:
        names = [
            queue.name
            for queue in vhost.queues
            if _is_short(site, found.get((vhost.name, queue.name)), least_members(queue, len(site.nodes)))
        ]
        if names:
            patterns = (f"^{re.escape(vhost.name)}$", f"^({'|'.join(re.escape(each) for each in names)})$")
            argv = ["rabbitmq-queues", "grow", site.topology.node(node).erlang_name, "all"]
            argv += ["--vhost-pattern", patterns[0], "--queue-pattern", patterns[1]]
            broker_tools.run(site.runtime, node, argv, timeout_s=GROW_S)
            grown += len(names)
    return {f"grown onto {node}": grown}


def _is_short(site: Site, queue: QueueInfo | None, wanted: int) -> bool:
    return queue is not None and queue.type == "quorum" and len(queue.members) < min(wanted, len(site.nodes))


def growing_elsewhere(site: Site, gone: Sequence[str]) -> Step:
    """No queue has fewer members for the nodes that are ``gone``, but where there are fewer nodes."""
    return Step(
        what=f"give queues that would have too few members without {', '.join(gone)} others instead",
        do=partial(_grow_elsewhere, site, gone),
        is_act=True,
        left="the cluster is whole, and some queues have more members than before",
    )


def _grow_elsewhere(site: Site, gone: Sequence[str]) -> Facts:
    names = site.topology.by_erlang_name
    rest = [name for name, node in names.items() if node not in gone]
    spread = Counter(dict.fromkeys(rest, 0))
    queues = [queue for queue in site.management.queues() if queue.type == "quorum"]
    for queue in queues:
        spread.update(each for each in queue.members if each in rest)
    added = 0
    for queue in queues:
        stays = [each for each in queue.members if each in rest]
        free = sorted((each for each in rest if each not in stays), key=lambda each: spread[each])
        for name in free[: min(len(queue.members), len(rest)) - len(stays)]:
            argv = ["rabbitmq-queues", "add_member", "--vhost", queue.vhost, queue.name, name]
            broker_tools.run(site.runtime, names[name], argv, timeout_s=GROW_S)
            spread[name] += 1
            added += 1
    return {"members_moved": added}


def leaving(site: Site, node: str, facts: Facts, *, left: Sequence[str], whole: bool = True) -> list[Step]:
    """``node`` out of the cluster whose nodes ``site`` has: drained, without a member of any queue, stopped,
    forgotten. ``left`` are those that have gone before it. The cluster must be ``whole`` to begin with, but
    for a node that was never needed; once it is noted as shrunk it cannot be, with it."""
    found: list[Step] = []
    shrunk = facts.get("shrunk", [])
    if site.state_of(node) is NodeState.RUNNING:
        if node not in shrunk:
            found += [*parts.if_drained(site, node), parts.look_whole(site)] if whole else []
            found += parts.drained(site, node, node)
            what = f"{node}: note that its members go"  # before they do: queues look short from then on
            found.append(act(what, _nothing, {"shrunk": [*shrunk, node]}))
        found.append(_shrinking(site, node))
        found.append(act(f"{node}: it goes for good from here on", _nothing, {"leaving": True}))
        found.append(parts.stopping(site, node, node, grace_s=rolling.GRACE_S))
    forget, look = forgetting(site, node)
    return [*found, look_without(site, node), forget, _noting(look, {"out": [*left, node]})]


def _shrinking(site: Site, node: str) -> Step:
    """A queue that has no member there is passed over."""
    argv = ["rabbitmq-queues", "shrink", site.topology.node(node).erlang_name, "--errors-only"]

    def shrink() -> None:
        broker_tools.run(site.runtime, node, argv, timeout_s=GROW_S)

    what, left = f"{node}: take its members out of every queue", f"{node} is under maintenance"
    return Step(what=what, do=shrink, is_act=True, left=left)


def _noting(step: Step, facts: Facts) -> Step:
    """``step``, with what is known once it is done."""

    def do() -> Facts:
        return {**(step.do() or {}), **facts}

    return replace(step, do=do)


def act(what: str, do: Callable[[], None], facts: Facts, left: str = "") -> Step:
    """An act, with what is known once it is done."""
    return _noting(Step(what=what, do=do, is_act=True, left=left), facts)


def taking_settings(
    site: Site, nodes: Sequence[str], facts: Facts, *, started: Sequence[str] = ()
) -> list[Step]:
    """``nodes`` made anew with the settings of the topology: each names all others. They ran before, or steps
    before these have ``started`` them."""
    begin = act("have the others take the new settings from here on", _nothing, {"settings": True})
    return [begin, *rolling_anew(site, nodes, facts, started=started)]


def _nothing() -> None:
    """What is noted is all."""


def without(nodes: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    return tuple(node for node in nodes if node not in others)
