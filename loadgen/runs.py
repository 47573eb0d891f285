"""From what a user calls runs by to their folders and results."""

from __future__ import annotations

from pathlib import Path

from warren.errors import BadInputError

RESULT = "result.json"
_SHOWN = 5


def folders(given: str, runs: Path, *, holding: str) -> list[Path]:
    """The folders called ``given``: a path, or a run's id or a pattern of ids below ``runs``.

    Only folders that hold a file called ``holding`` count. Raises BadInputError, naming the latest runs,
    when there is none.
    """
    path = Path(given).expanduser()
    if (path / holding).is_file():
        return [path]
    found: list[Path] = []
    if given and "/" not in given:
        found = [each.parent for each in runs.glob(f"{given}/{holding}")]
    if not found:
        known = sorted(runs.glob(f"*/{holding}"), key=lambda each: each.stat().st_mtime, reverse=True)
        latest = ", ".join(each.parent.name for each in known[:_SHOWN]) or "none"
        what = f"is no run: no folder of this name holds a {holding}"
        raise BadInputError(given, what, f"the latest runs are: {latest}")
    return sorted(found)


def results(given: str, runs: Path) -> list[Path]:
    """The result files called ``given``: a file, a folder of a run or of several, a run's id or a pattern;
    several of them with commas between. Each once, however often it was named."""
    found: list[Path] = []
    for each in given.split(","):
        path = Path(each).expanduser()
        if path.is_file():
            found.append(path)
        elif path.is_dir() and not (path / RESULT).is_file():
            found += _below(path)
        else:
            found += [folder / RESULT for folder in folders(each, runs, holding=RESULT)]
    once: dict[Path, Path] = {}
    for path in found:
        once.setdefault(path.resolve(), path)
    return list(once.values())


def _below(folder: Path) -> list[Path]:
    """The results in a folder of runs, or result files that lie in it."""
    nested = sorted(folder.glob(f"*/{RESULT}"))
    plain = sorted(folder.glob("*.json"))
    if not nested and not plain:
        raise BadInputError(str(folder), "holds no result of a run", f"give a folder with {RESULT} files")
    return nested or plain
