"""Knows a process again: a number alone may long be another one's.

https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html, https://man7.org/linux/man-pages/man2/pidfd_open.2.html
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Of what follows the program's name in its line, the time of its start is the twentieth.
_STARTED = 19


def birth(process: int) -> str | None:
    """When a process of this machine started, in ticks of this boot, as a mark that no other process with its
    number has; None when there is no such process."""
    try:
        line = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")
    except OSError:
        return None
    return f"{boot[:8]}-{line.rpartition(')')[2].split()[_STARTED]}"


def ask_to_end(process: int, born: str) -> bool:
    """Send SIGTERM to the process that was ``born`` so; whether there was one, and it was ours to ask."""
    with _held(process, born) as handle:
        if handle is None:
            return False
        try:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def wait_for_end(process: int, born: str, timeout_s: float) -> bool:
    """Wait until the process that was ``born`` so has ended; whether it has within ``timeout_s``."""
    with _held(process, born) as handle:
        return handle is None or bool(select.select([handle], [], [], timeout_s)[0])


@contextmanager
def _held(process: int, born: str) -> Iterator[int | None]:
    """A descriptor of that very process, which stays its own even when it ends meanwhile; None where it is
    not, or is another one's by now."""
    try:
        handle = os.pidfd_open(process)
    except (ProcessLookupError, PermissionError):
        yield None
        return
    try:
        yield handle if birth(process) == born else None
    finally:
        os.close(handle)
