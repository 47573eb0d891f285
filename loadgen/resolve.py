"""A scenario on a topology: where its messages go, which queues it touches, whether both fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from loadgen.roles import ConsumerRole, MessageClass, Outcome, PublisherRole, RelayRole
from loadgen.scenario import Scenario
from warren import routing, topology_settings
from warren.errors import BadInputError, BadInputsError
from warren.topology import RESERVED_PREFIX, STREAM_PLUGIN, Topology, Vhost


def resolve(scenario: Scenario, topology: Topology, *, foreign: bool = False) -> Scenario:
    """``scenario`` with the destinations of everything that is published, by the bindings of the topology
    and of the profile itself. On a ``foreign`` cluster the accounts need not be the topology's.

    Raises BadInputsError, naming each: unknown vhost, user or queue, objects that do not fit together,
    messages that reach no queue (where they are not meant to come back), a destination whose messages
    nobody brings to an end, relays in a circle.
    """
    vhost = vhost_of(scenario, topology)
    found = replace(
        scenario,
        publishers=tuple(_publisher(role, vhost) for role in scenario.publishers),
        consumers=tuple(_consumer(role, vhost) for role in scenario.consumers),
        relays=tuple(_relay(role, vhost) for role in scenario.relays),
        vhost=vhost.name,
    )
    faults = [*_object_faults(found, vhost), *_faults(found, vhost)]
    if not foreign:
        faults += [*_unknown_users(found, topology), *_no_streams(found, topology)]
        too_new = topology_settings.too_new(f"profile {found.name}", vhost, topology.broker.series)
        faults += [BadInputError(*fault) for fault in too_new]
    if faults:
        raise BadInputsError(faults)
    return found


def vhost_of(scenario: Scenario, topology: Topology) -> Vhost:
    """The virtual host of a run, with the profile's own objects in it."""
    base = own_vhost(scenario.name) if _is_own(scenario) else topology.vhost(scenario.vhost)
    if scenario.objects is None:
        return base
    return replace(
        base,
        exchanges=(*base.exchanges, *scenario.objects.exchanges),
        queues=(*base.queues, *scenario.objects.queues),
        bindings=(*base.bindings, *scenario.objects.bindings),
    )


def _is_own(scenario: Scenario) -> bool:
    return scenario.own_vhost or scenario.vhost == own_vhost(scenario.name).name


def own_vhost(profile: str) -> Vhost:
    """The virtual host that is made for runs of ``profile``, empty. Its name is reserved: never drift."""
    return Vhost(
        name=f"/{RESERVED_PREFIX}{profile}",
        description=f"Made for a run of the profile {profile}",
        default_queue_type="quorum",
        protected=False,
        limits={},
        exchanges=(),
        queues=(),
        bindings=(),
        policies=(),
        operator_policies=(),
        permissions=(),
        topic_permissions=(),
    )


def touched_queues(scenario: Scenario, topology: Topology) -> tuple[str, ...]:
    """Every queue that a message of the resolved ``scenario`` may be in, dead-letter paths included."""
    vhost = vhost_of(scenario, topology)
    ahead = [name for role in scenario.publishers for name in role.destinations]
    ahead += [name for role in scenario.relays for each in _outcomes(role) for name in each.destinations]
    seen: list[str] = []
    while ahead:
        name = ahead.pop(0)
        if name not in seen:
            seen.append(name)
            ahead += [queue.name for queue in routing.dead_letter_targets(vhost, vhost.queue(name))]
    return tuple(seen)


def _publisher(role: PublisherRole, vhost: Vhost) -> PublisherRole:
    classes = tuple(replace(each, destinations=_reached(role, each, vhost)) for each in role.classes)
    reached = {name for each in classes for name in each.destinations or ()}
    return replace(role, classes=classes, destinations=tuple(sorted(reached)))


def _reached(role: PublisherRole, kind: MessageClass, vhost: Vhost) -> tuple[str, ...]:
    exchange = role.exchange if kind.exchange is None else kind.exchange
    key = role.routing_key if kind.routing_key is None else kind.routing_key
    return tuple(sorted(routing.route(vhost, exchange, key, kind.headers)))


def _consumer(role: ConsumerRole, vhost: Vhost) -> ConsumerRole:
    """Readers of a stream each get all of it; those of which one is active get it together."""
    if any(queue.name == role.queue and queue.type == "stream" for queue in vhost.queues):
        return replace(role, stream=True, reads="all")
    return role


