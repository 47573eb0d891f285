"""The renderer's files: our own modules, and uPlot out of the installed ``uplot-python`` wheel."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dashboards.view.bundle import bundle
from warren.errors import NotReadyError

STATIC = Path(__file__).parent / "static"
UPLOT_FILES = ("uPlot.iife.js", "uPlot.min.css")
#: All modules as one script: as forty requests, one that a browser breaks off leaves no page.
SCRIPT = "view.js"
_FILES = ("index.html", "view.css", "again.js")

_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file as it is sent."""

    body: bytes
    content_type: str


def uplot_folder() -> Path:
    """The folder of uPlot's script and style sheet.

    The package is found, not imported: its Python side needs packages that drawing does not.
    Raises NotReadyError where it is not installed.
    """
    spec = importlib.util.find_spec("uplot")
    for place in (spec.submodule_search_locations if spec else None) or ():
        folder = Path(place) / "static"
        if all((folder / name).is_file() for name in UPLOT_FILES):
            return folder
    raise NotReadyError("uplot", "the package uplot-python is not installed", "run make to set up .venv")


def load_assets() -> Mapping[str, Asset]:
    """Every file that may be asked for, by name. Nothing else can be: no request reaches the file system."""
    folder = uplot_folder()
    paths = [*(STATIC / name for name in _FILES), *(folder / name for name in UPLOT_FILES)]
    files = {path.name: Asset(body=path.read_bytes(), content_type=_TYPES[path.suffix]) for path in paths}
    return {**files, SCRIPT: Asset(body=bundle((STATIC,), "main").encode(), content_type=_TYPES[".js"])}
