"""The context that most commands open, in one line."""

from __future__ import annotations

import sys
from pathlib import Path

from warren.context import Context, open_context


def say(line: str) -> None:
    """Progress goes to standard error, so that a command's result can be piped."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def context(topology: Path | None = None) -> Context:
    """The context of ``topology``, or of the checkout's own."""
    return open_context(say, topology_path=topology)
