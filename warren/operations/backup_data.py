"""The nodes' data folders, messages and all, copied while every node is stopped: the only time at which they
are whole and alike. https://www.rabbitmq.com/docs/backup#rabbitmq-messages-backup
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from warren.errors import BadInputError, NotReadyError, RefusedError
from warren.json_file import read_object
from warren.operating import exports, parts
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.operations.stop_all import starting, stopping
from warren.state import write_atomically

_ABOUT, _DEFINITIONS = "backup.json", "definitions.json"
_PIECE_BYTES = 1 << 20


class BackupData:
    summary = "stop all nodes, copy their data folders, messages and all, and start them again"
    parameters = (Parameter(name="folder", kind="file", help="A new folder"),)
    promise = "nobody is served meanwhile; no confirmed message is lost"
    undoing = "starts all nodes; remove the folder"

    def before(self, site: Site, args: Args) -> Facts:  # noqa: ARG002
        folder = Path(args["folder"])
        if folder.exists() and any(folder.iterdir()):
            raise RefusedError(str(folder), "is not empty", "name a new folder")
        if not folder.parent.is_dir():
            raise RefusedError(str(folder.parent), "is no folder", "make it first")
        return {}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        """Once it is complete only the start is left."""
        folder = Path(args["folder"])
        if (folder / _ABOUT).exists():
            return starting(site, site.nodes)
        keep = Step(
            what=f"write the definitions to {folder}", do=partial(_definitions, site, folder), is_act=True
        )
        first = () if (folder / _DEFINITIONS).exists() else (parts.look_whole(site), keep)
        return (*first, *stopping(site, site.nodes), *copying(site, folder), *starting(site, site.nodes))

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        return starting(site, site.nodes)


def copying(site: Site, folder: Path) -> tuple[Step, ...]:
    """The data of every node, which is stopped, into ``folder``, and last what says that it is complete."""
    copies = [
        Step(
            what=f"{node}: copy its data folder",
            do=partial(_copy, site, folder, node),
            is_act=True,
            left="the nodes are down",
        )
        for node in site.nodes
    ]
    about = Step(what="write down what the backup is of", do=partial(_about, site, folder), is_act=True)
    return (*copies, about)


def read(site: Site, folder: Path) -> Mapping[str, Any]:
    """What a backup is of. Raises BadInputError where it is none, of other nodes or another version, or where
    a file of it is not as it was written."""
    about = read_object(folder / _ABOUT)
    if set(about.get("files", {})) != set(site.nodes):
        what = f"is of the nodes {', '.join(about.get('files', {}))}, and not of {', '.join(site.nodes)}"
        raise BadInputError(str(folder), what, "data go back to nodes of the same names")
    for node, known in about["files"].items():
        if _digest(file(folder, node)) != known:
            raise BadInputError(str(file(folder, node)), "is not what was written: it has changed since")
    return about


def definitions(folder: Path) -> exports.Export:
    """The broker's objects and accounts of the backup."""
    return exports.read(folder / _DEFINITIONS)


def file(folder: Path, node: str) -> Path:
    return folder / f"{node}.tar"


def _definitions(site: Site, folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    write_atomically(folder / _DEFINITIONS, exports.text(site.management.definitions()), mode=0o600)


def _copy(site: Site, folder: Path, node: str) -> None:
    site.copy_data(node, file(folder, node))


def _about(site: Site, folder: Path) -> Facts:
    """Last of all, so that a folder without it is known for one that is not complete."""
    if not (folder / _DEFINITIONS).exists():
        raise NotReadyError(str(folder), "lacks the definitions", "undo it, and begin again")
    digests = {node: _digest(file(folder, node)) for node in site.nodes}
    sizes = {node: file(folder, node).stat().st_size for node in site.nodes}
    about = {"schema": 1, "cluster": site.topology.cluster, "version": site.topology.broker.version}
    about |= {"made_at": site.now().isoformat(), "files": digests}
    write_atomically(folder / _ABOUT, json.dumps(about, indent=1).encode() + b"\n", mode=0o600)
    return {"bytes": sizes}


def _digest(path: Path) -> str:
    total = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while piece := handle.read(_PIECE_BYTES):
                total.update(piece)
    except OSError as error:
        raise BadInputError(str(path), f"cannot be read: {error.strerror}") from error
    return total.hexdigest()


OPERATION = BackupData()
