"""Builds the site of an operation from the cluster at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from warren import bundle, cluster, layout, node_settings, service_bundle, volume_writing
from warren.context import Context
from warren.json_file import read_object
from warren.operating import on_hosts
from warren.operating.handshake import serial, takes
from warren.operating.model import Site
from warren.topology import Node


def site_of(context: Context) -> Site:
    """The parts of ``context`` that operations need; raises NotReadyError without an engine or a cluster, and
    as `on_hosts.site_of` does where the nodes are services of hosts."""
    if context.inventory is not None:
        return on_hosts.site_of(context, _now)
    context.runtime.refuse_foreign()
    return Site(
        runtime=context.runtime,
        topology=context.topology,
        management=context.management,
        secrets=context.secrets,
        pki=context.pki,
        state=context.state,
        keeps_data=partial(_keeps_data, context),
        empty_data=partial(_empty_data, context),
        copy_data=context.runtime.copy_data,
        fill_data=partial(_fill_data, context),
        among=partial(_among, context),
        laid_out=lambda: node_settings.nodes(context.state),
        lay_out=partial(layout.lay_out, context),
        make_anew=partial(layout.make_anew, context),
        have_services_take=lambda: _have_services_take(context),
        whole=lambda deadline_s: cluster.wait_ready(context, deadline_s=deadline_s),
        serial=serial,
        takes=takes,
        clock=context.clock,
        now=_now,
        say=context.say,
        anew_from=context.topology.images["rabbitmq"],
    )


def _have_services_take(context: Context) -> None:
    """Write what has changed of their volumes, and restart those whose it is."""
    bundle.prepare(context.material, nodes=False)
    volumes = service_bundle.volumes(context.material, grafana=context.runtime.runs("grafana"))
    image = _image(context)
    existing = context.runtime.volumes()
    present = [each for each in volumes if each.name in existing and not each.name.endswith("-data")]
    volume_writing.write(context, present, image=image, running=(), existing=existing)


def _among(context: Context, names: Sequence[str]) -> Site:
    nodes = tuple(Node(name=name) for name in names)
    return site_of(replace(context, topology=replace(context.topology, nodes=nodes)))


def _keeps_data(context: Context, node: str) -> bool:
    if f"{node}-data" not in context.runtime.volumes():
        return False
    return context.runtime.keeps_data(node, image=_image(context))


def _empty_data(context: Context, node: str) -> None:
    """As `cluster up` makes a new node's volume: with the cookie in it and nothing else."""
    data = _data(context, node)
    context.runtime.fill([data], image=_image(context), emptied=[data.name])


def _fill_data(context: Context, node: str, archive: Path) -> None:
    context.runtime.fill_data(node, archive)
    context.runtime.fill([_data(context, node)], image=_image(context))


def _data(context: Context, node: str) -> bundle.Volume:
    return bundle.node_volumes(context.material, node)[1]


def _image(context: Context) -> str:
    """The one of which the nodes were made, for a container that writes into their volumes."""
    return str(read_object(context.state.rendered / "nodes.json")["image"])


def _now() -> datetime:
    return datetime.now(UTC)
