"""Runs other programs: one typed seam, so that engines can be tested without them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

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


def check(done: Completed, remedy: str = "") -> Completed:
    """Return ``done`` when it succeeded, else raise NotReadyError with the program's own last line."""
    if done.ok:
        return done
    raise NotReadyError(" ".join(done.argv[:3]), done.reason(), remedy)
