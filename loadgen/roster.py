"""From a run's spec to the specs of its workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from loadgen import oracles, plan
from loadgen.curve import ends_ns
from loadgen.expectation import Classes, Expectation, Flow
from loadgen.roles import REPLIES, Begins, deaths
from loadgen.spec import (
    ConsumerRole,
    ConsumerSpec,
    Link,
    LoadSpec,
    MessageClass,
    PublisherRole,
    PublisherSpec,
    RelayRole,
    RelaySpec,
    TakerRole,
)


def publishers(spec: LoadSpec, folder: str) -> tuple[PublisherSpec, ...]:
    """One spec per publisher process; their indexes run through all roles, and all parts of the run."""
    roles = each_publisher(spec)
    each_part = len(roles) // spec.parts
    numbers = {name: at for at, name in enumerate(class_names(spec))}
    wanted = oracles.needs(spec)
    return tuple(
        PublisherSpec(
            name=f"{role.name}-{index}",
            link=_link(spec, role, f"{role.name}-{index}", index),
            folder=folder,
            nonce=spec.nonce,
            seed=spec.seed,
            index=index,
            publishers=len(roles),
            rate_per_s=spec.rate_per_s,
            duration_s=spec.duration_s,
            arrivals=spec.arrivals,
            phases=spec.phases,
            size_bytes=spec.size_bytes,
            window=spec.window,
            exchange=role.exchange,
            routing_key=role.routing_key,
            mandatory=role.mandatory,
            classes=role.classes,
            kinds=tuple(numbers[each.name] for each in role.classes),
            publish_deadline_s=spec.publish_deadline_s,
            confirm_times="confirm_times" in wanted,
            sent_times="sent_times" in wanted,
            body=spec.body,
            reconnect_every=role.reconnect_every,
            replies=role.replies,
            renews=role.renews,
            protocol=role.protocol,
        )
        for index, role in enumerate(roles)
        if spec.part in (None, index // each_part)
    )


def consumers(
    spec: LoadSpec, folder: str, *, begins: Begins | None = None, began_epoch_s: float = 0.0
) -> tuple[ConsumerSpec | RelaySpec, ...]:
    """One spec per process that takes messages: consumers and relays; with ``begins`` only those.

    ``began_epoch_s`` is when the run began to publish, since the epoch, for those who ask by time.
    """
    return tuple(
        _since(
            taker(spec, role, folder, f"{role.name}-{place}", place, death=place),
            role,
            began_epoch_s,
        )
        for role in spec.takers
        for place in range(role.count)
        if begins in (None, role.begins)
    )


def _since(
    found: ConsumerSpec | RelaySpec, role: TakerRole, began_epoch_s: float
) -> ConsumerSpec | RelaySpec:
    """``found`` with its place in a stream by time, which AMQP 0-9-1 counts in whole seconds."""
    if isinstance(found, RelaySpec) or isinstance(role, RelayRole) or role.from_s is None:
        return found
    return replace(found, from_epoch_s=int(began_epoch_s + role.from_s))


def taker(
    spec: LoadSpec, role: TakerRole, folder: str, name: str, place: int, *, death: int
) -> ConsumerSpec | RelaySpec:
    """The spec of one process of ``role`` called ``name``; it dies the role's death of that number, from 0,
    where there are so many."""
    dies = death < deaths(role)
    link = _link(spec, role, name, place + 1)
    if isinstance(role, RelayRole):
        found: ConsumerSpec | RelaySpec = _relay(spec, role, folder, link)
    else:
        found = replace(_consumer(spec, role, folder, link), unit=role.unit(name))
    return replace(
        found,
        name=name,
        crash_after=role.crash_every if dies else None,
        crash_try=role.crash_on_tries[death] if dies and role.crash_on_tries else None,
    )


def _consumer(spec: LoadSpec, role: ConsumerRole, folder: str, link: Link) -> ConsumerSpec:
    wanted = oracles.needs(spec)
    return ConsumerSpec(
        name="",
        link=link,
        folder=folder,
        nonce=spec.nonce,
        seed=spec.seed,
        publishers=len(each_publisher(spec)),
        queue=role.queue,
        does=role.does,
        settles=role.settles,
        arguments=role.arguments,
        stream=role.stream,
        reconnect_every=role.reconnect_every,
        renews=role.renews,
        prefetch=role.prefetch,
        ack_batch=role.ack_batch,
        work_time_s=role.work_time_s,
        slow=role.slow,
        failures=role.failures,
        on_failure=role.on_failure,
        tries=role.tries,
        sole=spec.judge_order and role.count == 1 and role.does == "work",
        stamps=spec.stamps and role.does == "work",
        log_tries="tries" in wanted,
        log_served="served" in wanted,
        log_arrivals="arrivals" in wanted,
        log_offsets="offsets" in wanted,
        classes=class_names(spec),
        phase_ends_ns=ends_ns(spec.phases),
        body=spec.body,
        protocol=role.protocol,
        group=f"warren-load {spec.run_id} {role.name}" if role.single_active else "",
    )


def _relay(spec: LoadSpec, role: RelayRole, folder: str, link: Link) -> RelaySpec:
    wanted = oracles.needs(spec)
    return RelaySpec(
        name="",
        link=link,
        folder=folder,
        nonce=spec.nonce,
        seed=spec.seed,
        publishers=len(each_publisher(spec)),
        queue=role.queue,
        salt=plan.salt_of(role.name),
        to=role.to,
        reply_exchange=role.reply_exchange,
        outcomes=role.outcomes,
        retries=role.retries,
        given_up=role.given_up,
        failures=role.failures,
        prefetch=role.prefetch,
        work_time_s=role.work_time_s,
        log_tries="tries" in wanted,
        log_arrivals="arrivals" in wanted,
        classes=class_names(spec),
        phase_ends_ns=ends_ns(spec.phases),
    )


def class_names(spec: LoadSpec) -> tuple[str, ...]:
    """The names of the message classes of all roles, by their number in the body's header."""
    return tuple(dict.fromkeys(each.name for role in spec.publishers for each in role.classes))


