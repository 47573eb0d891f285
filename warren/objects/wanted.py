"""The broker objects that a topology wants, in the order in which they can be created."""

from __future__ import annotations

from collections.abc import Iterator

from warren.links import objects as links
from warren.objects.model import BrokerObject, Kind, binding_name
from warren.topology import Policy, Queue, Topology, User, Vhost


def objects(topology: Topology) -> tuple[BrokerObject, ...]:
    """Every object that ``topology`` asks for; users and links come without their passwords."""
    found = [*_users(topology)]
    for vhost in topology.vhosts:
        found += [*_vhost(vhost), *_rights(vhost), *_policies(vhost), *_messaging(vhost)]
        found += _links(topology, vhost)
    return tuple(found)


def user_limits(user: User) -> dict[str, int]:
    """The limits of ``user`` under the broker's names."""
    limits = {"max-connections": user.max_connections, "max-channels": user.max_channels}
    return {name: value for name, value in limits.items() if value is not None}


def queue_arguments(queue: Queue) -> dict[str, object]:
    """The arguments that ``queue`` is declared with: its own and its type."""
    return {**queue.arguments, "x-queue-type": queue.type}


def policy_body(policy: Policy) -> dict[str, object]:
    """A policy or operator policy as the API takes and shows it."""
    return {
        "pattern": policy.pattern,
        "apply-to": policy.apply_to,
        "priority": policy.priority,
        "definition": dict(policy.definition),
    }


def _users(topology: Topology) -> Iterator[BrokerObject]:
    for user in topology.users:
        yield BrokerObject(kind=Kind.USER, vhost="", name=(user.name,), body={"tags": sorted(user.tags)})
        for name, value in user_limits(user).items():
            yield BrokerObject(kind=Kind.USER_LIMIT, vhost="", name=(user.name, name), body={"value": value})


def _vhost(vhost: Vhost) -> Iterator[BrokerObject]:
    yield BrokerObject(
        kind=Kind.VHOST,
        vhost=vhost.name,
        name=(vhost.name,),
        body={
            "description": vhost.description,
            "default_queue_type": vhost.default_queue_type,
            "protected_from_deletion": vhost.protected,
        },
    )
    for name, value in vhost.limits.items():
        yield BrokerObject(kind=Kind.VHOST_LIMIT, vhost=vhost.name, name=(name,), body={"value": value})


def _rights(vhost: Vhost) -> Iterator[BrokerObject]:
    for each in vhost.permissions:
        yield BrokerObject(
            kind=Kind.PERMISSION,
            vhost=vhost.name,
            name=(each.user,),
            body={"configure": each.configure, "write": each.write, "read": each.read},
        )
    for topic in vhost.topic_permissions:
        yield BrokerObject(
            kind=Kind.TOPIC_PERMISSION,
            vhost=vhost.name,
            name=(topic.user, topic.exchange),
            body={"write": topic.write, "read": topic.read},
        )


def _policies(vhost: Vhost) -> Iterator[BrokerObject]:
    for kind, policies in ((Kind.POLICY, vhost.policies), (Kind.OPERATOR_POLICY, vhost.operator_policies)):
        for policy in policies:
            yield BrokerObject(kind=kind, vhost=vhost.name, name=(policy.name,), body=policy_body(policy))


def _links(topology: Topology, vhost: Vhost) -> Iterator[BrokerObject]:
    for policy in links.policies(topology, vhost):
        body = policy_body(policy)
        yield BrokerObject(kind=Kind.POLICY, vhost=vhost.name, name=(policy.name,), body=body)
    for component, name, definition in links.parameters(topology, vhost):
        key = (component, name)
        yield BrokerObject(kind=Kind.PARAMETER, vhost=vhost.name, name=key, body=definition)


def _messaging(vhost: Vhost) -> Iterator[BrokerObject]:
    for exchange in vhost.exchanges:
        body = {
            "type": exchange.type,
            "durable": exchange.durable,
            "auto_delete": False,
            "internal": exchange.internal,
            "arguments": dict(exchange.arguments),
        }
        yield BrokerObject(kind=Kind.EXCHANGE, vhost=vhost.name, name=(exchange.name,), body=body)
    for queue in vhost.queues:
        body = {"durable": queue.durable, "auto_delete": False, "arguments": queue_arguments(queue)}
        yield BrokerObject(kind=Kind.QUEUE, vhost=vhost.name, name=(queue.name,), body=body)
    for each in vhost.bindings:
        name = binding_name(
            each.source, each.destination_type, each.destination, each.routing_key, each.arguments
        )
        yield BrokerObject(
            kind=Kind.BINDING, vhost=vhost.name, name=name, body={"arguments": dict(each.arguments)}
        )
