"""A run in a container on the cluster's network: started, listened to, interrupted by id, always ended."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from loadgen.spec import LoadSpec, to_plain
from warren.process import Runner

#: Where the run's folder is inside the container.
RUN_FOLDER = "/run/warren/run"
#: The image's own account, for a caller who is root; others run as themselves, who own the run's folder.
_IMAGE_USER = 10001
_MEMORY = "1g"
#: Eight times a node's: where brokers and load share the cores, the schedule is kept before anything else.
CPU_SHARES = "8192"
_TMPFS = "/tmp:rw,noexec,nosuid,nodev,size=16m,mode=1777"  # noqa: S108 - inside the container


class Child(Protocol):
    """The part of `subprocess.Popen` that is used here."""

    stdin: IO[bytes] | None
    stdout: IO[bytes] | None

    def wait(self, timeout: float | None = None) -> int: ...
    def kill(self) -> None: ...


Starter = Callable[[Sequence[str]], Child]


def start(argv: Sequence[str]) -> Child:
    """Start ``argv`` in a session of its own, so that a terminal's ^C reaches only us."""
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the container runs: the client to call, the image, the network, the cluster for its label; and
    the addresses of names that the network does not know."""

    docker: str
    image: str
    network: str
    cluster: str
    addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Container:
    """One run's container. ``name`` is unique to the run."""

    place: Place
    name: str
    run: Runner
    child: Child

    def events(self) -> Iterator[Mapping[str, Any]]:
        """What the coordinator in the container says, until it ends; other lines are passed as notes."""
        assert self.child.stdout is not None  # noqa: S101 - started with a pipe
        for line in self.child.stdout:
            text = line.decode(errors="replace").strip()
            try:
                event = json.loads(text)
            except ValueError:
                event = {"type": "note", "text": text}
            yield event if isinstance(event, dict) else {"type": "note", "text": text}

    def release(self) -> None:
        """Let a held run begin: its input ends."""
        if self.child.stdin is not None:
            self.child.stdin.close()

    def interrupt(self) -> None:
        """Pass a ^C on to the coordinator."""
        self.run([self.place.docker, "kill", "--signal", "INT", self.name], timeout_s=20)

    def remove(self) -> None:
        """End the container whatever it does; safe when it is gone already."""
        self.run([self.place.docker, "rm", "--force", self.name], timeout_s=30)

    def wait(self) -> int:
        """The exit status of the coordinator."""
        return self.child.wait()


def launch(spec: LoadSpec, folder: Path, *, place: Place, run: Runner, starter: Starter = start) -> Container:
    """Start the run that ``spec`` describes; its evidence goes to ``folder`` on the host. A held one begins
    to publish when it is released.

    The spec, passwords in it, goes in on standard input: never by argument, environment or file.
    """
    name = f"{place.cluster}-load-{spec.run_id}"
    user = _own_folder(folder)
    child = starter(command(place, name, folder, user))
    assert child.stdin is not None  # noqa: S101 - started with a pipe
    child.stdin.write(json.dumps(to_plain(spec)).encode() + b"\n")
    box = Container(place=place, name=name, run=run, child=child)
    if spec.held:
        child.stdin.flush()
    else:
        box.release()
    return box


def command(place: Place, name: str, folder: Path, user: str) -> list[str]:
    """The whole `docker run` line: hardened, labelled, one bind mount."""
    known = [f"--add-host={name}:{address}" for name, address in place.addresses.items()]
    return [
        place.docker, "run", "--rm", "--interactive", "--name", name, "--hostname", name,
        "--network", place.network, *known, "--user", user, "--read-only", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges", "--memory", _MEMORY, "--pids-limit", "256",
        "--cpu-shares", CPU_SHARES,
        "--tmpfs", _TMPFS, "--log-driver", "none",
        "--label", f"warren.cluster={place.cluster}", "--label", "warren.role=load",
        "--mount", f"type=bind,source={folder},target={RUN_FOLDER}",
        "--entrypoint", "python3", place.image, "-m", "loadgen", "exec",
    ]  # fmt: skip


def _own_folder(folder: Path) -> str:
    """The account to run as, which must own the run's folder: never root."""
    if os.getuid() != 0:
        return f"{os.getuid()}:{os.getgid()}"
    os.chown(folder, _IMAGE_USER, _IMAGE_USER)
    return f"{_IMAGE_USER}:{_IMAGE_USER}"
