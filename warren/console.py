"""How engines speak to a person while they work: a callable that takes one line."""

from __future__ import annotations

import errno
import os
from typing import Protocol

_OUTPUTS = (1, 2)


class Say(Protocol):
    """Prints one line of progress; engines never print by themselves."""

    def __call__(self, line: str) -> None: ...


def silent(line: str) -> None:
    """A `Say` that drops everything."""


def let_go_of_dead_terminal() -> None:
    """Where standard output or error is a terminal that was closed, send it nowhere from now on.

    Each word to such a terminal raises an error (EIO), and whatever speaks while it drains or heals would end
    of it. A terminal that lives, a file and a pipe stay what they are.
    """
    for output in _OUTPUTS:
        try:
            os.write(output, b"")
        except OSError as error:
            if error.errno == errno.EIO:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, output)
                os.close(nowhere)


def shorten(text: str, width: int = 160) -> str:
    """``text`` on one line, cut to ``width`` characters with an ellipsis."""
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"
