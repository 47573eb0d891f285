"""From what a user names a run by to its result file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from warren.errors import BadInputError
from warren.state import base_folder

RESULT = "result.json"
_SHOWN = 5


def find_result(run: str, env: Mapping[str, str]) -> Path:
    """The result file of ``run``: a file, a run's folder, a run's id in any cluster's state, or ``last``.

    Raises BadInputError, naming runs that are there, when it is none of these.
    """
    given = Path(run).expanduser()
    if given.is_file():
        return given
    if (given / RESULT).is_file():
        return given / RESULT
    known = _known(env)
    for path in known:
        if run in (path.parent.name, "last"):
            return path
    names = ", ".join(path.parent.name for path in known[:_SHOWN]) or "none"
    raise BadInputError(
        run, "is neither a result file nor a run in the state folder", f"the latest runs are: {names}"
    )


def _known(env: Mapping[str, str]) -> list[Path]:
    """Results of all clusters' runs, the latest first."""
    found = base_folder(env).glob(f"*/runs/*/{RESULT}")
    return sorted(found, key=lambda path: (path.stat().st_mtime, path.parent.name), reverse=True)
