"""Where the files live that are not Python: topology, templates, image recipes, generated documents."""

from __future__ import annotations

from pathlib import Path

from warren.errors import NotReadyError

#: The folder that holds ``deploy`` and ``ansible``; an installed wheel has none.
ROOT = Path(__file__).resolve().parent.parent


def path(*parts: str) -> Path:
    """A file or folder of the checkout; raises NotReadyError where this is no checkout."""
    found = ROOT.joinpath(*parts)
    if not found.exists():
        raise NotReadyError(
            str(found), "is not there: this needs Warren's checkout", "run it from a clone of the repository"
        )
    return found
