"""What must hold of links to other clusters: each check yields (key path, reason, remedy).

What a remote has is checked where its own topology is named. Of the broker's behaviour, as read in
rabbit_amqp091_shovel.erl and rabbit_federation_exchange_link.erl of 4.3.6: a shovel publishes without the
mandatory flag, so what no queue takes is confirmed, acked at its source and gone; a stream that it reads is
begun anew with each connection; and a connection that ends counts as a failed delivery of all it held.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from warren import bounded, routing, topology_link_loops
from warren.topology import Permission, Queue, Topology, Vhost
from warren.topology_links import End, Federation, Links, Remote, Shovel
from warren.topology_queues import those_known
from warren.topology_settings import compile_fault

Fault = tuple[str, str, str]

#: What the broker calls the default exchange where rights are asked for: https://www.rabbitmq.com/docs/access-control
DEFAULT_EXCHANGE_RIGHT = "amq.default"
#: Begins the names of what federation makes for itself at the upstream (rabbit_federation_exchange_link.erl).
FEDERATION_PREFIX = "federation: "
#: Begins the name of the policy that makes an exchange or queue a federated one.
POLICY_PREFIX = "link-"
#: A host of the cluster's network through which it reaches others on the same machine.
RELAY = "links"


def faults(topology: Topology) -> Iterator[Fault]:
    """Every fault of ``topology.links``, in the order of the file."""
    links = topology.links
    yield from _names(links, {user.name for user in topology.users})
    for remote in links.remotes:
        yield from _remote(f"links.remotes[{remote.name}]", remote, topology)
    for shovel in links.shovels:
        path = f"links.shovels[{shovel.name}]"
        sound = list(_ends(path, shovel, topology))
        yield from sound
        if not sound:
            yield from _shovel(path, shovel, topology)
    for link in links.federations:
        path = f"links.federation[{link.name}]"
        sound = list(_ends(path, link, topology))
        yield from sound
        if not sound:
            yield from _federation(path, link, topology)
    yield from _federated_twice(links)
    if any(each.in_containers for each in links.remotes) and RELAY in {node.name for node in topology.nodes}:
        what = f"'{RELAY}' is taken: that is how nodes reach other clusters on this machine"
        yield f"cluster.nodes[{RELAY}]", what, "choose another name, like rmq1"
    yield from topology_link_loops.faults(topology)


def _federated_twice(links: Links) -> Iterator[Fault]:
    """Each is federated by a policy of its own, and of those that match a thing the broker heeds one."""
    for target, count in Counter(each.target for each in links.federations).items():
        if count > 1:
            last = [each for each in links.federations if each.target == target][-1]
            what = f"{target.words} is federated {count} times, and the broker would heed one of them"
            yield f"links.federation[{last.name}].to", what, "give each its own, and bind them together"


def _names(links: Links, users: set[str]) -> Iterator[Fault]:
    for name, count in Counter(each.name for each in links.remotes).items():
        if count > 1:
            yield f"links.remotes[{name}]", f"remote '{name}' is given {count} times", "keep one of them"
    for name, count in Counter(each.name for each in links.all).items():
        if count > 1:
            yield f"links[{name}]", f"link '{name}' is given {count} times", "give each its own name"
    used = {each.remote for each in links.all}
    for remote in links.remotes:
        path = f"links.remotes[{remote.name}]"
        if remote.name not in used:
            yield path, "no link goes there, and nodes would be given its password", "drop it, or link to it"
        if remote.password_file and remote.password_file in users:
            yield path, f"'{remote.password_file}' is the password of a user here", "name another file"


def _remote(path: str, remote: Remote, topology: Topology) -> Iterator[Fault]:
    far = remote.far
    if far is None:
        return
    if far.cluster == topology.cluster:
        yield f"{path}.topology", f"describes '{far.cluster}' too, which is this cluster", "name another one"
        return
    vhost = next((each for each in far.vhosts if each.name == remote.vhost), None)
    if vhost is None:
        known = those_known(each.name for each in far.vhosts)
        yield f"{path}.vhost", f"{remote.topology} has no vhost '{remote.vhost}'", known
    if remote.user not in {user.name for user in far.users}:
        known = those_known(user.name for user in far.users)
        yield f"{path}.user", f"{remote.topology} has no user '{remote.user}'", known
    elif vhost is not None and right(vhost, remote.user) is None:
        what = f"'{remote.user}' may not enter {remote.vhost}"
        yield f"{path}.user", what, f"add {{user: {remote.user}, …}} to its permissions in {remote.topology}"


def right(vhost: Vhost, user: str) -> Permission | None:
    """The permission of ``user`` in ``vhost``, if it has one."""
    return next((each for each in vhost.permissions if each.user == user), None)


def place_of(end: End, topology: Topology) -> Vhost | None:
    """The vhost that ``end`` is in, of this topology or of the remote's; None where that is not known."""
    if not end.remote:
        return next((each for each in topology.vhosts if each.name == end.vhost), None)
    remote = next((each for each in topology.links.remotes if each.name == end.remote), None)
    if remote is None or remote.far is None:
        return None
    return next((each for each in remote.far.vhosts if each.name == remote.vhost), None)


