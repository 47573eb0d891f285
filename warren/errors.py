"""The one tree of errors: each says where, what, and what to try, and carries an exit code.

Engines raise these; only ``warren.cli`` turns them into a message and an exit status.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

#: The run was done and its verdict passed.
EXIT_OK = 0
#: The verdict failed.
EXIT_FAILED = 1
#: Wrong usage or bad input; nothing was changed.
EXIT_BAD_INPUT = 2
#: The environment is not ready: no engine, no cluster, no right.
EXIT_NOT_READY = 3
#: No verdict can be given: the generator saturated, the fault did not bite.
EXIT_INCONCLUSIVE = 4
#: A bug of ours.
EXIT_BUG = 70
#: Interrupted by the user.
EXIT_INTERRUPTED = 130

#: Of one input's faults; more than this nobody reads, and a terminal does not hold.
_MOST_TOLD = 200

#: What the machine may refuse at any moment, anywhere: not a bug, and what to try.
_TROUBLES = {
    errno.ENOSPC: "make room on that disk (df -h), then try again",
    errno.EDQUOT: "make room within your quota, then try again",
    errno.EACCES: "see whose it is: ls -ld; or set WARREN_STATE to a folder that you can write",
    errno.EPERM: "see whose it is: ls -ld; or set WARREN_STATE to a folder that you can write",
    errno.EROFS: "that disk is read-only: set WARREN_STATE to a folder that you can write",
    errno.EMFILE: "allow more open files: ulimit -n 4096",
    errno.ENFILE: "the machine has no open files left: end other programs",
    errno.ENOMEM: "the machine has no memory left: end other programs",
}


class WarrenError(Exception):
    """Something that a user can act on.

    ``where`` names the place (a file and key path, a node, a command), ``what`` the fault in one
    sentence, ``remedy`` what to try next (may be several lines; each is printed as it is).
    """

    exit_code = EXIT_BUG

    def __init__(self, where: str, what: str, remedy: str = "") -> None:
        super().__init__(where, what, remedy)
        self.where = where
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}"
        return f"{head}\n  try: {self.remedy}" if self.remedy else head


class BadInputError(WarrenError):
    """The user's input is wrong; it was refused whole, before anything changed."""

    exit_code = EXIT_BAD_INPUT


class BadInputsError(BadInputError):
    """Several faults of one input, reported together so that one edit can mend them all."""

    def __init__(self, faults: Sequence[BadInputError]) -> None:
        first = faults[0]
        super().__init__(first.where, first.what, first.remedy)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        told = [str(fault) for fault in self.faults[:_MOST_TOLD]]
        left = len(self.faults) - len(told)
        return "\n".join([*told, *([f"… and {left} more faults"] if left else [])])


class NotReadyError(WarrenError):
    """The environment lacks something: an engine, a cluster, a right, a package."""

    exit_code = EXIT_NOT_READY


class DeadlineError(NotReadyError):
    """A wait passed its deadline; ``what`` carries the last error seen."""


class StoppedError(WarrenError):
    """The user interrupted before there was anything to judge."""

    exit_code = EXIT_INTERRUPTED


class RefusedError(BadInputError):
    """What was asked is understood and refused because it would do harm; nothing was changed."""


class InconclusiveError(WarrenError):
    """No verdict can be drawn from what happened."""

    exit_code = EXIT_INCONCLUSIVE


def machine_trouble(error: BaseException) -> NotReadyError | None:
    """What the machine lacks where ``error`` is of that kind, with what to try; None where it is another."""
    remedy = _TROUBLES.get(error.errno or 0) if isinstance(error, OSError) else None
    if remedy is None or not isinstance(error, OSError):
        return None
    return NotReadyError(str(error.filename or "this machine"), str(error.strerror), remedy)
