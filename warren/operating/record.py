"""The operation under way, on disk: what is about to be done is written down before it is done.

One at a time: a cluster in the middle of a procedure is no ground for another. Whoever comes after a driver
that died reads here what had been begun, and with which facts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from warren.errors import NotReadyError
from warren.json_file import read_object
from warren.state import State, write_atomically

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """``stopped`` says where it ended badly, empty while it goes on or where its driver died."""

    name: str
    args: Mapping[str, str]
    began_at: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    stopped: str = ""


def path(state: State) -> Path:
    return state.root / "operation.json"


def read(state: State) -> Record | None:
    """The operation that was begun and has not ended; None where there is none.

    Raises NotReadyError where the file is none of ours.
    """
    if not path(state).exists():
        return None
    found = read_object(path(state))
    try:
        if found["schema"] != SCHEMA:
            raise ValueError(f"schema {found['schema']}")
        return Record(**{key: value for key, value in found.items() if key != "schema"})
    except (KeyError, TypeError, ValueError) as error:
        what = f"is no record of an operation of this version: {error}"
        raise NotReadyError(str(path(state)), what, "look at it, and move it away") from error


def write(state: State, record: Record) -> None:
    """Write it down, synced, before the act; raises NotReadyError when it cannot be: no act must follow."""
    content = json.dumps({"schema": SCHEMA, **asdict(record)}, indent=1) + "\n"
    try:
        write_atomically(path(state), content.encode(), mode=0o600)
    except OSError as error:
        raise NotReadyError(str(path(state)), f"cannot be written: {error.strerror}") from error


def close(state: State) -> None:
    """The operation has ended, or is undone."""
    path(state).unlink(missing_ok=True)
