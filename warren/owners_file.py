"""Files that the operator lays into the state folder, for a setting of the topology that names them."""

from __future__ import annotations

from pathlib import Path

from warren.errors import NotReadyError

_OTHERS_MAY_READ = 0o077


def read(path: Path, place: str, *, private: bool) -> bytes:
    """The content of ``path``, which the setting ``place`` names.

    Raises NotReadyError where it is missing or empty, or where it is ``private`` and others than its owner
    may read it.
    """
    if not path.is_file():
        raise NotReadyError(str(path), f"is not there, and {place} names it", "write it, or take it out")
    if private and path.stat().st_mode & _OTHERS_MAY_READ:
        raise NotReadyError(str(path), "others than its owner may read it", f"chmod 600 {path}")
    content = path.read_bytes()
    if not content.strip():
        raise NotReadyError(str(path), "is empty", f"put into it what {place} needs")
    return content
