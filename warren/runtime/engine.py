"""Finds a usable container engine, and brings one up where there is none and it may be done.

Usable means: a client, a daemon that answers it, and Compose v2. Each thing that can be missing is a
`Fault` of its own, with the commands that mend it; `ensure_engine` mends those that it has the right to,
and says so first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from warren.console import Say
from warren.errors import DeadlineError, NotReadyError
from warren.process import Completed, Runner
from warren.runtime import enginesetup
from warren.runtime.enginesetup import Host, Spawn, spawn_detached, this_host
from warren.wait import Clock, until

_ASK_S = 15.0
#: A daemon that has to bring back the containers of a power cut takes its time.
_START_S = 90.0


class Fault(Enum):
    """What stands between us and a usable engine."""

    NO_CLIENT = auto()
    NO_DAEMON = auto()
    NO_RIGHT = auto()
    MISMATCH = auto()
    NO_COMPOSE = auto()


class EngineFaultError(NotReadyError):
    """No usable engine, for the reason ``fault``."""

    def __init__(self, fault: Fault, what: str, remedy: str) -> None:
        super().__init__("container engine", what, remedy)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """``docker`` is the client to call, ``compose`` the words that Compose's arguments follow."""

    docker: str
    compose: tuple[str, ...]
    server_version: str
    compose_version: str


def find_engine(*, run: Runner, host: Host | None = None) -> Engine:
    """The engine that is there. Changes nothing.

    Raises EngineFaultError (a NotReadyError) with the commands to type where something is missing.
    """
    host = host or this_host()
    docker, server_version = _find_daemon(run, host)
    compose, compose_version = _find_compose(run, docker, host)
    return Engine(
        docker=docker, compose=compose, server_version=server_version, compose_version=compose_version
    )


def _find_daemon(run: Runner, host: Host) -> tuple[str, str]:
    """The first client that gets an answer, and the daemon's version; several clients may be installed."""
    worst: EngineFaultError | None = None
    for docker in host.clients:
        done = _ask(run, [docker, "version", "--format", "{{json .Server}}"])
        if done.ok:
            return docker, str(json.loads(done.stdout).get("Version", "unknown"))
        fault = _fault_of(done, host)
        worst = fault if worst is None or worst.fault is Fault.MISMATCH else worst
    if worst is not None:
        raise worst
    what = "no Docker client is installed"
    raise EngineFaultError(Fault.NO_CLIENT, what, enginesetup.install_commands(host))


def _ask(run: Runner, argv: Sequence[str]) -> Completed:
    """``argv``'s outcome; a program that is missing or hangs is an outcome too."""
    try:
        return run(argv, timeout_s=_ASK_S)
    except NotReadyError as error:  # DeadlineError is one
        kind = 124 if isinstance(error, DeadlineError) else 127
        return Completed(argv=tuple(argv), returncode=kind, stdout="", stderr=str(error.what))


def _fault_of(done: Completed, host: Host) -> EngineFaultError:
    """Why a client got no answer, by what it printed."""
    reason = done.reason()
    if "permission denied" in done.stderr.lower():
        what = f"{host.user} has no right to use the engine ({reason})"
        return EngineFaultError(Fault.NO_RIGHT, what, enginesetup.right_commands(host))
    if re.search(r"client version .* is too (old|new)|client is newer than server", done.stderr):
        remedy = (
            "install a Docker client of the engine's own version, or remove the one that PATH finds first"
        )
        what = f"{done.argv[0]} does not fit the engine: {reason}"
        return EngineFaultError(Fault.MISMATCH, what, remedy)
    if host.remote:
        what = f"the engine that DOCKER_HOST or the Docker context names does not answer ({reason})"
        return EngineFaultError(Fault.NO_DAEMON, what, "start it, or unset DOCKER_HOST: unset DOCKER_HOST")
    if not host.has_daemon:
        what = f"a Docker client is here and no engine ({reason})"
        return EngineFaultError(Fault.NO_DAEMON, what, enginesetup.install_commands(host))
    what = f"the engine's daemon does not answer ({reason})"
    return EngineFaultError(Fault.NO_DAEMON, what, enginesetup.start_commands(host))


def _find_compose(run: Runner, docker: str, host: Host) -> tuple[tuple[str, ...], str]:
    """Compose v2 as the client's plugin, or as a program of its own; v1 is past its end of life."""
    seen = []
    for argv in ((docker, "compose"), ("docker-compose",)):
        done = _ask(run, [*argv, "version", "--short"])
        match = re.match(r"v?(\d+)\.\S*", done.stdout.strip())
        if done.ok and match and int(match[1]) >= 2:  # noqa: PLR2004
            return argv, match[0].removeprefix("v")
        if done.ok and match:
            seen.append(f"{' '.join(argv)} is {match[0]}")
    what = "Docker Compose v2 is missing" + (f" ({', '.join(seen)})" if seen else "")
    raise EngineFaultError(Fault.NO_COMPOSE, what, enginesetup.compose_commands(host))


def ensure_engine(
    *,
    run: Runner,
    say: Say,
    look: Callable[[], Host] = this_host,
    spawn: Spawn = spawn_detached,
    clock: Clock | None = None,
) -> Engine:
    """The engine that is there; else, as root on Debian or Ubuntu, one that is installed and started now.

    Says aloud what will be installed or started before it is. A user without root gets Compose v2 (into
    ~/.docker) where that alone is missing on Debian. Raises EngineFaultError with the commands to type where
    this user may not or this system is another.
    """
    mended: set[Fault] = set()
    while True:
        host = look()
        try:
            return find_engine(run=run, host=host)
        except EngineFaultError as error:
            if error.fault in mended:
                raise
            mended.add(error.fault)
            _mend(error, host, run=run, say=say, look=look, spawn=spawn, clock=clock or Clock())


def _mend(
    error: EngineFaultError,
    host: Host,
    *,
    run: Runner,
    say: Say,
    look: Callable[[], Host],
    spawn: Spawn,
    clock: Clock,
) -> None:
    """Remove the cause of ``error``, or raise it where that is not ours to do."""
    if error.fault is Fault.NO_COMPOSE and host.has_apt:
        enginesetup.install_compose(host, run=run, say=say)
        return
    if error.fault not in {Fault.NO_CLIENT, Fault.NO_DAEMON} or not host.may_install or host.remote:
        raise error
    if not host.has_daemon or not host.clients:
        enginesetup.install_engine(host, run=run, say=say)
        host = look()
    _start(host, run=run, say=say, spawn=spawn, clock=clock)


def _start(host: Host, *, run: Runner, say: Say, spawn: Spawn, clock: Clock) -> None:
    """Start the daemon and wait until it answers."""
    ours = enginesetup.start_daemon(host, run=run, say=say, spawn=spawn)
    began = clock.now()

    def answers() -> None:
        nonlocal ours
        done = _ask(run, [(host.clients or ("docker",))[0], "version", "--format", "{{json .Server}}"])
        if done.ok or _fault_of(done, host).fault is not Fault.NO_DAEMON:
            return
        if not ours and not enginesetup.daemon_lives(host):  # the one that was waited for has ended
            ours = enginesetup.start_daemon(host, run=run, say=say, spawn=spawn)
        last = enginesetup.last_line(enginesetup.log_path(host))
        raise NotReadyError("container engine", done.reason() + (f"; its log: {last}" if last else ""))

    remedy = f"read why: {enginesetup.log_command(host)}"
    until(answers, what="the engine's daemon", deadline_s=_START_S, remedy=remedy, clock=clock)
    say(f"the engine answers after {clock.now() - began:.0f} s")