def _relay(role: RelayRole, vhost: Vhost) -> RelayRole:
    def routed(outcome: Outcome) -> Outcome:
        reached = routing.route(vhost, outcome.exchange, outcome.routing_key, outcome.headers)
        return replace(outcome, destinations=tuple(sorted(reached)))

    return replace(
        role,
        outcomes=tuple(routed(each) for each in role.outcomes),
        retries=tuple(routed(each) for each in role.retries),
        given_up=routed(role.given_up) if role.given_up else None,
    )


def _outcomes(role: RelayRole) -> tuple[Outcome, ...]:
    """Every way a message may leave a relay."""
    return (*role.outcomes, *role.retries, *([role.given_up] if role.given_up else []))


def _faults(scenario: Scenario, vhost: Vhost) -> Iterator[BadInputError]:
    where = f"profile {scenario.name}"
    queues = {queue.name for queue in vhost.queues}
    for role in scenario.takers:
        if role.queue not in queues:
            yield BadInputError(f"{where}: {role.name}", f"vhost {vhost.name} has no queue '{role.queue}'")
    yield from _reader_faults(where, scenario)
    yield from _streamless(where, scenario, vhost)
    yield from _reply_faults(scenario, vhost)
    ended = _ended(scenario, vhost)
    for publisher in scenario.publishers:
        yield from _publisher_faults(f"{where}: {publisher.name}", publisher, ended)
    for relay in scenario.relays:
        key = f"{where}: {relay.name}"
        for outcome in _outcomes(relay):
            said = f"what goes to '{outcome.exchange}' with key '{outcome.routing_key}' ({outcome.name})"
            if not outcome.destinations:
                yield BadInputError(key, f"{said} reaches no queue", "add a binding or mend the scenario")
            yield from _unended(key, outcome.destinations, ended)
        if relay.queue in _led_to(scenario, relay.queue):
            yield BadInputError(
                key, "its outcomes lead back to its own queue", "say 'retries:' for what does"
            )


def _reply_faults(scenario: Scenario, vhost: Vhost) -> Iterator[BadInputError]:
    """Answers that are sent, or awaited, at an exchange that is not there."""
    known = {each.name for each in vhost.exchanges}
    asked = [(role.name, role.replies.exchange) for role in scenario.publishers if role.replies]
    asked += [(role.name, role.reply_exchange) for role in scenario.relays]
    for name, exchange in asked:
        if exchange and exchange not in known:
            yield BadInputError(
                f"profile {scenario.name}: {name}", f"vhost {vhost.name} has no exchange '{exchange}'"
            )


def _reader_faults(where: str, scenario: Scenario) -> Iterator[BadInputError]:
    """Readings that are no stream's, or that would wait for what never comes."""
    for reader in scenario.consumers:
        late = reader.begins == "after_publishing" and reader.from_s is None
        if reader.does == "replay" and late and reader.arguments.get("x-stream-offset", "next") == "next":
            what = "begins when nothing comes any more"
            yield BadInputError(f"{where}: {reader.name}", what, "say from_s, or arguments.x-stream-offset")
        if not reader.stream and (reader.does == "replay" or reader.from_s is not None):
            yield BadInputError(
                f"{where}: {reader.name}", f"'{reader.queue}' is no stream: nothing is read twice"
            )


def _no_streams(scenario: Scenario, topology: Topology) -> Iterator[BadInputError]:
    """Roles that speak a protocol which the brokers do not."""
    named = [(role.name, role.protocol) for role in scenario.publishers]
    named += [(role.name, role.protocol) for role in scenario.consumers]
    for name, protocol in named:
        if protocol == "stream" and not topology.broker.streams:
            what = f"speaks the stream protocol, and the topology's brokers do not ({STREAM_PLUGIN} is off)"
            remedy = f"add {STREAM_PLUGIN} to cluster.broker.plugins"
            yield BadInputError(f"profile {scenario.name}: {name}", what, remedy)


