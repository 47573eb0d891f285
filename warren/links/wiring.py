"""Wires links to the two clusters that they join: who is asked, and over which queues a link is proven."""

from __future__ import annotations

import secrets as random
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from warren import management_facts as facts
from warren import routing
from warren.context import Context, open_context
from warren.errors import BadInputError, DeadlineError, NotReadyError, RefusedError
from warren.links import addresses, status
from warren.links.proving import Ends, Order, Proof
from warren.links.status import LinkStatus
from warren.management import QueueInfo
from warren.queues import work
from warren.queues.wire import AmqpHands
from warren.topology_link_checks import FEDERATION_PREFIX, place_of
from warren.topology_links import End, Federation, Shovel
from warren.wait import Clock, until

#: More than two of the broker's intervals of statistics.
_SETTLE_S = 12.0


def statuses(context: Context) -> tuple[LinkStatus, ...]:
    """The state of every link of the topology. Raises NotReadyError when no node answers."""
    topology = context.topology
    if not topology.links:
        return ()
    told = status.ask(context.management, topology)
    routes = addresses.routes(topology.links)
    lost: Sequence[str] = ()
    if routes and context.inventory is None:
        try:
            lost = context.runtime.lost_networks(routes)
        except NotReadyError:  # whoever may ask the broker need not be allowed to ask the engine
            lost = ()
    return status.judge(topology, told, unreached=lost)


def far_context(context: Context, link: Shovel | Federation) -> Context:
    """The other cluster of ``link``. Raises RefusedError where no topology describes it."""
    remote = context.topology.links.remote(link.remote)
    if remote.far is None:
        what = "is described by no topology: nobody here may publish or consume there"
        remedy = "give links.remotes its topology, or prove the link with clients of your own"
        raise RefusedError(f"remote {remote.name}", what, remedy)
    path = context.topology_path.with_name(remote.topology)
    return open_context(context.say, topology_path=path, env={"WARREN_STATE": str(context.state.root.parent)})


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One queue of one of the two clusters; connections are the operator's."""

    context: Context
    vhost: str
    queue: str

    def hands(self) -> AbstractContextManager[AmqpHands]:
        row = {"vhost": self.vhost, "name": self.queue, "type": "quorum"}
        return work.Desk(context=self.context, info=facts.queue(row)).hands()

    def info(self) -> QueueInfo:
        return self.context.management.queue(self.vhost, self.queue)


def proof(context: Context, name: str, *, rate: float, duration_s: float, drain_s: float, key: str) -> Proof:
    """A proof of the link called ``name``, ready to run. ``key`` is published with where an exchange is.

    Raises BadInputError for a link that is not there or a key that leads nowhere, RefusedError where somebody
    else uses one of the queues or nodes are services of hosts, NotReadyError when a cluster does not answer.
    """
    context.refuse_hosts()
    link = context.topology.links.link(name)
    far = far_context(context, link)
    found = _ends(context, far, link, key)
    _refuse_busy(found, link, context.clock)

    def look() -> LinkStatus:
        told = status.judge(context.topology, status.ask(context.management, context.topology))
        return next(each for each in told if each.name == name)

    order = Order(
        run=random.token_hex(6),
        rate=rate,
        duration_s=duration_s,
        drain_s=drain_s,
        settle_s=2.0 * link.reconnect_delay_s + 2.0,
    )
    return Proof(ends=found, order=order, look=look, say=context.say, clock=context.clock)


def _ends(context: Context, far: Context, link: Shovel | Federation, key: str) -> Ends:
    at_source = far if link.source.remote else context
    at_target = far if link.target.remote else context
    vhosts = {end: place_of(end, context.topology) for end in (link.source, link.target)}
    here, there = vhosts[link.source], vhosts[link.target]
    assert here is not None and there is not None  # noqa: S101, PT018 - the topology was checked
    exchange = link.source.exchange
    key = link.source.queue or key
    beside = sorted(routing.route(here, exchange, key)) if exchange else []
    arrive = (link.target.routing_key if isinstance(link, Shovel) else "") or key
    queues = _reached(link.target, sorted(routing.route(there, link.target.exchange, arrive)))
    source = Desk(context=at_source, vhost=here.name, queue=link.source.queue)

    def waiting() -> int:
        names = [link.source.queue] if link.source.queue else [_upstream_queue(context, link, here.name)]
        queue = at_source.management.queue(here.name, names[0])
        return (queue.messages_ready or 0) + (queue.messages_unacked or 0)

    return Ends(
        source=source,
        exchange=exchange,
        key=key,
        targets=[Desk(context=at_target, vhost=there.name, queue=each) for each in queues],
        beside=[Desk(context=at_source, vhost=here.name, queue=each) for each in beside],
        waiting=waiting,
    )


def _reached(target: End, routed: Sequence[str]) -> Sequence[str]:
    if target.queue:
        return [target.queue]
    if not routed:
        what = f"what is published with this key reaches no queue behind {target.words}"
        raise BadInputError("--key", what, "give a routing key that one of its bindings takes")
    return routed


def _upstream_queue(context: Context, link: Shovel | Federation, vhost: str) -> str:
    """What federation calls its queue at the upstream (``upstream_queue_name`` in
    rabbit_federation_exchange_link.erl)."""
    ours, theirs = (link.vhost, link.target.name), (vhost, link.source.name)
    part = f":{ours[0]}:{ours[1]}" if ours[0] != theirs[0] else "" if ours[1] == theirs[1] else f":{ours[1]}"
    return f"{FEDERATION_PREFIX}{link.source.name} -> {context.topology.cluster}{part}"


def _refuse_busy(ends: Ends, link: Shovel | Federation, clock: Clock) -> None:
    """Raise RefusedError where others would get our messages, or we theirs. What the broker says of a queue
    may be some seconds old, so that it is asked again before it is believed."""

    def unused() -> None:
        if reasons := _used(ends, link):
            raise NotReadyError(f"link {link.name}", "".join(f"\n    {reason}" for reason in reasons))

    try:
        until(unused, what="its queues to be unused", deadline_s=_SETTLE_S, every_s=1.0, clock=clock)
    except DeadlineError:
        reasons = "".join(f"\n    {reason}" for reason in _used(ends, link))
        raise RefusedError(
            f"link {link.name}",
            f"is in use, and its messages would mix with those of the proof:{reasons}",
            "stop who uses these queues and empty them, then try again",
        ) from None


def _used(ends: Ends, link: Shovel | Federation) -> list[str]:
    """Queues that hold messages, and those with consumers other than the link itself."""
    found: list[str] = []
    own = [ends.source] if link.source.queue else []
    for desk in (*ends.targets, *ends.beside, *own):
        assert isinstance(desk, Desk)  # noqa: S101 - `_ends` made them
        info = desk.info()
        where = f"queue {desk.queue} in {desk.vhost} of {desk.context.topology.cluster}"
        if info.messages:
            found.append(f"{where}: holds {info.messages} messages")
        if info.consumers and desk not in own:
            found.append(f"{where}: has {info.consumers} consumers")
    return found
