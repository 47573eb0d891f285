"""A run's own metrics: scraped by the cluster's Prometheus for as long as the run lasts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from loadgen.container import Place
from warren.context import Context
from warren.state import write_atomically

#: A target this young may belong to a run whose container is just being started.
_STARTING_S = 120.0


@contextmanager
def announced(context: Context, run_id: str, place: Place) -> Iterator[dict[str, str]]:
    """A certificate for the run's metrics, and its target in Prometheus, for as long as it lasts."""
    _forget_dead(context, place)
    host = f"{place.cluster}-load-{run_id}"
    name = f"load-{run_id}"
    target = context.state.targets / f"{name}.json"
    pair = context.pki.ensure_leaf("cluster", name, hosts=(host,), purpose="server")
    address = f"{host}:{context.topology.ports.load}"
    try:
        content = json.dumps([{"targets": [address], "labels": {"run_id": run_id}}])
        write_atomically(target, content.encode(), mode=0o644)
        yield {
            "certificate": pair.certificate.read_text(encoding="utf-8"),
            "key": pair.key.read_text(encoding="utf-8"),
            "client_ca": context.pki.authority("scrape").certificate.read_text(encoding="utf-8"),
        }
    finally:
        for path in (target, pair.certificate, pair.key):
            path.unlink(missing_ok=True)


def _forget_dead(context: Context, place: Place) -> None:
    """Take away the targets of runs whose launcher was killed before it could, and that have ended since."""
    listing = [place.docker, "ps", "--filter", "label=warren.role=load", "--format", "{{.Names}}"]
    alive = context.run(listing, timeout_s=20).stdout.split()
    for target in context.state.targets.glob("load-*.json"):
        is_new = time.time() - target.stat().st_mtime < _STARTING_S
        if not is_new and f"{place.cluster}-{target.stem}" not in alive:
            pair = context.pki.leaf("cluster", target.stem)
            for path in (target, pair.certificate, pair.key):
                path.unlink(missing_ok=True)
