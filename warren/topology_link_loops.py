"""Messages that links would send round and round. A shovel looks at no header, so that a ring with one in it
never ends; federation alone stops by itself (``max_hops``).

Each check yields (key path, reason, remedy).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from warren import routing
from warren.topology import Topology
from warren.topology_links import End, Links, Remote

Fault = tuple[str, str, str]
#: Cluster, vhost, queue or exchange, and its name.
Place = tuple[str, str, str, str]
#: What this cluster is called among the places.
_HERE = ""


def faults(topology: Topology) -> Iterator[Fault]:
    """Shovels of ``topology`` that take from a place to which what they deliver comes back."""
    ahead = _ways(topology)
    for shovel in topology.links.shovels:
        start = _place(shovel.source, topology.links, _HERE, topology.links.file)
        first = _place(shovel.target, topology.links, _HERE, topology.links.file)
        if start is None or first is None:
            continue
        way = _way(first, start, ahead)
        if way:
            shown = " -> ".join(_shown(each) for each in [start, *way])
            yield (
                f"links.shovels[{shovel.name}]",
                f"messages would go round for ever: {shown}",
                "take one of these links or bindings out",
            )


def _ways(topology: Topology) -> Mapping[Place, set[Place]]:
    """Where a message goes on from each place: by links of both sides, and by bindings."""
    clusters = {_HERE: topology}
    clusters |= {_called(each, ""): each.far for each in topology.links.remotes if each.far is not None}
    ahead: defaultdict[Place, set[Place]] = defaultdict(set)
    for name, cluster in clusters.items():
        for link in cluster.links.all:
            source = _place(link.source, cluster.links, name, topology.links.file)
            target = _place(link.target, cluster.links, name, topology.links.file)
            if source is not None and target is not None:
                ahead[source].add(target)
        for vhost in cluster.vhosts:
            for binding in vhost.bindings:
                destination = (name, vhost.name, binding.destination_type, binding.destination)
                ahead[name, vhost.name, "exchange", binding.source].add(destination)
    for place in {each for ways in ahead.values() for each in ways if each[2] == "key"}:
        ahead[place] |= _reached(place, clusters)
    return ahead


def _reached(place: Place, clusters: Mapping[str, Topology]) -> set[Place]:
    """The queues behind an exchange for the one key with which a link publishes to it."""
    cluster, vhost_name, _, name = place
    exchange, _, key = name.partition("\0")
    vhosts = clusters[cluster].vhosts if cluster in clusters else ()
    return {
        (cluster, vhost_name, "queue", queue)
        for vhost in vhosts
        if vhost.name == vhost_name
        for queue in routing.route(vhost, exchange, key)
    }


def _place(end: End, links: Links, own: str, here: str) -> Place | None:
    """Where ``end`` is, seen from the cluster called ``own``; None where its remote is not known."""
    cluster, vhost = own, end.vhost
    if end.remote:
        remote = next((each for each in links.remotes if each.name == end.remote), None)
        if remote is None:
            return None
        cluster, vhost = _called(remote, here if own != _HERE else ""), remote.vhost
    if end.queue:
        return cluster, vhost, "queue", end.queue
    if end.routing_key:
        return cluster, vhost, "key", f"{end.exchange}\0{end.routing_key}"
    return cluster, vhost, "exchange", end.exchange


def _called(remote: Remote, here: str) -> str:
    """The same for every remote that is the same cluster: by its file, or by its hosts. A remote of another
    cluster that is this one (its file is called ``here``) is called as this one is."""
    if remote.topology:
        return _HERE if here and remote.topology == here else f"file {remote.topology}"
    return f"hosts {','.join(sorted(remote.hosts))}:{remote.port}"


def _way(start: Place, goal: Place, ahead: Mapping[Place, set[Place]]) -> list[Place]:
    """The shortest way from ``start`` to ``goal``, both included; empty where there is none."""
    came: dict[Place, Place | None] = {start: None}
    queue = [start]
    while queue:
        place = queue.pop(0)
        if place == goal:
            back: list[Place] = []
            at: Place | None = place
            while at is not None:
                back.insert(0, at)
                at = came[at]
            return back
        for following in sorted(ahead.get(place, ())):
            if following not in came:
                came[following] = place
                queue.append(following)
    return []


def _shown(place: Place) -> str:
    cluster, vhost, kind, name = place
    name = name.replace("\0", " by ")
    where = f"{vhost} of {cluster.partition(' ')[2]}" if cluster else vhost
    return f"{'exchange' if kind == 'key' else kind} {name} in {where}"
