"""A scenario on a topology: where its messages go, which queues it touches, whether both fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from loadgen.scenario import Scenario
from loadgen.spec import ConsumerRole, PublisherRole
from warren import routing
from warren.errors import BadInputError, BadInputsError
from warren.topology import Topology, Vhost


def resolve(scenario: Scenario, topology: Topology) -> Scenario:
    """``scenario`` with the destinations of every publisher filled in from the topology's bindings.

    Raises BadInputsError, naming each: unknown vhost, user or queue, messages that reach no queue, a
    destination or dead-letter queue that no role consumes.
    """
    vhost = topology.vhost(scenario.vhost)
    publishers = tuple(
        replace(role, destinations=tuple(sorted(routing.route(vhost, role.exchange, role.routing_key))))
        for role in scenario.publishers
    )
    found = replace(scenario, publishers=publishers)
    faults = list(_faults(found, topology, vhost))
    if faults:
        raise BadInputsError(faults)
    return found


def touched_queues(scenario: Scenario, topology: Topology) -> tuple[str, ...]:
    """Every queue that a message of the resolved ``scenario`` may be in, dead-letter paths included."""
    vhost = topology.vhost(scenario.vhost)
    ahead = [name for role in scenario.publishers for name in role.destinations]
    seen: list[str] = []
    while ahead:
        name = ahead.pop(0)
        if name not in seen:
            seen.append(name)
            ahead += [queue.name for queue in routing.dead_letter_targets(vhost, vhost.queue(name))]
    return tuple(seen)


def _faults(scenario: Scenario, topology: Topology, vhost: Vhost) -> Iterator[BadInputError]:
    where = f"profile {scenario.name}"
    users = {user.name for user in topology.users}
    roles: tuple[PublisherRole | ConsumerRole, ...] = (*scenario.publishers, *scenario.consumers)
    for role in roles:
        if role.user not in users:
            yield BadInputError(f"{where}: {role.name}.user", f"'{role.user}' is not in the topology")
    queues = {queue.name for queue in vhost.queues}
    consumed = {role.queue for role in scenario.consumers}
    for unknown in sorted(consumed - queues):
        yield BadInputError(f"{where}: consumers", f"vhost {vhost.name} has no queue '{unknown}'")
    for publisher in scenario.publishers:
        key = f"{where}: {publisher.name}"
        if not publisher.destinations:
            what = f"a message to '{publisher.exchange}' with key '{publisher.routing_key}' reaches no queue"
            yield BadInputError(key, what, "add a binding to the topology or mend the scenario")
        for name in publisher.destinations:
            if name not in consumed:
                yield BadInputError(key, f"nobody consumes its destination '{name}'", "add a consumer")
