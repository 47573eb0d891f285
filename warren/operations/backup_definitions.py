"""The broker's objects, accounts with hashes of their passwords among them, as a file.

No message is in it. https://www.rabbitmq.com/docs/backup
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from warren.errors import NotReadyError, RefusedError
from warren.operating import exports
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.state import write_atomically


class BackupDefinitions:
    summary = "write the broker's definitions, hashes of passwords in them, to a file for its owner only"
    parameters = (Parameter(name="file", kind="file", help="A new file"),)
    promise = "nothing changes for them"
    undoing = "nothing is to be undone: remove the file"

    def before(self, site: Site, args: Args) -> Facts:  # noqa: ARG002
        path = Path(args["file"])
        if path.exists():
            raise RefusedError(str(path), "is there already", "name a new file")
        if not path.parent.is_dir():
            raise RefusedError(str(path.parent), "is no folder", "make it first")
        return {}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        path = Path(args["file"])
        return (
            Step(what=f"write the definitions to {path}", do=partial(_write, site, path), is_act=True),
            Step(what="read it back, and hold it against the broker", do=partial(_compare, site, path)),
        )

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        return ()


def _write(site: Site, path: Path) -> Facts:
    export = site.management.definitions()
    content = exports.text(export)
    write_atomically(path, content, mode=0o600)
    return {"sha256": exports.digest(content), "objects": exports.count(export)}


def _compare(site: Site, path: Path) -> None:
    found = exports.difference(exports.read(path), site.management.definitions())
    if found.added or found.changed or found.extra:
        what = f"differs from the broker: {found}; something has changed meanwhile"
        raise NotReadyError(str(path), what, "try again when nobody changes definitions")


OPERATION = BackupDefinitions()
