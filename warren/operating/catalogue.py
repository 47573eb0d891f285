"""Every operation there is, by the names of their files."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import warren.operations
from warren import siblings
from warren.operating.model import Args, Operation
from warren.topology import Topology


@cache
def names() -> tuple[str, ...]:
    """The operations' names, as their commands are called."""
    return siblings.names(warren.operations)


def load(name: str) -> Operation:
    """The operation called ``name``; raises BadInputError naming those there are."""
    operation: Operation = siblings.named(warren.operations, "operation", name).OPERATION
    return operation


def arguments(topology: Topology, operation: Operation, given: Mapping[str, str | None]) -> Args:
    """What the user has said, with defaults and whole paths, so that it can be gone on with from anywhere.

    Raises BadInputError for a node or user that is none."""
    found = {each.name: given.get(each.name) or each.default or "" for each in operation.parameters}
    for each in operation.parameters:
        if each.kind == "file":
            found[each.name] = str(Path(found[each.name]).absolute())
        each.refuse_unknown(topology, found[each.name])
    return found


def command(name: str, args: Args, options: Sequence[str] = ()) -> str:
    """What to type for ``name`` with ``args`` where the place is said by ``options``."""
    words = ["warren", "cluster", name]
    for each in load(name).parameters:
        if each.default is None:
            words.append(args[each.name])
        elif args[each.name] != each.default:
            words += [f"--{each.name}", args[each.name]]
    return shlex.join([*words, *options])
