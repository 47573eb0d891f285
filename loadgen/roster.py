"""From a run's spec to the specs of its workers."""

from __future__ import annotations

from collections.abc import Iterator

from loadgen.curve import ends_ns
from loadgen.judge import Expectation
from loadgen.spec import ConsumerRole, ConsumerSpec, Link, LoadSpec, PublisherRole, PublisherSpec


def publishers(spec: LoadSpec, folder: str) -> tuple[PublisherSpec, ...]:
    """One spec per publisher process; their indexes run through all roles, and all parts of the run."""
    roles = list(_each_publisher(spec))
    each_part = len(roles) // spec.parts
    return tuple(
        PublisherSpec(
            name=f"{role.name}-{index}",
            link=_link(spec, role.user, f"{role.name}-{index}", index),
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
            publish_deadline_s=spec.publish_deadline_s,
            confirm_times=spec.profile == "priority",
        )
        for index, role in enumerate(roles)
        if spec.part in (None, index // each_part)
    )


def consumers(spec: LoadSpec, folder: str) -> tuple[ConsumerSpec, ...]:
    """One spec per consumer process."""
    found = [
        consumer(spec, role, folder, f"{role.name}-{place}", place)
        for role in spec.consumers
        for place in range(role.count)
    ]
    return tuple(found)


def consumer(spec: LoadSpec, role: ConsumerRole, folder: str, name: str, place: int) -> ConsumerSpec:
    """The spec of one consumer process called ``name``."""
    return ConsumerSpec(
        name=name,
        link=_link(spec, role.user, name, place + 1),
        folder=folder,
        nonce=spec.nonce,
        seed=spec.seed,
        publishers=len(list(_each_publisher(spec))),
        queue=role.queue,
        does=role.does,
        prefetch=role.prefetch,
        ack_batch=role.ack_batch,
        work_time_s=role.work_time_s,
        failures=role.failures,
        tries=role.tries,
        sole=spec.judge_order and role.count == 1 and role.does == "work",
        log_tries=spec.profile == "retry",
        log_served=spec.profile == "priority",
        classes=class_names(spec),
        phase_ends_ns=ends_ns(spec.phases),
    )


def class_names(spec: LoadSpec) -> tuple[str, ...]:
    """The names of the message classes, by their number in the body."""
    return tuple(each.name for each in spec.publishers[0].classes)


def expectation(spec: LoadSpec) -> Expectation:
    """What the judge is to hold the run to. Order is judged only where one consumer is active."""
    roles = list(_each_publisher(spec))
    alone = all(role.count == 1 for role in spec.consumers if role.does == "work")
    return Expectation(
        destinations={index: role.destinations for index, role in enumerate(roles)},
        judge_order=spec.judge_order and alone,
    )


def _each_publisher(spec: LoadSpec) -> Iterator[PublisherRole]:
    """Every publisher of the run, those of other parts included."""
    for _ in range(spec.parts):
        for role in spec.publishers:
            for _ in range(role.count):
                yield role


def _link(spec: LoadSpec, user: str, name: str, place: int) -> Link:
    return Link(
        endpoints=spec.endpoints,
        vhost=spec.vhost,
        credentials=spec.credentials(user),
        ca_pem=spec.ca_pem,
        connection_name=f"warren-load {spec.run_id} {name}",
        heartbeat_s=spec.heartbeat_s,
        first_endpoint=place % len(spec.endpoints),
    )
