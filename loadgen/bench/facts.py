"""What a figure depends on besides the client: the machine, and the versions of all that took part."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from loadgen.bench import perftest
from warren.context import Context

_VERSIONS = (
    "import importlib.metadata as m, platform as p; "
    "print(p.python_version(), m.version('pika'), m.version('rstream'))"
)
_ASK_S = 30.0


def facts(context: Context, *, ours: str, theirs: str | None, root: Path) -> dict[str, Any]:
    """JSON-ready. ``ours`` and ``theirs`` are the images of the two clients, where it is not Warren alone."""
    overview = context.management.overview()
    argv = [context.engine.docker, "run", "--rm", "--network", "none", "--entrypoint", "python3", ours]
    said = context.run([*argv, "-c", _VERSIONS], timeout_s=_ASK_S).stdout.split()
    python, pika, rstream = (*said, *("unknown",) * 3)[:3]
    other = {"rstream": rstream}
    if theirs is not None:
        other = {"perftest": perftest.version(root), "java": perftest.java_version(context, theirs)}
    return {
        "cores": os.cpu_count() or 1,
        "processor": _processor(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "nodes": len(context.topology.nodes),
        "broker": overview.rabbitmq_version,
        "erlang": overview.erlang_version,
        "python": python,
        "pika": pika,
        **other,
    }


def _processor() -> str:
    """The model, from /proc/cpuinfo (proc(5)); empty where that says none."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return ""
