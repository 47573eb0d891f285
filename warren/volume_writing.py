"""Brings what a cluster's volumes hold up to date, and has it read by what runs."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from warren import process
from warren.bundle import Volume
from warren.context import Context
from warren.state import write_atomically

_TOOL_S = 30.0


def write(
    context: Context,
    volumes: Sequence[Volume],
    *,
    image: str,
    running: Collection[str],
    existing: Collection[str],
    read: bool = True,
) -> None:
    """Write every volume that is not among those ``existing``, or whose content is not what was written last.

    The files of a ``running`` node can only differ by renewed certificates, for its settings are the same;
    those it takes without a restart, and they are replaced one by one. A service is restarted, and what a
    stopped container's configuration held before is removed. Without ``read`` what runs is not told: what
    changed is for a later start. ``image`` is one with a shell and tar.
    """
    applied = _applied(context) if existing else {}
    live = {f"{node}-config" for node in running}
    stale = [
        volume
        for volume in volumes
        if (volume.name not in existing or applied.get(volume.name) != volume.digest())
        and volume.name.removesuffix("-data") not in running
    ]
    if not stale:
        return
    emptied = [each.name for each in stale if each.name.endswith("-config") and each.name not in live]
    context.runtime.fill(stale, image=image, emptied=emptied)
    for volume in stale if read else ():
        _have_read(context, volume.name.removesuffix("-config"), running)
    _save_applied(context, {**applied, **{volume.name: volume.digest() for volume in stale}})


def _have_read(context: Context, service: str, running: Collection[str]) -> None:
    if service in running:
        context.say(f"{service} takes its renewed certificates")
        # https://www.rabbitmq.com/docs/ssl#rotation: listeners read them anew once the cache is empty.
        clear = ["rabbitmqctl", "eval", "ssl:clear_pem_cache()."]
        done = context.runtime.execute(service, clear, timeout_s=_TOOL_S)
        process.check(done, "make cluster-up")
    elif service not in {node.name for node in context.topology.nodes} and context.runtime.runs(service):
        context.runtime.restart_service(service)


def _applied(context: Context) -> dict[str, str]:
    """Digests of the volumes as they were last written; empty where that is not known."""
    try:
        return dict(json.loads((context.state.root / "applied.json").read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}


def _save_applied(context: Context, applied: Mapping[str, str]) -> None:
    content = json.dumps(applied, indent=1).encode()
    write_atomically(context.state.root / "applied.json", content, mode=0o600)
