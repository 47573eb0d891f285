"""What a cluster's containers are made of, by the topology as it is now; and more or fewer of them made while
the others serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from warren import bundle, checkout, disk_faults, node_settings, render, service_bundle, volume_writing
from warren.context import Context
from warren.images import ImageRef, Policy, ensure_images
from warren.reader import plain
from warren.runtime.protocol import NodeState
from warren.state import write_atomically


def images(context: Context, policy: Policy) -> dict[str, ImageRef]:
    """Where each image of the topology comes from, had now; raises NotReadyError."""
    return ensure_images(
        context.topology.images,
        engine=context.engine,
        run=context.run,
        record=context.state.images,
        build_root=checkout.ROOT,
        say=context.say,
        policy=policy,
    )


def settings(
    context: Context, images: Mapping[str, ImageRef], disk_paths: Mapping[str, str] | None
) -> tuple[dict[str, str], str, dict[str, str]]:
    """What Compose is told, the Compose file, and what nodes are started with."""
    environment = {f"WARREN_IMAGE_{name.upper()}": ref.reference for name, ref in images.items()}
    limit = context.runtime.open_files_limit(environment["WARREN_IMAGE_RABBITMQ"])
    environment["WARREN_OPEN_FILES"] = str(limit)
    compose = render.compose_file(context.topology, grafana="grafana" in images, disk_faults=disk_paths)
    return environment, compose, node_settings.wanted(context.topology, compose, environment, context.state)


def make_anew(context: Context, node: str) -> None:
    """Make a stopped ``node`` anew from the image and the settings of the topology, its data kept; it is not
    started. The image is had as `warren.cluster.up` has it. Raises NotReadyError."""
    found, environment, compose, wanted = _as_before(context)
    write_atomically(context.state.compose_file, compose.encode(), mode=0o600)
    config = bundle.node_volumes(context.material, node)[0]
    context.runtime.fill([config], image=found["rabbitmq"].reference, emptied=[config.name])
    context.runtime.recreate(environment, node)
    node_settings.save(context.state, wanted)


def lay_out(context: Context, gone: Sequence[str]) -> None:
    """Have the containers that the topology asks for, while its nodes serve.

    Nodes that are not there are made, with nothing on their disks, and not started; those that are there are
    left as they are, with the settings they have. The containers of those that are ``gone``, which are
    stopped and none of the topology's, are removed with all that is on their disks. The services around the
    nodes are told which there are, and run. Raises NotReadyError.
    """
    found, environment, compose, _ = _as_before(context)
    runtime, image = context.runtime, found["rabbitmq"].reference
    bundle.prepare(context.material)
    write_atomically(context.state.compose_file, compose.encode(), mode=0o600)
    existing = runtime.volumes()
    there = [node for node, state in runtime.states().items() if state is not NodeState.ABSENT]
    services = list(plain(compose)["services"])
    nodes = [node.name for node in context.topology.nodes]
    runtime.create(environment, services=services, keep=there)
    for node in [each for each in nodes if each not in there]:
        volumes = bundle.node_volumes(context.material, node)
        runtime.fill(volumes, image=image, emptied=[each.name for each in volumes])
    around = list(service_bundle.volumes(context.material, grafana="grafana" in found))
    volume_writing.write(context, around, image=image, running=(), existing=existing)
    runtime.start_services(environment, [each for each in services if each not in nodes])
    runtime.remove_data(gone)


def _as_before(
    context: Context,
) -> tuple[dict[str, ImageRef], dict[str, str], str, dict[str, str]]:
    """Images and settings, for disk faults where the nodes were made for them."""
    breakable = disk_faults.settle(context.state, context.runtime.states(), None)
    found = images(context, "auto")
    if breakable:
        found["rabbitmq"] = disk_faults.add_library(context, found["rabbitmq"])
    return found, *settings(context, found, disk_faults.PATHS if breakable else None)
