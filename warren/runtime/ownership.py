"""Whose cluster it is: its volumes carry the state folder that they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from warren.errors import RefusedError
from warren.state import State


def refuse_foreign(cluster: str, owner: Mapping[str, str], state: State) -> None:
    """Raise RefusedError unless the labels ``owner`` (``warren.state``: path, ``warren.state-id``) of a
    volume of ``cluster`` name ``state``; the remedy fits what has happened to the folder."""
    path, same = owner.get("warren.state", "no state folder"), owner.get("warren.state-id") == state.id
    if same and path == str(state.root):
        return
    where = f"cluster '{cluster}'"
    last = "or remove the cluster with its messages: warren cluster destroy"
    if same:
        what = f"was made from the state folder {path}, which is now at {state.root}"
        raise RefusedError(where, what, f"move the folder back, {last}")
    if path == str(state.root):
        what = f"was made from an earlier {path}, whose passwords and certificates are gone"
        raise RefusedError(where, what, f"put that folder back, {last}")
    what = f"belongs to the state folder {path}, not to {state.root}"
    parent = PurePosixPath(path).parent
    remedy = f"set WARREN_STATE={parent} to work with it, or give this one another name, {last}"
    raise RefusedError(where, what, remedy)