def _ends(path: str, link: Shovel | Federation, topology: Topology) -> Iterator[Fault]:
    """Each end is somewhere, one of them at a remote, and what it names is there."""
    if bool(link.source.remote) == bool(link.target.remote):
        how_many = "both ends are at a remote" if link.source.remote else "both ends are in this cluster"
        yield path, how_many, "name a remote at one end; within one cluster, bind or dead-letter"
    if isinstance(link, Federation) and link.target.remote and not link.source.remote:
        yield f"{path}.to", "federation brings messages here, and takes none away", "link at the other one"
    if isinstance(link, Federation) and bool(link.source.queue) != bool(link.target.queue):
        yield path, "a queue is federated with a queue, an exchange with an exchange", "name two of a kind"
    for key, end in (("from", link.source), ("to", link.target)):
        if end.remote and end.remote not in {each.name for each in topology.links.remotes}:
            known = those_known(each.name for each in topology.links.remotes)
            yield f"{path}.{key}.remote", f"no remote '{end.remote}'", known
            continue
        vhost = place_of(end, topology)
        if vhost is None:
            if end.vhost:
                known = those_known(each.name for each in topology.vhosts)
                yield f"{path}.{key}.vhost", f"no vhost '{end.vhost}'", known
            continue
        names = [each.name for each in (vhost.queues if end.queue else vhost.exchanges)]
        kind = "queue" if end.queue else "exchange"
        if end.name and end.name not in names:
            yield f"{path}.{key}.{kind}", f"there is no {end.words}", those_known(names)


def _shovel(path: str, shovel: Shovel, topology: Topology) -> Iterator[Fault]:
    source, target = place_of(shovel.source, topology), place_of(shovel.target, topology)
    if source is not None and shovel.source.queue:  # one that is not said was told where it was read
        yield from _source(f"{path}.from", source, source.queue(shovel.source.queue))
    if target is not None and shovel.target.exchange and not _routes(target, shovel.target):
        key = f"with the key '{shovel.target.routing_key}' " if shovel.target.routing_key else ""
        what = f"what is published to it {key}reaches no queue: it would be confirmed, acked and gone"
        yield f"{path}.to", what, "bind a queue to it, or give a routing_key that leads to one"
    yield from _rights(path, shovel, topology)


def _source(path: str, vhost: Vhost, queue: Queue) -> Iterator[Fault]:
    if queue.type == "stream":
        what = "a stream is not emptied by reading: each connection of the shovel would begin anew"
        yield f"{path}.queue", what, "name a quorum or classic queue"
        return
    settings = routing.effective(vhost, queue)
    limit = settings.get("delivery-limit", 20)
    if queue.type == "quorum" and limit != -1 and settings.get("dead-letter-exchange") is None:
        what = f"what is under way at a cut is gone after {limit} cuts: it is dead-lettered nowhere"
        yield f"{path}.queue", what, "give the queue a dead-letter-exchange, or a delivery-limit of -1"


def _routes(vhost: Vhost, end: End) -> bool:
    """Whether what is published there reaches a queue; without a key of the link's own, whether any can."""
    if end.routing_key:
        return bool(routing.route(vhost, end.exchange, end.routing_key)) or any(
            each.source == end.exchange and each.arguments for each in vhost.bindings
        )
    return any(each.source == end.exchange for each in vhost.bindings)


