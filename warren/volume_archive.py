"""Volumes as one archive on a helper's standard input (`ComposeRuntime.fill`).

So no secret stands in an argument, an environment or a world-readable place, and the owner inside is the
service's user even where the caller is not root.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable

from warren.bundle import Volume

_FOLDER = 0o755


def archive(volumes: Iterable[Volume]) -> bytes:
    """One tar archive with a folder per volume, owners and modes set; times are fixed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for volume in volumes:
            folders = {volume.name}
            for path in volume.files:
                parts = path.split("/")[:-1]
                folders |= {"/".join([volume.name, *parts[:depth]]) for depth in range(1, len(parts) + 1)}
            for folder in sorted(folders):
                tar.addfile(_entry(folder, volume, _FOLDER, 0, tarfile.DIRTYPE))
            for path, (content, mode) in sorted(volume.files.items()):
                entry = _entry(f"{volume.name}/{path}", volume, mode, len(content), tarfile.REGTYPE)
                tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _entry(path: str, volume: Volume, mode: int, size: int, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.uid, entry.gid, entry.mode, entry.size, entry.type = volume.uid, volume.gid, mode, size, kind
    return entry
