"""What must hold between the parts of a topology: each check yields (key path, reason, remedy).

The checks know the traps of RabbitMQ 4.3 that a file can avoid: a policy that silently falls back, a failed
queue that stops its source, a pattern that matches nothing.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain

from warren import (
    routing,
    topology_link_checks,
    topology_names,
    topology_queues,
    topology_settings,
    topology_shipping,
)
from warren.topology import (
    CANARY_PREFIX,
    PUBLISHED_NODE_PORTS,
    PUBLISHED_SERVICES,
    RESERVED_PREFIX,
    Binding,
    Policy,
    Topology,
    Vhost,
)
from warren.topology_queues import those_known

Fault = tuple[str, str, str]

#: What the canary may configure, write and read. Names are matched anywhere, so the pattern has a beginning.
CANARY_RIGHT = f"^{re.escape(CANARY_PREFIX)}"


def faults(topology: Topology) -> Iterator[Fault]:
    """Every fault between the parts of ``topology``, in the order of the file."""
    yield from _nodes(topology)
    yield from topology_names.faults(topology)
    yield from _ports(topology)
    yield from _users(topology)
    yield from _drift(topology)
    yield from topology_shipping.faults(
        topology.shipping, retention=topology.retention, users={user.name for user in topology.users}
    )
    yield from _images(topology)
    if not topology.vhosts:
        yield "vhosts", "none is given, and the canary flies in each", "give one: - name: /"
    yield from _unique("vhosts", "vhost", (vhost.name for vhost in topology.vhosts))
    yield from _unique("waivers", "waiver", (waiver.assertion for waiver in topology.waivers))
    broken = [each for vhost in topology.vhosts for each in _vhost(f"vhosts[{vhost.name}]", vhost, topology)]
    yield from broken
    if not broken:  # links are followed by the settings and bindings of vhosts
        yield from topology_link_checks.faults(topology)


def _vhost(path: str, vhost: Vhost, topology: Topology) -> Iterator[Fault]:
    yield from _names(path, vhost)
    yield from topology_settings.too_new(path, vhost, topology.broker.series)
    slow = list(topology_settings.slow(path, vhost))
    if slow:
        yield from slow
        return  # what follows holds the patterns against the names again and again
    if vhost.protected and not topology.broker.protects_vhosts:
        yield f"{path}.protected", "protection from deletion came with RabbitMQ 4.1", "leave it out"
    broken = list(topology_settings.faults(path, vhost))
    yield from broken
    yield from _bindings(path, vhost)
    yield from _policies(path, vhost)
    yield from _permissions(path, vhost, topology)
    if not broken:  # what follows computes with these settings
        yield from topology_queues.faults(path, vhost)


def _unique(path: str, kind: str, names: Iterable[str]) -> Iterator[Fault]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{path}[{name}]", f"{kind} '{name}' is given {count} times", "keep one of them"


def _nodes(topology: Topology) -> Iterator[Fault]:
    count = len(topology.nodes)
    if count % 2 == 0:
        yield (
            "cluster.nodes",
            f"{count} nodes: an even number cannot form a majority when it splits in half",
            "use 1, 3 or 5 nodes",
        )
    elif count > 9:  # noqa: PLR2004 - a bound of the published ports, which stand ten apart
        yield "cluster.nodes", f"{count} nodes are more than Warren lays out ports for", "use 9 at most"
    yield from _unique("cluster.nodes", "node", (node.name for node in topology.nodes))
    if topology.broker.series < (4, 0):
        yield "cluster.broker.version", f"{topology.broker.version} is not supported", "use 4.0 or later"


def _ports(topology: Topology) -> Iterator[Fault]:
    ports = topology.ports
    used: dict[int, str] = {}
    for name in ports.__dataclass_fields__:
        port = getattr(ports, name)
        if port in used:
            yield f"cluster.ports.{name}", f"port {port} is taken by '{used[port]}'", "give each its own port"
        used.setdefault(port, name)
    last = topology.base_port + 10 * (len(PUBLISHED_NODE_PORTS) + 1)
    if last > 65535:  # noqa: PLR2004 - the last port that there is
        yield "cluster.published.base_port", f"published ports would reach {last}", "give a lower base port"
    assert len(PUBLISHED_SERVICES) <= 10  # noqa: S101, PLR2004 - the layout of `Topology.published_node`


def _images(topology: Topology) -> Iterator[Fault]:
    tag = topology.images["rabbitmq"].partition("@")[0].rpartition(":")[2]
    version = topology.broker.version
    if tag.split("-")[0] != version:
        yield (
            "images.rabbitmq",
            f"is {tag}, and cluster.broker.version says {version}",
            "give both the same version: the configuration follows from it",
        )


def _users(topology: Topology) -> Iterator[Fault]:
    yield from _unique("users", "user", (user.name for user in topology.users))
    for user in topology.users:
        if user.name == "guest":
            yield "users[guest]", "'guest' is the account every attacker tries first", "choose another name"
    for role, tag in (("operator", "administrator"), ("monitoring", "monitoring"), ("canary", "")):
        found = [user for user in topology.users if user.role == role]
        tagged = f", tagged {tag}" if tag else " of its own"
        if len(found) != 1:
            yield "users", f"{len(found)} users have 'role: {role}'", f"give it to exactly one{tagged}"
        elif tag and tag not in found[0].tags:
            yield f"users[{found[0].name}].tags", f"the {role} lacks the tag '{tag}'", f"add tags: [{tag}]"


def _drift(topology: Topology) -> Iterator[Fault]:
    """The account that watches for drift is one of its own, and the broker shows it what it compares."""
    place, name = "monitoring.drift.user", topology.drift_user
    found = [user for user in topology.users if user.name == name]
    if not name:
        return
    if not found:
        yield place, f"no user '{name}'", f"add {{name: {name}, tags: [administrator]}} to users"
    elif found[0].role != "application":
        yield place, f"'{name}' has 'role: {found[0].role}'", "give drift a user of its own"
    elif not {"administrator", "monitoring"} & set(found[0].tags):
        yield (
            f"users[{name}].tags",
            "the broker shows a user without the tag administrator, or monitoring, no cluster to compare",
            "add tags: [administrator], or [monitoring] for fewer kinds",
        )
    for vhost in topology.vhosts:
        if found and all(each.user != name for each in vhost.permissions):
            yield (
                f"vhosts[{vhost.name}].permissions",
                f"'{name}' may not enter, so the broker hides from it what is in this vhost",
                f"add {{user: {name}}}, which gives no right at all",
            )


def _names(path: str, vhost: Vhost) -> Iterator[Fault]:
    yield from _unique(f"{path}.exchanges", "exchange", (each.name for each in vhost.exchanges))
    yield from _unique(f"{path}.queues", "queue", (each.name for each in vhost.queues))
    yield from _unique(f"{path}.policies", "policy", (each.name for each in vhost.policies))
    operator_policies = (each.name for each in vhost.operator_policies)
    yield from _unique(f"{path}.operator_policies", "operator policy", operator_policies)
    yield from _unique(f"{path}.permissions", "permission of", (each.user for each in vhost.permissions))
    topics = (f"{each.user} on {each.exchange}" for each in vhost.topic_permissions)
    yield from _unique(f"{path}.topic_permissions", "topic permission of", topics)
    if vhost.name.removeprefix("/").startswith(RESERVED_PREFIX):
        yield path, f"the prefix '{RESERVED_PREFIX}' is kept for Warren's own runs", "choose another name"
    for kind, objects in (("exchanges", vhost.exchanges), ("queues", vhost.queues)):
        for each in objects:
            if each.name.startswith(("amq.", RESERVED_PREFIX)):
                yield f"{path}.{kind}[{each.name}]", "this prefix is reserved", "choose another name"


def _bindings(path: str, vhost: Vhost) -> Iterator[Fault]:
    exchanges = {each.name: each.type for each in vhost.exchanges}
    queues = {each.name for each in vhost.queues}
    known_as: defaultdict[tuple[str, ...], list[Binding]] = defaultdict(list)
    for index, binding in enumerate(vhost.bindings):
        place = f"{path}.bindings[{index}]"
        if binding.source not in exchanges:
            yield f"{place}.source", f"no exchange '{binding.source}' in this vhost", those_known(exchanges)
        known = queues if binding.destination_type == "queue" else exchanges
        if binding.destination not in known:
            yield (
                f"{place}.{binding.destination_type}",
                f"no {binding.destination_type} '{binding.destination}' in this vhost",
                those_known(known),
            )
        alike = known_as[binding.source, binding.destination, binding.routing_key]
        if binding in alike:
            yield place, "this binding is given twice", "keep one of them"
        alike.append(binding)
        if exchanges.get(binding.source) == "topic" and binding.routing_key.split(".").count("#") > 2:  # noqa: PLR2004
            yield (
                f"{place}.routing_key",
                "more than two '#' in a topic key are refused by 4.3.5 and later",
                "use at most two",
            )


def _policies(path: str, vhost: Vhost) -> Iterator[Fault]:
    exchanges = {each.name: each.type for each in vhost.exchanges}
    for kind, policies in (("policies", vhost.policies), ("operator_policies", vhost.operator_policies)):
        for policy in policies:
            yield from _policy(f"{path}.{kind}[{policy.name}]", policy, vhost, exchanges)


def _policy(path: str, policy: Policy, vhost: Vhost, exchanges: dict[str, str]) -> Iterator[Fault]:
    if why := topology_settings.compile_fault(policy.pattern):
        yield f"{path}.pattern", f"not a regular expression: {why}", "mend the pattern"
        return
    names = chain((queue.name for queue in vhost.queues), exchanges)
    if not any(re.search(policy.pattern, name) for name in names):
        yield (
            f"{path}.pattern",
            f"'{policy.pattern}' matches nothing in this vhost",
            "mend or drop the policy",
        )
    exchange = policy.definition.get("dead-letter-exchange")
    if isinstance(exchange, str) and exchange not in (*exchanges, routing.DEFAULT_EXCHANGE):
        yield (
            f"{path}.definition.dead-letter-exchange",
            f"no exchange '{exchange}' here",
            those_known(exchanges),
        )


def _permissions(path: str, vhost: Vhost, topology: Topology) -> Iterator[Fault]:
    users = {user.name for user in topology.users}
    exchanges = {each.name: each.type for each in vhost.exchanges}
    for permission in vhost.permissions:
        place = f"{path}.permissions[{permission.user}]"
        if permission.user not in users:
            yield place, f"no user '{permission.user}'", those_known(users)
        for key in ("configure", "write", "read"):
            yield from _regex(f"{place}.{key}", getattr(permission, key))
    yield from _operator_reaches(f"{path}.permissions", vhost, topology)
    yield from _canary_flies(f"{path}.permissions", vhost, topology)
    for topic in vhost.topic_permissions:
        place = f"{path}.topic_permissions[{topic.user}]"
        if topic.user not in users:
            yield place, f"no user '{topic.user}'", those_known(users)
        if exchanges.get(topic.exchange) != "topic":
            topics = [name for name, kind in exchanges.items() if kind == "topic"]
            yield f"{place}.exchange", f"'{topic.exchange}' is not a topic exchange here", those_known(topics)
        for key in ("write", "read"):
            yield from _regex(f"{place}.{key}", getattr(topic, key))


def _operator_reaches(path: str, vhost: Vhost, topology: Topology) -> Iterator[Fault]:
    """The management API declares objects with the rights of its user (seen on 4.3.6)."""
    for user in topology.users:
        if user.role != "operator":
            continue
        rights = [each for each in vhost.permissions if each.user == user.name]
        if not rights or {rights[0].configure, rights[0].write, rights[0].read} != {".*"}:
            yield (
                path,
                f"the operator '{user.name}' cannot declare everything in this vhost",
                f"add {{user: {user.name}, configure: '.*', write: '.*', read: '.*'}}",
            )


def _canary_flies(path: str, vhost: Vhost, topology: Topology) -> Iterator[Fault]:
    """It declares, publishes to and consumes from what is its own, and reaches nothing else."""
    for user in topology.users:
        if user.role != "canary":
            continue
        rights = [each for each in vhost.permissions if each.user == user.name]
        if not rights or {rights[0].configure, rights[0].write, rights[0].read} != {CANARY_RIGHT}:
            yield (
                path,
                f"the canary '{user.name}' cannot fly in this vhost, or reaches more than its own",
                f"add {{user: {user.name}, configure: {CANARY_RIGHT!r}, write: {CANARY_RIGHT!r}, "
                f"read: {CANARY_RIGHT!r}}}",
            )


def _regex(path: str, pattern: str) -> Iterator[Fault]:
    if why := topology_settings.compile_fault(pattern):
        yield path, f"not a regular expression: {why}", "mend the pattern"
