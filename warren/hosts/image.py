"""The image of a test host: a Debian system with systemd and sshd, built from packages like the others."""

from __future__ import annotations

from pathlib import Path

from warren import checkout
from warren.context import Context
from warren.imagebuild import Builder, base_hash, hash_files, short_hash
from warren.images import one_at_a_time
from warren.runtime.stream import Stream, stream

#: Hosts that run stay on the image that they were made of; older ones are of no use.
_KEPT = 2
_NAME = "host"


def tag(root: Path) -> str:
    """The image's name; it follows from what goes into it."""
    folder = root / "deploy" / "images" / _NAME
    return f"warren/{_NAME}:{short_hash(base_hash(root), hash_files(folder, [folder]))}"


def ensure(context: Context, *, root: Path = checkout.ROOT, follow: Stream = stream) -> str:
    """Have the image on this machine, and return its name; it is never pulled, nobody else has it.

    Raises NotReadyError with the last lines of what failed, such as apt where no mirror answers.
    """
    reference, record = tag(root), context.state.images
    with one_at_a_time(record, context.say, context.clock):
        builder = Builder(
            docker=context.engine.docker, run=context.run, follow=follow, say=context.say,
            clock=context.clock, scratch=record.parent / "image-build", root=root,
        )  # fmt: skip
        if builder.has(reference):
            return reference
        base = builder.base()
        builder.begin(_NAME)
        source = builder.context(_NAME, root / "deploy" / "images" / _NAME)
        builder.docker_build(source, reference, {"BASE": base})
        builder.forget(reference.partition(":")[0], keep=_KEPT)
        builder.step("ready")
    return reference