def _streamless(where: str, scenario: Scenario, vhost: Vhost) -> Iterator[BadInputError]:
    """What is no stream, and cannot be reached over the stream protocol."""
    streams = {queue.name for queue in vhost.queues if queue.type == "stream"}
    named = [(role.name, role.routing_key, role.protocol) for role in scenario.publishers]
    named += [(role.name, role.queue, role.protocol) for role in scenario.consumers]
    for name, queue, protocol in named:
        if protocol == "stream" and queue not in streams:
            yield BadInputError(f"{where}: {name}", f"'{queue}' is no stream", "say protocol: amqp")


def _publisher_faults(key: str, role: PublisherRole, ended: Sequence[str]) -> Iterator[BadInputError]:
    for kind in role.classes:
        if not kind.destinations and not role.returned:
            exchange = role.exchange if kind.exchange is None else kind.exchange
            routing_key = role.routing_key if kind.routing_key is None else kind.routing_key
            yield BadInputError(
                key,
                f"a message to '{exchange}' with key '{routing_key}' ({kind.name}) reaches no queue",
                "add a binding, mend the scenario, or say 'returned: expected'",
            )
    yield from _unended(key, role.destinations, ended)


def _unended(key: str, destinations: Sequence[str], ended: Sequence[str]) -> Iterator[BadInputError]:
    for name in destinations:
        if name not in ended:
            yield BadInputError(key, f"nobody consumes its destination '{name}'", "add a consumer")


def _ended(scenario: Scenario, vhost: Vhost) -> tuple[str, ...]:
    """The queues whose messages somebody brings to an end: there, or where they come once they expire."""
    direct = {role.queue for role in scenario.takers if role.does == "work"}
    direct |= {role.queue for role in scenario.consumers if role.does == "finish"}
    later = {role.queue for role in scenario.relays if role.retries}
    later |= {role.queue for role in scenario.consumers if role.does == "finish" or role.settles == "origin"}
    found = []
    for queue in vhost.queues:
        targets = {each.name for each in routing.dead_letter_targets(vhost, queue)}
        expires = "message-ttl" in routing.effective(vhost, queue) or queue.name in _expiring(scenario)
        if queue.name in direct or (expires and targets & later):
            found.append(queue.name)
    return tuple(found)


def _expiring(scenario: Scenario) -> set[str]:
    """The queues that get messages with an expiration of their own."""
    kinds: list[MessageClass | Outcome] = [each for role in scenario.publishers for each in role.classes]
    kinds += [each for role in scenario.relays for each in _outcomes(role)]
    return {name for each in kinds if each.expiration_ms is not None for name in each.destinations or ()}


def _led_to(scenario: Scenario, queue: str) -> set[str]:
    """The queues to which relays lead messages of ``queue`` in the end, by other ways than retries."""
    found: set[str] = set()
    ahead = [queue]
    while ahead:
        at = ahead.pop()
        for relay in (each for each in scenario.relays if each.queue == at):
            ways = (*relay.outcomes, *([relay.given_up] if relay.given_up else []))
            new = {name for each in ways for name in each.destinations} - found
            found |= new
            ahead += new
    return found


def _unknown_users(scenario: Scenario, topology: Topology) -> Iterator[BadInputError]:
    users = {user.name for user in topology.users}
    asked = [(role.name, role.user) for role in scenario.roles]
    if scenario.objects is not None:
        asked.append(("objects", scenario.objects.user))
    for name, user in asked:
        if user not in users:
            yield BadInputError(
                f"profile {scenario.name}: {name}.user", f"'{user}' is not in the topology", "add it there"
            )


def _object_faults(scenario: Scenario, vhost: Vhost) -> Iterator[BadInputError]:
    """Bindings of the profile's own that lead from or to what is not there."""
    if scenario.objects is None:
        return
    exchanges = {each.name for each in vhost.exchanges}
    queues = {each.name for each in vhost.queues}
    for binding in scenario.objects.bindings:
        where = f"profile {scenario.name}: objects.bindings"
        known = queues if binding.destination_type == "queue" else exchanges
        if binding.source not in exchanges:
            yield BadInputError(where, f"no exchange '{binding.source}' in vhost {vhost.name}")
        if binding.destination not in known:
            yield BadInputError(
                where, f"no {binding.destination_type} '{binding.destination}' in vhost {vhost.name}"
            )
        elif not binding.destination.startswith(RESERVED_PREFIX):
            yield BadInputError(
                where, f"'{binding.destination}' is not the profile's own", "bind its own only"
            )
