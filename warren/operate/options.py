"""What most commands share: the options for a topology and a result file, and the context in one line."""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from typing import Any

from warren.console import let_go_of_dead_terminal
from warren.context import Context, open_context
from warren.errors import BadInputError, NotReadyError


def say(line: str) -> None:
    """Progress goes to standard error, so that a command's result can be piped.

    Where its reader has gone (``2>&1 | head``, a closed terminal) nothing is said any more: a fault that
    waits to be healed must not be left because nobody listens.
    """
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except BrokenPipeError:
        return
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        let_go_of_dead_terminal()


def context(topology: Path | None = None) -> Context:
    """The context of ``topology``, or of the checkout's own."""
    return open_context(say, topology_path=topology)


def check_writable(path: Path | None) -> None:
    """Raise BadInputError when a result cannot be written to ``path``, before the work is done for it."""
    if path is None:
        return
    if not path.absolute().parent.is_dir():
        raise BadInputError("--json", f"there is no folder {path.absolute().parent}", "make it first")
    existed = path.exists()
    if existed and not path.is_file():
        return  # a pipe, say: to open it is to use it
    try:
        with path.open("a"):
            pass
    except OSError as error:
        raise BadInputError(
            "--json", f"{path} cannot be written: {error.strerror}", "give another file"
        ) from error
    if not existed:
        path.unlink(missing_ok=True)


def write_json(path: Path | None, result: Any) -> None:
    """Write ``result`` where ``--json`` said, if it did. Raises NotReadyError where that fails: the work is
    done by now."""
    if path is None:
        return
    try:
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise NotReadyError(
            "--json", f"{path} cannot be written: {error.strerror}", "what was done stays done; see above"
        ) from error
