"""From a profile, resolved, and a place to run to the spec of a run."""

from __future__ import annotations

import dataclasses
import secrets as random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadgen import container
from loadgen.parts import Part
from loadgen.scenario import Scenario
from loadgen.spec import LoadSpec
from warren.connection import Credentials, Endpoint
from warren.context import Context
from warren.errors import BadInputError
from warren.topology import RESERVED_PREFIX, Topology

#: Where another cluster speaks the stream protocol, by whether it does with TLS:
#: https://www.rabbitmq.com/docs/stream#ports
_STREAM_PORTS = {True: 5551, False: 5552}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for: a profile as loaded, and how to run it; ``endpoints`` instead of the nodes.

    With ``part`` it is one part of a run that other coordinators run too; ``held``, it begins to publish
    when whoever started it says so. ``beside``: other runs last at the same time, so that the broker's own
    counts, which are of all clients, are not held against it. Clients ``attach`` to the nodes called so, and
    to others only when they lose those; none: to all.
    """

    scenario: Scenario
    purge: bool = False
    keep_objects: bool = False
    seed: int = 1
    params: Mapping[str, Any] = field(default_factory=dict)
    endpoints: tuple[Endpoint, ...] = ()
    part: Part | None = None
    held: bool = False
    beside: bool = False
    attach: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A cluster that Warren did not make: where it is, and the one account that all roles use."""

    endpoints: tuple[Endpoint, ...]
    credentials: Credentials
    ca_pem: str | None
    vhost: str | None = None


def users_of(scenario: Scenario) -> tuple[str, ...]:
    """Every account that a run of ``scenario`` uses."""
    names = {role.user for role in scenario.roles}
    if scenario.objects is not None:
        names.add(scenario.objects.user)
    return tuple(sorted(names))


def lab_spec(
    context: Context, scenario: Scenario, order: Order, run_id: str, metrics: Mapping[str, str] | None
) -> LoadSpec:
    """A run in a container, on the cluster's own network or towards hosts. With ``metrics``, the material of
    their TLS, it serves its own."""
    names, ports = _in_order(context.topology, order.attach), context.topology.ports
    nodes = tuple(Endpoint(name=name, host=name, port=ports.amqps) for name in names)
    streams = tuple(Endpoint(name=name, host=name, port=ports.streams) for name in names)
    authority = context.cluster_ca.read_text(encoding="utf-8")
    return dataclasses.replace(
        _spec(scenario, order, run_id, order.endpoints or nodes, authority),
        users=tuple(_account(context, name) for name in users_of(scenario)),
        stream_endpoints=streams,
        spread=len(order.attach),
        folder=container.RUN_FOLDER,
        stamps=context.topology.broker.message_timestamps,
        metrics_port=context.topology.ports.load,
        metrics_tls=metrics,
    )


def _in_order(topology: Topology, first: Sequence[str]) -> list[str]:
    """Every node, those to which clients attach before the others; raises BadInputError for one that is
    none."""
    chosen = [topology.node(name).name for name in dict.fromkeys(first)]
    return [*chosen, *(node.name for node in topology.nodes if node.name not in chosen)]


def foreign_spec(scenario: Scenario, order: Order, run_id: str, foreign: Foreign, folder: Path) -> LoadSpec:
    """A run on another cluster: one account does everything.

    Raises BadInputError where the profile wants a virtual host of its own and none was named.
    """
    name = foreign.credentials.username
    if scenario.act is not None:
        what = f"the profile {scenario.name} raises an alarm, which it does on a cluster of Warren's only"
        raise BadInputError("--url", what, "run another profile there")
    if foreign.vhost is None and scenario.vhost.startswith(f"/{RESERVED_PREFIX}"):
        what = f"the profile {scenario.name} makes a virtual host only on a cluster of Warren's"
        raise BadInputError("--vhost", what, "name one in which the account may declare")
    return dataclasses.replace(
        _spec(scenario, order, run_id, foreign.endpoints, foreign.ca_pem),
        stream_endpoints=tuple(
            dataclasses.replace(each, port=_STREAM_PORTS[foreign.ca_pem is not None])
            for each in foreign.endpoints
        ),
        vhost=foreign.vhost or scenario.vhost,
        users=(foreign.credentials,),
        publishers=tuple(dataclasses.replace(role, user=name) for role in scenario.publishers),
        consumers=tuple(dataclasses.replace(role, user=name) for role in scenario.consumers),
        relays=tuple(dataclasses.replace(role, user=name) for role in scenario.relays),
        objects=dataclasses.replace(scenario.objects, user=name) if scenario.objects else None,
        folder=str(folder),
    )


def _account(context: Context, name: str) -> Credentials:
    """A user's password, and its certificate where the topology asks clients for one."""
    pem = None
    if context.topology.tls.client_certificate == "required":
        pair = context.pki.leaf("clients", name)
        pem = pair.certificate.read_text(encoding="utf-8") + pair.key.read_text(encoding="utf-8")
    return Credentials(username=name, password=context.secrets.read(name), client_pem=pem)


def _spec(
    scenario: Scenario, order: Order, run_id: str, endpoints: Sequence[Endpoint], ca_pem: str | None
) -> LoadSpec:
    """The parts of a spec that do not depend on where it runs."""
    return LoadSpec(
        run_id=run_id,
        nonce=random.randbits(32) if order.part is None else order.part.nonce,
        seed=order.seed,
        profile=scenario.name,
        vhost=scenario.vhost,
        endpoints=tuple(endpoints),
        ca_pem=ca_pem,
        users=(),
        publishers=scenario.publishers,
        consumers=scenario.consumers,
        relays=scenario.relays,
        objects=scenario.objects,
        act=scenario.act,
        keep_objects=order.keep_objects,
        folder="",
        rate_per_s=scenario.rate_per_s,
        duration_s=scenario.duration_s,
        arrivals=scenario.arrivals,
        phases=scenario.phases,
        body=scenario.body,
        size_bytes=scenario.size_bytes,
        window=scenario.window,
        wakes_per_s=scenario.wakes_per_s,
        publish_deadline_s=scenario.publish_deadline_s,
        drain_silence_s=scenario.drain_silence_s,
        hold_back_s=scenario.hold_back_s,
        judge_order=scenario.judge_order,
        oracles=scenario.oracles,
        tolerances=scenario.tolerances,
        thresholds=scenario.thresholds,
        part=None if order.part is None else order.part.number - 1,
        parts=1 if order.part is None else order.part.of,
        start_at_s=None if order.part is None else order.part.start_at.timestamp(),
        held=order.held,
        params={**_params(scenario), "seed": order.seed, **order.params},
    )


def _params(scenario: Scenario) -> dict[str, Any]:
    plain = dataclasses.asdict(scenario)
    for key in ("name", "description"):
        del plain[key]
    return plain
