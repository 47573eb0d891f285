"""Starts worker processes, speaks with them, and ends them."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from loadgen.spec import WorkerSpec, to_plain

#: What a worker is: this interpreter on this package.
PROGRAM = (sys.executable, "-m", "loadgen", "worker")


@dataclass(slots=True)
class Member:
    """One worker process and what is known of it."""

    spec: WorkerSpec
    process: subprocess.Popen[bytes]
    errors: BinaryIO
    ready: bool = False
    #: Connected now, as far as it said.
    linked: bool = False
    finished: bool = False
    ended: bool = False
    buffer: bytes = b""
    last_error: str = ""
    #: What was told of its tries to connect since it was connected last.
    tries_told: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.spec.name

    def connected(self) -> None:
        self.linked = True
        self.tries_told.clear()

    @property
    def role(self) -> str:
        """The name of its role; who replaces a dead one goes by that one's."""
        return self.name.partition("~")[0].rpartition("-")[0]


@dataclass(slots=True)
class Fleet:
    """The workers of one run. ``folder`` gets what each writes to its standard error."""

    folder: Path
    program: Sequence[str] = PROGRAM
    members: dict[str, Member] = field(default_factory=dict)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def start(self, spec: WorkerSpec) -> Member:
        """Start one worker in a session of its own, so that a terminal's ^C reaches the coordinator only."""
        errors = (self.folder / f"{spec.name}.stderr").open("wb")
        process = subprocess.Popen(
            list(self.program),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            bufsize=0,
        )
        member = Member(spec=spec, process=process, errors=errors)
        self.members[spec.name] = member
        assert process.stdout is not None  # noqa: S101 - it was asked for as a pipe above
        os.set_blocking(process.stdout.fileno(), False)
        self._selector.register(process.stdout, selectors.EVENT_READ, member)
        self._send(member, to_plain(spec))
        return member

    def command(self, names: Sequence[str], do: str, **fields: Any) -> None:
        """Tell workers what to do; those that are gone are passed over."""
        for name in names:
            self._send(self.members[name], {"do": do, **fields})

    def listen(self, timeout_s: float) -> Iterator[tuple[Member, Mapping[str, Any]]]:
        """What workers say within ``timeout_s``; a worker that is gone says ``{"type": "gone"}`` once."""
        for key, _ in self._selector.select(timeout_s):
            member: Member = key.data
            yield from self._read(member)

    def close(self, timeout_s: float) -> None:
        """End what is left: first by closing its input, after ``timeout_s`` by force."""
        for member in self.members.values():
            stdin = member.process.stdin
            if stdin is not None:
                with contextlib.suppress(OSError):
                    stdin.close()
        for member in self.members.values():
            try:
                member.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()
            member.errors.close()
            if member.process.stdout is not None:
                member.process.stdout.close()
        self._selector.close()

    def _read(self, member: Member) -> Iterator[tuple[Member, Mapping[str, Any]]]:
        stdout = member.process.stdout
        assert stdout is not None  # noqa: S101 - it was asked for as a pipe in start()
        data = stdout.read(1 << 20)
        if data is None:
            return
        if not data:
            self._selector.unregister(stdout)
            member.process.wait()
            yield member, {"type": "gone", "code": member.process.returncode}
            return
        *lines, member.buffer = (member.buffer + data).split(b"\n")
        for line in lines:
            yield member, json.loads(line)

    def _send(self, member: Member, message: Mapping[str, Any]) -> None:
        stdin = member.process.stdin
        if stdin is not None:
            with contextlib.suppress(OSError):
                stdin.write(json.dumps(message).encode() + b"\n")

    def why_gone(self, member: Member) -> str:
        """The last line that a dead worker wrote, or how it ended."""
        text = (self.folder / f"{member.name}.stderr").read_text(encoding="utf-8", errors="replace").strip()
        code = member.process.returncode
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit status {code}"
        if code == -signal.SIGBUS:
            how += ": its part of the ledger could not be written; is the disk full?"
        return f"{how}: {text.splitlines()[-1]}" if text else how
