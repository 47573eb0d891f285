"""Definitions out of a file: what is missing is added, what differs is overwritten, nothing is deleted.

What the broker has now is kept first. https://www.rabbitmq.com/docs/definitions#import
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from warren.errors import NotReadyError, RefusedError
from warren.operating import exports, parts
from warren.operating.model import Args, Facts, Parameter, Site, Step
from warren.state import State, write_atomically

_KEEP, _RESTORE = "keep", "restore"


class RestoreDefinitions:
    summary = "import definitions from a file: add what is missing, overwrite what differs, delete nothing"
    parameters = (
        Parameter(name="file", kind="file", help="What backup-definitions wrote"),
        Parameter(
            name="accounts",
            kind="choice",
            default=_KEEP,
            choices=(_KEEP, _RESTORE),
            help="Passwords of accounts that are there: keep theirs, or restore the file's",
        ),
    )
    promise = "no connection ends; what is overwritten changes under them"
    undoing = "imports what there was before; what was added stays, and warren topology plan shows it"

    def before(self, site: Site, args: Args) -> Facts:
        export = exports.read(Path(args["file"]))
        if args["accounts"] == _RESTORE:
            _refuse_lock_out(site, export)
        sha256 = exports.digest(Path(args["file"]).read_bytes())
        kept = _kept(site.state) / f"before-restore-{site.now():%Y%m%d-%H%M%S}.json"
        return {"sha256": sha256, "kept": str(kept)}

    def steps(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:
        path, kept = Path(args["file"]), Path(facts["kept"])
        _refuse_changed(path, facts["sha256"])
        shown = _difference(site, args, path)
        left = f"what there was before is in {kept}"
        return (
            parts.look_whole(site),
            Step(what=f"keep what there is now in {kept}", do=partial(_keep, site, kept), is_act=True),
            Step(
                what=f"import {path}: {shown}", do=partial(_import, site, args, path), is_act=True, left=left
            ),
            Step(what="look whether all of it is there", do=partial(_compare, site, args, path), left=left),
            parts.wait_whole(site),
        )

    def undo(self, site: Site, args: Args, facts: Facts) -> Sequence[Step]:  # noqa: ARG002
        kept = Path(facts["kept"])
        if not kept.exists():  # then nothing was imported either
            return (parts.wait_whole(site),)
        back = partial(_back, site, kept)
        return (Step(what=f"import {kept}", do=back, is_act=True), parts.wait_whole(site))


def _kept(state: State) -> Path:
    folder = state.root / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _refuse_lock_out(site: Site, export: exports.Export) -> None:
    """Raise RefusedError where the file has another password of an account whose password is in the state
    folder: its clients would be locked out, and this command with them."""
    if stale := exports.other_passwords(export, site.secrets):
        what = f"has other passwords than the state folder for {', '.join(stale)}"
        raise RefusedError("the file", what, "leave passwords as they are: --accounts keep")


def _refuse_changed(path: Path, sha256: str) -> None:
    if exports.digest(path.read_bytes()) != sha256:
        raise RefusedError(str(path), "is not the file any more with which this was begun", "undo it first")


def _wanted(site: Site, args: Args, path: Path) -> exports.Export:
    export = exports.read(path)
    if args["accounts"] == _RESTORE:
        return export
    return exports.with_passwords_of(export, site.management.definitions())


def _difference(site: Site, args: Args, path: Path) -> exports.Difference:
    return exports.difference(_wanted(site, args, path), site.management.definitions())


def _keep(site: Site, kept: Path) -> None:
    if not kept.exists():  # of an import that had begun, what there was before it
        write_atomically(kept, exports.text(site.management.definitions()), mode=0o600)


def _import(site: Site, args: Args, path: Path) -> None:
    site.management.post("definitions", body=dict(_wanted(site, args, path)))


def _back(site: Site, kept: Path) -> None:
    site.management.post("definitions", body=dict(exports.read(kept)))


def _compare(site: Site, args: Args, path: Path) -> Facts:
    found = _difference(site, args, path)
    if found.added or found.changed:
        left = ", ".join((*found.added, *found.changed)[:3])
        raise NotReadyError("the import", f"is not complete: {found}, such as {left}")
    return {"extra": len(found.extra)}


OPERATION = RestoreDefinitions()
