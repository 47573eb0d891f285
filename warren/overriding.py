"""What ``--set`` does to a file that was read: the value at a key path is another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from warren.errors import BadInputError
from warren.nearest import meant
from warren.reader import value_of


def override(data: dict[Any, Any], key: str, value: str) -> None:
    """Set the value at a key path; an element of a list is called by its name, dots and all.

    Raises BadInputError when the path leads nowhere or the value is not YAML. A last key that is new is
    set: whether it is known is for the reader to say.
    """
    *path, last = key.split(".")
    at: Any = data
    index = 0
    while index < len(path):
        length = _name_length(at, path[index:])
        at = _child(at, ".".join(path[index : index + length]), ".".join(path[: index + length]))
        index += length
    if not isinstance(at, dict):
        where = ".".join(path)
        if isinstance(at, list):
            remedy = f"say which of them: --set {where}.{(_names(at) or ['NAME'])[0]}.{last}={value}"
        else:
            remedy = f"set it itself: --set {where}={value}"
        raise BadInputError(f"--set {key}", f"'{where}' has no keys of its own", remedy)
    try:
        at[last] = value_of(value)
    except ValueError as error:
        raise BadInputError(f"--set {key}", f"{value!r} is not a value: {error}") from error


def _names(at: Any) -> list[str]:
    """What the elements of a list are called; none of anything else."""
    return [str(each.get("name")) for each in at if isinstance(each, dict)] if isinstance(at, list) else []


def _name_length(at: Any, path: Sequence[str]) -> int:
    """How many parts of ``path`` the name of an element of the list ``at`` takes; 1 where none fits."""
    names = _names(at)
    lengths = (each for each in range(len(path), 1, -1) if ".".join(path[:each]) in names)
    return next(lengths, 1)


def _child(at: Any, part: str, path: str) -> Any:
    if isinstance(at, dict) and part in at:
        return at[part]
    if isinstance(at, list):
        for each in at:
            if isinstance(each, dict) and each.get("name") == part:
                return each
    known = [str(key) for key in at] if isinstance(at, dict) else _names(at)
    remedy = meant(part, known, f"known here: {', '.join(known) or 'no keys'}")
    raise BadInputError(f"--set {path}", "leads nowhere", remedy)