def expectation(spec: LoadSpec) -> Expectation:
    """What the judge is to hold the run to. Order is judged only where one consumer is active."""
    flows = tuple(_flows(spec))
    alone = all(role.count == 1 for role in spec.consumers if role.does == "work")
    classes = {
        index: Classes(
            chooser=plan.classes([each.share for each in role.classes], spec.seed),
            names=tuple(each.name for each in role.classes),
            units=tuple(_owed_by(spec, role, each) for each in role.classes),
        )
        for index, role in enumerate(each_publisher(spec))
    }
    return Expectation(
        destinations={index: _reached(each, flows) for index, each in classes.items()},
        judge_order=spec.judge_order and alone,
        classes=classes,
        flows=flows,
    )


def _reached(classes: Classes, flows: Sequence[Flow]) -> tuple[str, ...]:
    """Every unit that messages of these classes come to, those that relays lead them to included."""
    found = list(dict.fromkeys(unit for units in classes.units for unit in units))
    for unit in found:
        found += [flow.target for flow in flows if flow.source == unit and flow.target not in found]
    return tuple(found)


def _flows(spec: LoadSpec) -> Iterator[Flow]:
    for role in (each for each in spec.relays if each.to == "outcome"):
        ways = plan.Ways(
            [each.share for each in role.outcomes],
            role.failures,
            tries=role.tries,
            seed=spec.seed,
            salt=plan.salt_of(role.name),
        )
        every = dict(enumerate(role.outcomes))
        if role.given_up is not None:
            every[ways.count - 1] = role.given_up
        for way, outcome in every.items():
            for target in _units(spec, outcome.destinations):
                yield Flow(
                    name=role.name,
                    source=role.queue,
                    target=target,
                    way=way,
                    ways=ways.count,
                    chooser=ways,
                )


def _owed_by(spec: LoadSpec, role: PublisherRole, kind: MessageClass) -> tuple[str, ...]:
    """Every unit that messages of a class come to at first; a request comes back as an answer, too."""
    units = _units(spec, role.reached_by(kind))
    return units if role.replies is None or not units else (*units, REPLIES)


def _units(spec: LoadSpec, queues: Sequence[str]) -> tuple[str, ...]:
    """What the ledger calls ``queues``: readers of all of a queue have a unit each."""
    found: list[str] = []
    for queue in queues:
        readers = [role for role in spec.consumers if role.queue == queue and role.does == "work"]
        found += [unit for role in readers for unit in role.units()] or [queue]
    return tuple(dict.fromkeys(found))


def each_publisher(spec: LoadSpec) -> tuple[PublisherRole, ...]:
    """The role of each publisher process of the run by its number, those of other parts included."""
    return tuple(role for role in spec.publishers for _ in range(role.count)) * spec.parts


def _link(spec: LoadSpec, role: PublisherRole | TakerRole, name: str, place: int) -> Link:
    streams = not isinstance(role, RelayRole) and role.protocol == "stream"
    return Link(
        endpoints=spec.stream_endpoints if streams else spec.endpoints,
        vhost=spec.vhost,
        credentials=spec.credentials(role.user),
        ca_pem=spec.ca_pem,
        connection_name=f"warren-load {spec.run_id} {name}",
        heartbeat_s=spec.heartbeat_s,
        wakes_per_s=spec.wakes_per_s,
        first_endpoint=place % (spec.spread or len(spec.endpoints)),
    )
