"""A file of lines of which none is lost: each is on disk before its writer goes on."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warren.errors import NotReadyError


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """A descriptor of ``path``, readable by its owner only where it is made; raises NotReadyError where it
    cannot be opened."""
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NotReadyError(str(path), f"cannot be opened: {error.strerror}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def append(path: Path, line: bytes) -> None:
    """Add ``line``, which ends with a line feed, under the file's lock, and sync it, with its folder where
    the file is new. Raises NotReadyError where it cannot be opened, OSError where it cannot be written."""
    is_new = not path.exists()
    with opened(path, os.O_RDWR | os.O_CREAT | os.O_APPEND) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line  # a writer died in mid-line: its rest must not swallow this one
        view = memoryview(line)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    if is_new:
        with opened(path.parent, os.O_RDONLY | os.O_DIRECTORY) as folder:
            os.fsync(folder)
