"""The red switch: a lock that keeps every new fault from beginning, until somebody releases it.

Whoever breaks things asks `refuse_when_halted` first; `chaos.halting` stops what is under way.
"""

from __future__ import annotations

import json
from pathlib import Path

from chaos.context import ChaosContext
from warren.errors import NotReadyError, RefusedError
from warren.results import iso
from warren.state import write_atomically

RELEASE = "warren chaos halt --release"


def halted_since(context: ChaosContext) -> str | None:
    """Since when (ISO-8601 UTC) no fault may begin; None where they may.

    A lock that cannot be read is one all the same.
    """
    try:
        text = _lock(context).read_text(encoding="utf-8")
        return str(json.loads(text)["since"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "an unknown time"


def refuse_when_halted(context: ChaosContext) -> None:
    """Raise RefusedError while chaos is halted."""
    if (since := halted_since(context)) is not None:
        what = f"is halted since {since}: nothing may be broken"
        raise RefusedError("chaos", what, f"release it: {RELEASE}")


def write_lock(context: ChaosContext) -> str:
    """Let no fault begin from now on; since when that is. Raises NotReadyError when it cannot be written."""
    if (since := halted_since(context)) is not None:
        return since
    since = iso(context.now())
    try:
        text = json.dumps({"schema": 1, "since": since}) + "\n"
        write_atomically(_lock(context), text.encode(), mode=0o600)
    except OSError as problem:
        raise NotReadyError(str(_lock(context)), f"cannot be written: {problem.strerror}") from problem
    return since


def release(context: ChaosContext) -> bool:
    """Let faults begin again; whether they were halted. Raises NotReadyError when the lock cannot go."""
    try:
        _lock(context).unlink()
    except FileNotFoundError:
        return False
    except OSError as problem:
        raise NotReadyError(str(_lock(context)), f"cannot be removed: {problem.strerror}") from problem
    return True


def _lock(context: ChaosContext) -> Path:
    return context.journal.path.with_name("halted.json")
