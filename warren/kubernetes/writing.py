"""Reads what is rendered beside the topology, and writes the folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from warren import checkout, rules
from warren.errors import BadInputError
from warren.kubernetes import folder
from warren.kubernetes.folder import Sources
from warren.kubernetes.place import Note, Place
from warren.render import MANAGED
from warren.state import write_atomically

#: What stands beside the parts.
_ALONE = (folder.KUSTOMIZATION, "README.md")


def render_into(
    target: Path, place: Place, topology_path: Path, *, only_check: bool
) -> tuple[list[Path], tuple[Note, ...]]:
    """Make ``target`` the rendering of ``place``, whose topology was read from ``topology_path``; returns
    what `write` does, and what the resources do not say."""
    rendered = folder.render(place, sources(topology_path))
    return write(target, folder.files(rendered), only_check=only_check), rendered.notes


def sources(topology_path: Path) -> Sources:
    """Rules and dashboards of the checkout, and the text of the topology file."""
    generated = checkout.path("dashboards", "generated")
    return Sources(
        rules={path.stem: path.read_text(encoding="utf-8") for path in rules.files()},
        dashboards={path.stem: path.read_text(encoding="utf-8") for path in sorted(generated.glob("*.json"))},
        topology_text=topology_path.read_text(encoding="utf-8"),
    )


def write(target: Path, files: Mapping[Path, str], *, only_check: bool) -> list[Path]:
    """Make ``target`` hold ``files``; returns those that differed or were missing, and what was ours and is
    no more. With ``only_check`` nothing is written.

    Raises BadInputError, before anything is written, where it holds files that Warren did not make.
    """
    strangers = [path for path in _there(target) if not _ours(target, path)]
    if strangers:
        names = ", ".join(sorted(str(path.relative_to(target)) for path in strangers)[:3])
        raise BadInputError(
            str(target), f"holds {names}, not made by Warren", "give an empty folder, or move them away"
        )
    changed = [path for path, text in files.items() if _text(target / path) != text]
    surplus = [path.relative_to(target) for path in _there(target) if path.relative_to(target) not in files]
    if only_check:
        return [*changed, *surplus]
    for path in changed:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target / path, files[path].encode(), mode=0o644)
    for path in surplus:
        (target / path).unlink()
    return [*changed, *surplus]


def _there(target: Path) -> list[Path]:
    if target.exists() and not target.is_dir():
        raise BadInputError(str(target), "is a file", "give a folder")
    return [path for path in target.rglob("*") if path.is_file()]


def _ours(target: Path, path: Path) -> bool:
    """Whether a rendering may have made ``path``: other files that Warren generates are none of these."""
    place = path.relative_to(target)
    if str(place) not in _ALONE and not (str(place.parent) in folder.PARTS and place.suffix == ".yaml"):
        return False
    try:
        return MANAGED in path.read_text(encoding="utf-8").partition("\n")[0]
    except UnicodeDecodeError:
        return False


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
