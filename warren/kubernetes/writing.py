"""Reads what is rendered beside the topology, and writes the folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from warren import checkout, rules
from warren.errors import BadInputError
from warren.kubernetes.folder import Sources
from warren.render import MANAGED
from warren.state import write_atomically


def sources(topology_path: Path) -> Sources:
    """Rules and dashboards of the checkout, and the text of the topology file."""
    generated = checkout.path("dashboards", "generated")
    return Sources(
        rules={path.stem: path.read_text(encoding="utf-8") for path in rules.files()},
        dashboards={path.stem: path.read_text(encoding="utf-8") for path in sorted(generated.glob("*.json"))},
        topology_text=topology_path.read_text(encoding="utf-8"),
    )


def write(folder: Path, files: Mapping[Path, str], *, only_check: bool) -> list[Path]:
    """Make ``folder`` hold ``files``; returns those that differed or were missing, and what was ours and is
    no more. With ``only_check`` nothing is written.

    Raises BadInputError, before anything is written, where the folder holds files that Warren did not make.
    """
    strangers = [path for path in _there(folder) if not _ours(path)]
    if strangers:
        names = ", ".join(sorted(str(path.relative_to(folder)) for path in strangers)[:3])
        raise BadInputError(
            str(folder), f"holds {names}, not made by Warren", "give an empty folder, or move them away"
        )
    changed = [path for path, text in files.items() if _text(folder / path) != text]
    surplus = [path.relative_to(folder) for path in _there(folder) if path.relative_to(folder) not in files]
    if only_check:
        return [*changed, *surplus]
    for path in changed:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / path, files[path].encode(), mode=0o644)
    for path in surplus:
        (folder / path).unlink()
    return [*changed, *surplus]


def _there(folder: Path) -> list[Path]:
    if folder.exists() and not folder.is_dir():
        raise BadInputError(str(folder), "is a file", "give a folder")
    return [path for path in folder.rglob("*") if path.is_file()]


def _ours(path: Path) -> bool:
    try:
        return MANAGED in path.read_text(encoding="utf-8").partition("\n")[0]
    except UnicodeDecodeError:
        return False


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
