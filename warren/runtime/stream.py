"""Runs a program whose lines are wanted while it works, and that must show a first sign of life soon."""

from __future__ import annotations

import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Protocol

from warren.errors import DeadlineError, NotReadyError
from warren.process import Completed


class Stream(Protocol):
    """Runs a program to its end, handing over each line as it comes."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        on_line: Callable[[str], None],
        timeout_s: float,
        first_line_s: float | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run ``argv``; output and errors come as one sequence of lines. ``env`` is added to the environment.

        Raises NotReadyError when the program does not exist, DeadlineError (the program has been killed
        then) when it ends later than ``timeout_s`` or prints nothing for the first ``first_line_s``.
        """


def stream(
    argv: Sequence[str],
    *,
    on_line: Callable[[str], None],
    timeout_s: float,
    first_line_s: float | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """The real `Stream`."""
    try:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )
    except FileNotFoundError as error:
        raise NotReadyError(argv[0], "this program is not installed") from error
    assert child.stdout is not None  # noqa: S101  asked for by stdout=PIPE above
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(child.stdout, lines), daemon=True).start()
    try:
        seen = _collect(argv, lines, on_line, timeout_s, first_line_s)
    except BaseException:
        child.terminate()
        raise
    finally:
        _end(child)
    return Completed(argv=tuple(argv), returncode=child.returncode, stdout="\n".join(seen), stderr="")


def _read(pipe: IO[bytes], lines: queue.Queue[str | None]) -> None:
    for raw in pipe:
        lines.put(raw.decode(errors="replace").rstrip())
    lines.put(None)


def _collect(
    argv: Sequence[str],
    lines: queue.Queue[str | None],
    on_line: Callable[[str], None],
    timeout_s: float,
    first_line_s: float | None,
) -> list[str]:
    start = time.monotonic()
    seen: list[str] = []
    while True:
        limit_s = timeout_s if seen or first_line_s is None else min(first_line_s, timeout_s)
        try:
            line = lines.get(timeout=max(0.0, start + limit_s - time.monotonic()))
        except queue.Empty:
            last = f"; last: {seen[-1]}" if seen else ""
            raise DeadlineError(" ".join(argv[:3]), f"no end within {limit_s:g} s{last}") from None
        if line is None:
            return seen
        seen.append(line)
        on_line(line)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Wait for a child that has closed its output or was told to end; kill it when it lingers."""
    try:
        child.wait(timeout=2)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
