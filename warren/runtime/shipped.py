"""A Python module of ours as an archive, for a host that has Python and nothing of Warren."""

from __future__ import annotations

import importlib.util
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from warren.errors import NotReadyError


def archive(module: str) -> bytes:
    """The files of the package called ``module`` and the ``__init__.py`` of those it lies in, as a tar file
    whose top can be put into ``PYTHONPATH``. What it imports besides has to be the standard library's."""
    spec = importlib.util.find_spec(module)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise NotReadyError(module, "is no package that could be sent to a host", "report this bug")
    folder, parts = Path(places[0]), module.split(".")
    files = {f"{'/'.join(parts)}/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.py"))}
    for depth in range(1, len(parts)):
        own = folder.parents[depth - 1] / "__init__.py"
        files[f"{'/'.join(parts[: len(parts) - depth])}/__init__.py"] = own.read_bytes()
    return tar(files, mode=0o444)


def tar(files: Mapping[str, bytes], *, mode: int) -> bytes:
    """``files`` by path, all root's and with the same mode, as a tar file."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archived:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.uname, entry.gname = len(content), mode, "root", "root"
            archived.addfile(entry, io.BytesIO(content))
    return whole.getvalue()
