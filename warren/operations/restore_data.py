"""The nodes' data folders put back from a copy: messages, queues, accounts, all as it was then.

What there is now is copied first, so that it can be put back.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from warren.errors import RefusedError
from warren.operating import exports
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.operations import backup_data
from warren.operations.stop_all import starting, stopping
from warren.runtime.protocol import NodeState


class RestoreData:
    summary = "stop all nodes, put back data folders that backup-data copied, and start them"
    parameters = (Parameter(name="folder", kind="file", help="What backup-data wrote"),)
    promise = (
        "nobody is served meanwhile; what was published since the copy is gone, what was consumed is back"
    )
    undoing = "puts back the data that there were before"

    def before(self, site: Site, args: Args) -> Facts:
        folder = Path(args["folder"])
        about = backup_data.read(site, folder)
        if about["version"] != site.topology.broker.version:
            what = f"is of RabbitMQ {about['version']}, and the nodes are of {site.topology.broker.version}"
            raise RefusedError(str(folder), what, "data go back to nodes of the same version")
        if stale := exports.other_passwords(backup_data.definitions(folder), site.secrets):
            what = f"has other passwords than the state folder for {', '.join(stale)}"
            raise RefusedError(str(folder), what, "put the passwords of then into the state folder first")
        kept = site.state.root / "backups" / f"data-before-restore-{site.now():%Y%m%d-%H%M%S}"
        return {"kept": str(kept)}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:
        folder, kept = Path(args["folder"]), Path(facts["kept"])
        running = [node for node in site.nodes if site.state_of(node) is NodeState.RUNNING]
        make = Step(
            what=f"make {kept}", do=partial(kept.mkdir, 0o700, parents=True, exist_ok=True), is_act=True
        )
        stop = stopping(site, running) if running else ()
        return (*stop, make, *_keeping(site, kept), *_filling(site, folder), *starting(site, site.nodes))

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        """Only nodes whose data were copied whole can have been filled."""
        kept = Path(facts["kept"])
        complete = all(_done(kept, node) for node in site.nodes)
        running = [node for node in site.nodes if site.state_of(node) is NodeState.RUNNING]
        if not complete:
            return starting(site, site.nodes)
        stop = stopping(site, running) if running else ()
        return (*stop, *_filling(site, kept), *starting(site, site.nodes))


def _keeping(site: Site, kept: Path) -> tuple[Step, ...]:
    """A copy that is whole is not made again: by then the folder may have been filled."""
    return tuple(
        Step(
            what=f"{node}: copy the data folder that there is",
            do=partial(_keep, site, kept, node),
            is_act=True,
            left="the nodes are down",
        )
        for node in site.nodes
    )


def _keep(site: Site, kept: Path, node: str) -> None:
    if _done(kept, node):
        return
    site.copy_data(node, backup_data.file(kept, node))
    (kept / f"{node}.done").touch(mode=0o600)


def _done(kept: Path, node: str) -> bool:
    return (kept / f"{node}.done").exists()


def _filling(site: Site, folder: Path) -> tuple[Step, ...]:
    return tuple(
        Step(
            what=f"{node}: put back its data folder from {folder}",
            do=partial(site.fill_data, node, backup_data.file(folder, node)),
            is_act=True,
            left="the nodes are down, and some may have other data than the rest: start none of them",
        )
        for node in site.nodes
    )


OPERATION = RestoreData()