def _federation(path: str, link: Federation, topology: Topology) -> Iterator[Fault]:
    here, there = place_of(link.target, topology), place_of(link.source, topology)
    assert here is not None  # noqa: S101 - `_ends` has seen to it
    for key, vhost, end in (("to", here, link.target), ("from", there, link.source)):
        if vhost is None:
            continue
        if end.queue and vhost.queue(end.queue).type == "stream":
            yield f"{path}.{key}.queue", "streams cannot be federated", "name a quorum or classic queue"
        if end.exchange and next(each for each in vhost.exchanges if each.name == end.exchange).internal:
            yield f"{path}.{key}.exchange", "internal exchanges are not federated", "name another exchange"
    if link.of_queues and there is not None:
        yield from _source(f"{path}.from", there, there.queue(link.source.queue))
    if f"{POLICY_PREFIX}{link.name}" in {each.name for each in here.policies}:
        what = f"a policy of {here.name} is called '{POLICY_PREFIX}{link.name}', as the link's own is"
        yield path, what, "call the policy or the link otherwise"
    if any(set(each.definition) & _OWN for each in here.policies if _covers(each.pattern, link.target.name)):
        what = f"a policy of {here.name} says itself where {link.target.words} is federated with"
        yield path, what, "leave federation-upstream and federation-upstream-set to links"
    yield from _plugin(path, link, topology)
    yield from _rights(path, link, topology)


def _plugin(path: str, link: Federation, topology: Topology) -> Iterator[Fault]:
    """A link makes an exchange of a type of the plugin's own at the upstream. Where there is no such type it
    falls back on a fanout, but only after the 503 that brokers once gave; 4.3.6 gives 406, and the link fails
    on it for ever (`rabbit_federation_exchange_link:ensure_internal_exchange`)."""
    remote = topology.links.remote(link.remote)
    if link.of_queues or remote.far is None:
        return
    plugin = link.plugin(remote.far.broker.series)
    if not {plugin, "rabbitmq_federation"} & set(remote.far.plugins):
        what = f"{remote.topology} has not the plugin {plugin}, and no exchange is federated from it without"
        yield path, what, f"add it there, to cluster.broker.plugins: {plugin}"


_OWN = frozenset({"federation-upstream", "federation-upstream-set", "federation-upstream-pattern"})


def _covers(pattern: str, name: str) -> bool:
    return not compile_fault(pattern) and re.search(pattern, name) is not None


def needs(link: Shovel | Federation) -> tuple[tuple[str, str], ...]:
    """The rights at the remote that ``link`` cannot do without: (configure, write or read, resource).

    https://www.rabbitmq.com/docs/access-control#authorisation; a passive declaration takes any right since
    4.3.1. A federated exchange has an exchange and a queue of its own at the upstream.
    """
    if isinstance(link, Shovel):
        if link.source.remote:
            return (("read", link.source.queue),)
        if link.target.queue:
            return (("write", DEFAULT_EXCHANGE_RIGHT), ("write", link.target.queue))
        return (("write", link.target.exchange),)
    if link.of_queues:
        return (("read", link.source.queue),)
    own = f"{FEDERATION_PREFIX}{link.source.exchange} -> x"
    return (("read", link.source.exchange), ("configure", own), ("write", own), ("read", own))


def _rights(path: str, link: Shovel | Federation, topology: Topology) -> Iterator[Fault]:
    remote = topology.links.remote(link.remote)
    vhost = place_of(link.source if link.source.remote else link.target, topology)
    permission = right(vhost, remote.user) if vhost is not None else None
    if permission is None:
        return  # told of the remote
    for verb, resource in needs(link):
        pattern = str(getattr(permission, verb))
        if compile_fault(pattern):
            continue  # told by the remote's own check
        if bounded.is_slow(pattern, [resource]):
            what = f"{bounded.short(pattern)} takes seconds to be held against '{resource}'"
            yield path, what, f"write it without a repetition inside a repetition in {remote.topology}"
        elif re.search(pattern, resource) is None:
            shown = resource.removesuffix("x") + "…" if resource.startswith(FEDERATION_PREFIX) else resource
            what = f"'{remote.user}' has no {verb} right on '{shown}' in {remote.vhost} of {remote.topology}"
            yield path, what, f"give it there: {verb}: '^{re.escape(resource.removesuffix('x'))}'"
