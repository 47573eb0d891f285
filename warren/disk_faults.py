"""Clusters whose disks can be made slow, full or broken: nodes preload a library that does so when told to.

A way to bring a cluster up, and no property of it: the topology says what is deployed, and nobody deploys
this. The state folder remembers it. What the library does: deploy/images/disk-faults/disk_faults.c.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from warren import checkout
from warren.context import Context
from warren.errors import RefusedError
from warren.imagebuild import Builder, hash_files, short_hash, version_of
from warren.images import ImageRef
from warren.process import check
from warren.runtime.protocol import NodeState
from warren.runtime.stream import Stream, stream
from warren.state import State, write_atomically

#: The file by which the library is told, mapped by every process of a node. In memory, so that it ends with
#: the container.
CONTROL = "/run/warren/disk-faults"
#: What the Compose file needs to know: paths inside a node's container.
PATHS: Mapping[str, str] = {
    "library": "/usr/local/lib/warren/disk_faults.so",
    "folder": "/run/warren",
    "control": CONTROL,
}
_NAME = "disk-faults"
#: Images for other versions of the broker, or of earlier sources, that stay.
_KEPT = 3
_ASK_S = 30.0


def settle(state: State, nodes: Mapping[str, NodeState], asked: bool | None) -> bool:
    """Whether nodes are to be made for disk faults: as ``asked``, or (None) as they were when last asked.

    Raises RefusedError where nodes run (or are frozen) that are not as asked: they would have to be replaced.
    """
    before = _record(state).exists()
    if asked is None or asked == before:
        return before
    if alive := [node for node, each in nodes.items() if each in (NodeState.RUNNING, NodeState.PAUSED)]:
        how = "without" if asked else "with"
        flag = f"--with{'' if asked else 'out'}-disk-faults"
        raise RefusedError(
            ", ".join(alive),
            f"{'runs' if len(alive) == 1 else 'run'} {how} the library of disk faults; nothing was touched",
            f"stop first, messages are kept: warren cluster down, then warren cluster up {flag}",
        )
    if asked:
        write_atomically(_record(state), b"nodes preload the library of disk faults\n", mode=0o600)
    else:
        _record(state).unlink()
    return asked


def add_library(context: Context, broker: ImageRef, *, follow: Stream = stream) -> ImageRef:
    """The image of ``broker`` with the library in it, built where it is not there yet.

    Raises NotReadyError when the build fails: it installs a compiler in a stage of its own.
    """
    builder = Builder(
        docker=context.engine.docker, run=context.run, follow=follow, say=context.say, clock=context.clock,
        scratch=context.state.images.parent / "image-build", root=checkout.ROOT,
    )  # fmt: skip
    inspect = [context.engine.docker, "image", "inspect", "--format", "{{.Id}}", broker.reference]
    stands_on = check(context.run(inspect, timeout_s=_ASK_S), "warren cluster up").stdout.strip()
    source = checkout.path("deploy", "images", _NAME)
    version = version_of(broker.reference).partition("-")[0]
    tag = f"warren/{_NAME}:{version}-{short_hash(stands_on, hash_files(source, [source]))}"
    if not builder.has(tag):
        builder.begin(_NAME)
        builder.step(f"compile the library for {broker.reference}")
        builder.docker_build(builder.context(_NAME, source), tag, {"RABBITMQ": broker.reference})
        builder.forget(tag.partition(":")[0], keep=_KEPT)
        builder.step("ready")
    note = f"{broker.reference} with the library of disk faults"
    return replace(broker, reference=tag, origin="built", digest=None, note=note)


def _record(state: State) -> Path:
    return state.root / _NAME
