"""Builds the site of an operation from the cluster at hand."""

from __future__ import annotations

from datetime import UTC, datetime

from warren import bundle, cluster, volume_writing
from warren.context import Context
from warren.json_file import read_object
from warren.operating.handshake import serial
from warren.operating.model import Site


def site_of(context: Context) -> Site:
    """The parts of ``context`` that operations need; raises NotReadyError without an engine or a cluster."""
    context.runtime.refuse_foreign()
    return Site(
        runtime=context.runtime,
        topology=context.topology,
        management=context.management,
        secrets=context.secrets,
        pki=context.pki,
        state=context.state,
        have_services_take=lambda: _have_services_take(context),
        whole=lambda deadline_s: cluster.wait_ready(context, deadline_s=deadline_s),
        serial=serial,
        clock=context.clock,
        now=_now,
        say=context.say,
    )


def _have_services_take(context: Context) -> None:
    """Write what has changed of their volumes, and restart those whose it is."""
    volumes = bundle.service_volumes(context.material, grafana=context.runtime.runs("grafana"))
    image = read_object(context.state.rendered / "nodes.json")["image"]
    existing = context.runtime.volumes()
    present = [each for each in volumes if each.name in existing and not each.name.endswith("-data")]
    volume_writing.write(context, present, image=image, running=(), existing=existing)


def _now() -> datetime:
    return datetime.now(UTC)
