"""Where the files live that are not Python: topology, templates, image recipes, generated documents."""

from __future__ import annotations

from pathlib import Path

from warren.errors import NotReadyError

#: The folder that holds ``deploy`` and ``ansible``; an installed wheel has none.
ROOT = Path(__file__).resolve().parent.parent


def topology(given: Path | str | None = None) -> Path:
    """The topology file that was ``given``, else the checkout's own; raises NotReadyError where there is
    none."""
    if given:
        return Path(given)
    found = ROOT / "deploy" / "topology.yml"
    if not found.exists():
        raise NotReadyError(str(found), "is not there: this is no checkout of Warren", "name one: --topology")
    return found


def path(*parts: str) -> Path:
    """A file or folder of the checkout; raises NotReadyError where this is no checkout."""
    found = ROOT.joinpath(*parts)
    if not found.exists():
        raise NotReadyError(
            str(found), "is not there: this needs Warren's checkout", "run it from a clone of the repository"
        )
    return found
