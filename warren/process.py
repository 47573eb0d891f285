"""Runs other programs: one typed seam, so that engines can be tested without them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from warren.errors import DeadlineError, NotReadyError

#: Where the diagnostics of the broker's tools go on to the tool itself.
_WHO_ASKED = "Current node details:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a program ended. ``stdout`` and ``stderr`` are text with undecodable bytes replaced."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.returncode == 0

    def reason(self) -> str:
        """Why it failed: the last non-empty line that it printed, errors first, which is the usual place.

        The broker's tools that reach no node end with who they are, a hash of the cookie included; what they
        found out stands in the items before that.
        """
        for text in (self.stderr, self.stdout):
            lines = [line.strip() for line in text.partition(_WHO_ASKED)[0].splitlines() if line.strip()]
            if lines:
                return lines[-1].removeprefix("* ")
        return f"exit status {self.returncode} and no output"


class Runner(Protocol):
    """Runs a program to its end."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run ``argv`` without a shell and return how it ended; ``env`` replaces the environment.

        Without ``stdin`` the program reads nothing: a question that nobody sees must not wait for an answer.
        Raises NotReadyError when the program does not exist or cannot be started, DeadlineError when it
        takes longer than ``timeout_s`` (it has been killed then). A non-zero exit is returned, not raised.
        What a terminal sends to its foreground (^C, a hang-up) does not reach the program: whoever is
        interrupted here decides what becomes of it.
        """


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """The real `Runner`."""
    try:
        done = subprocess.run(
            list(argv),
            input=stdin or b"",
            capture_output=True,
            timeout=timeout_s,
            env=env,
            check=False,
            process_group=0,
        )
    except FileNotFoundError as error:
        raise NotReadyError(argv[0], "this program is not installed") from error
    except OSError as error:
        raise NotReadyError(argv[0], f"cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise DeadlineError(" ".join(argv[:3]), f"did not end within {timeout_s:g} s") from error
    return Completed(
        argv=tuple(argv),
        returncode=done.returncode,
        stdout=done.stdout.decode(errors="replace"),
        stderr=done.stderr.decode(errors="replace"),
    )


class Transfer(Protocol):
    """Runs a program whose input or output is a file, however large."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        source: Path | None = None,
        sink: Path | None = None,
    ) -> Completed:
        """As a `Runner` does, with ``source`` as standard input and standard output written to ``sink``,
        a file for its owner only that is there already, or is made. It raises as a `Runner` does, and OSError
        where a file cannot be opened; what is in ``sink`` is worth something only if the program succeeded.
        """


def transfer(
    argv: Sequence[str], *, timeout_s: float, source: Path | None = None, sink: Path | None = None
) -> Completed:
    """The real `Transfer`."""
    with ExitStack() as files:
        given = files.enter_context(source.open("rb")) if source else subprocess.DEVNULL
        taken = files.enter_context(_opened_for_owner(sink)) if sink else subprocess.PIPE
        try:
            done = subprocess.run(
                list(argv),
                stdin=given,
                stdout=taken,
                stderr=subprocess.PIPE,
                timeout=timeout_s,
                check=False,
                process_group=0,
            )
        except FileNotFoundError as error:
            raise NotReadyError(argv[0], "this program is not installed") from error
        except subprocess.TimeoutExpired as error:
            raise DeadlineError(" ".join(argv[:3]), f"did not end within {timeout_s:g} s") from error
        if sink:
            os.fsync(taken)
    return Completed(
        argv=tuple(argv),
        returncode=done.returncode,
        stdout=(done.stdout or b"").decode(errors="replace"),
        stderr=done.stderr.decode(errors="replace"),
    )


def _opened_for_owner(path: Path) -> IO[bytes]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def check(done: Completed, remedy: str = "") -> Completed:
    """Return ``done`` when it succeeded, else raise NotReadyError with the program's own last line."""
    if done.ok:
        return done
    raise NotReadyError(" ".join(done.argv[:3]), done.reason(), remedy)
