"""Whom a fault strikes: resolved at the moment of injection, since roles move between nodes."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from chaos.context import ChaosContext
from chaos.fault import CLUSTER
from warren.errors import BadInputError, NotReadyError
from warren.runtime.protocol import NodeState
from warren.topology import RESERVED_PREFIX

#: What names of profiles are made of: nothing that could end a string of a broker tool's language.
_PLAIN = r"[A-Za-z0-9./_-]+"
#: Those of which there may be several, so that some of them have to be drawn.
_DRAWN = ("follower_of", "attached_to", "any")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Who is meant, in exactly one way: a ``node`` by its name, the node of the leader or of a follower of a
    queue (``vhost`` only where its name is ambiguous), the node that a client is attached to (the beginning
    of a connection's name, or its user), ``any`` node, or ``all``.

    ``count`` of them are drawn by the order's seed where there may be several; alone it means any.
    """

    node: str | None = None
    leader_of: str | None = None
    follower_of: str | None = None
    attached_to: str | None = None
    any: bool = False
    all: bool = False
    count: int | None = None
    vhost: str | None = None

    @property
    def ways(self) -> tuple[str, ...]:
        """In which ways somebody is named."""
        ways = (each.name for each in fields(self) if each.name not in ("count", "vhost"))
        named = tuple(way for way in ways if getattr(self, way) not in (None, False))
        return named or (("any",) if self.count is not None else ())

    @property
    def is_drawn(self) -> bool:
        """Whether it takes a seed to say who is meant."""
        return any(way in _DRAWN for way in self.ways)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A node that is meant now, in what ``role`` it was chosen (None: by its name), and by which queue."""

    node: str
    role: str | None = None
    queue: tuple[str, str] | None = None
    is_leader: bool = False


def resolve(
    context: ChaosContext, target: Target, *, wide: bool = False, seed: int = 0
) -> tuple[Resolved, ...]:
    """The nodes that ``target`` means now; the cluster as a whole for a fault that is ``wide``.

    Raises BadInputError for a node, queue or vhost that the topology does not know, for a target that names
    nobody or in two ways, or more nodes than there are in that role; NotReadyError when the queue has no
    leader, no such client is connected or the broker cannot be asked.
    """
    if wide:
        if target != Target():
            raise BadInputError("target", "this fault strikes the whole cluster", "name no node and no queue")
        return (Resolved(node=CLUSTER),)
    way = _way(context, target)
    if way == "node":
        return (Resolved(node=context.topology.node(str(target.node)).name),)
    if way == "all":
        return tuple(Resolved(node=node, role="one of all nodes") for node in context.nodes)
    if way == "leader_of":
        return (_leader(context, target),)
    found = {"follower_of": _followers, "attached_to": _attached, "any": _any}[way](context, target)
    return _drawn(found, target.count or 1, seed)


def _way(context: ChaosContext, target: Target) -> str:
    """The one way in which ``target`` names somebody; raises BadInputError where that is not one, or where
    ``count`` or ``vhost`` do not go with it."""
    if len(target.ways) != 1:
        what = "name one node, or a role (--leader-of QUEUE, --any …), and not both"
        raise BadInputError("target", what, _example(context))
    (way,) = target.ways
    if target.vhost is not None and way not in ("leader_of", "follower_of"):
        raise BadInputError("target", "--vhost goes with --leader-of and --follower-of")
    if target.count is not None and way not in _DRAWN:
        raise BadInputError("target", "--count goes with --follower-of, --attached-to and --any")
    if target.count is not None and target.count < 1:
        raise BadInputError("--count", f"{target.count} is no number of nodes", "give one above zero")
    return way


def _drawn(found: Sequence[Resolved], count: int, seed: int) -> tuple[Resolved, ...]:
    """``count`` of ``found``, always the same for the same seed and candidates."""
    if count > len(found):
        names = ", ".join(each.node for each in found)
        raise BadInputError("--count", f"{count} nodes are asked for, and in that role are: {names}")
    draw = random.Random(seed)  # noqa: S311 - it is to be repeatable
    return tuple(draw.sample(sorted(found, key=lambda each: each.node), count))


def _leader(context: ChaosContext, target: Target) -> Resolved:
    vhost, queue = _queue(context, str(target.leader_of), target.vhost)
    leader = context.topology.node(context.broker.queue_leader(vhost, queue)).name
    return Resolved(node=leader, role=f"leader of {queue} in {vhost}", queue=(vhost, queue), is_leader=True)


def _followers(context: ChaosContext, target: Target) -> list[Resolved]:
    vhost, queue = _queue(context, str(target.follower_of), target.vhost)
    nodes = context.broker.queue_followers(vhost, queue)
    if not nodes:
        raise NotReadyError(f"queue {queue} in {vhost}", "has no follower online", "make cluster-status")
    role = f"follower of {queue} in {vhost}"
    return [Resolved(node=node, role=role, queue=(vhost, queue)) for node in nodes]


def _attached(context: ChaosContext, target: Target) -> list[Resolved]:
    client = str(target.attached_to)
    nodes = context.broker.client_nodes(client)
    if not nodes:
        raise NotReadyError(
            f"client '{client}'",
            "no connection's name begins so, and no user is called so",
            "see who is connected: warren cluster ctl list_connections name user client_properties",
        )
    return [Resolved(node=node, role=f"node that client '{client}' is attached to") for node in nodes]


def _any(context: ChaosContext, _: Target) -> list[Resolved]:
    states = context.runtime.states()
    nodes = [node for node, state in states.items() if state is NodeState.RUNNING]
    if not nodes:
        raise NotReadyError("cluster", "no node runs", "bring the cluster up: make cluster-up")
    role = f"any of {', '.join(nodes)}"
    return [Resolved(node=node, role=role) for node in nodes]


def _queue(context: ChaosContext, queue: str, vhost: str | None) -> tuple[str, str]:
    """The virtual host and the queue: one of the topology's, or one of a load profile's own."""
    if vhost is None and queue.startswith(f"/{RESERVED_PREFIX}"):
        vhost, _, queue = queue.partition(":")
    if vhost and vhost.removeprefix("/").startswith(RESERVED_PREFIX):
        if not re.fullmatch(_PLAIN, vhost) or not re.fullmatch(_PLAIN, queue):
            raise BadInputError(f"queue {queue!r}", "is no name of a profile's queue")
        return vhost, queue
    if vhost is None and queue.startswith(RESERVED_PREFIX):
        what = "is a load profile's own, in a virtual host that is named after the profile"
        raise BadInputError(f"queue {queue}", what, f"--leader-of /{RESERVED_PREFIX}PROFILE:{queue}")
    found, known = context.topology.find_queue(f"{vhost}:{queue}" if vhost else queue)
    return found.name, known.name


def _example(context: ChaosContext) -> str:
    return f"chaos kill {context.nodes[-1]}, or chaos kill --leader-of {_any_queue(context)}"


def _any_queue(context: ChaosContext) -> str:
    return next((queue.name for vhost in context.topology.vhosts for queue in vhost.queues), "QUEUE")
