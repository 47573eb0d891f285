"""Runs commands on hosts by the ssh program: one connection a host, kept open for the next command.

Keys of hosts are checked and never taken on trust. What is run is an argument, and arguments can be seen by
everybody on a machine: secrets go by standard input. Each command has a deadline at both ends: here ssh is
killed, and on the host ``timeout`` ends what it began.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from warren.errors import DeadlineError, NotReadyError
from warren.process import Completed, Runner, Transfer, transfer
from warren.runtime.host_login import Login

#: ssh's own failure; a command that ends so is taken for one too.
_SSH_FAILED = 255
#: What ``timeout`` (coreutils) says of what it had to end.
_TIMED_OUT = (124, 137)
#: To connect, and how much longer than a command's own deadline ssh is given.
_CONNECT_S, _SLACK_S = 5, 8.0
_KEPT_S = 60
#: A socket's path has 108 bytes at most; ssh adds 40 digits and, while it makes the socket, 17 more.
_LONGEST_PATH = 107 - 58
_MEANINGS = (
    (
        r"host key verification failed|host key .* changed|no .* host key is known",
        "its key is not the one that is known, or none is known",
        "read it on the host itself (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then put it into"
        " known_hosts",
    ),
    (
        r"permission denied",
        "lets nobody in with this account and key",
        "see ansible_user and ansible_ssh_private_key_file in the inventory",
    ),
    (
        r"timed out|no route to host|connection refused|could not resolve|network is unreachable"
        r"|connection closed|connection reset|broken pipe",
        "",
        "see whether it is up: warren hosts status, for test hosts",
    ),
)
_RELAY = """\
import os, socket, sys, threading
there = socket.create_connection(("localhost", int(sys.argv[1])), 5)
there.settimeout(None)
def send():
    while data := os.read(0, 65536):
        there.sendall(data)
    there.shutdown(socket.SHUT_WR)
threading.Thread(target=send, daemon=True).start()
while data := there.recv(65536):
    while data:
        data = data[os.write(1, data):]
"""
_NO_SUDO = r"sudo: (a password is required|a terminal is required)|is not in the sudoers file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ssh:
    """``sockets`` is a folder of this user's alone, where connections are kept; one that lies too deep for
    that is not used. ``move`` is for what is too large for memory."""

    logins: Mapping[str, Login]
    sockets: Path
    run: Runner
    move: Transfer = transfer

    def as_root(
        self, host: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> Completed:
        """Run ``argv`` as root. Raises as `_run` does; what it prints and how it ends is the caller's."""
        return self._run(host, ["sudo", "-n", "--"], argv, timeout_s=timeout_s, stdin=stdin)

    def as_user(
        self, host: str, user: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> Completed:
        """Run ``argv`` as another account, with that one's home and UTF-8."""
        become = ["sudo", "-n", "-H", "-u", user, "--", "env", "LC_ALL=C.UTF-8"]
        return self._run(host, become, argv, timeout_s=timeout_s, stdin=stdin)

    def checked(
        self, host: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> Completed:
        """`as_root`, and NotReadyError with the last line where the command fails."""
        done = self.as_root(host, argv, timeout_s=timeout_s, stdin=stdin)
        if not done.ok:
            raise NotReadyError(host, f"{argv[0]}: {done.reason()}")
        return done

    def relay(self, host: str, port: int) -> Sequence[str]:
        """The command whose standard streams are a connection from ``host`` to its own TCP ``port``, for a
        minute at most. By the host's Python, since a careful sshd forwards no ports."""
        limits = ["timeout", "--kill-after=2", str(_KEPT_S)]
        return [*self._ssh(host), f"cd / && exec {shlex.join([*limits, 'python3', '-c', _RELAY, str(port)])}"]

    def moved(
        self,
        host: str,
        argv: Sequence[str],
        *,
        timeout_s: float,
        source: Path | None = None,
        sink: Path | None = None,
    ) -> None:
        """`checked`, with a file of this machine as the command's input, or as the place of its output."""

        def move(command: Sequence[str], limit_s: float) -> Completed:
            return self.move(command, timeout_s=limit_s, source=source, sink=sink)

        done = self._done(host, ["sudo", "-n", "--"], argv, timeout_s, move)
        if not done.ok:
            raise NotReadyError(host, f"{argv[0]}: {done.reason()}")

    def _run(
        self,
        host: str,
        become: Sequence[str],
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes | None,
    ) -> Completed:
        def run(command: Sequence[str], limit_s: float) -> Completed:
            return self.run(command, timeout_s=limit_s, stdin=stdin)

        return self._done(host, become, argv, timeout_s, run)

    def _done(
        self,
        host: str,
        become: Sequence[str],
        argv: Sequence[str],
        timeout_s: float,
        run: Callable[[Sequence[str], float], Completed],
    ) -> Completed:
        """Raises NotReadyError where the host is not reached or gives no right, DeadlineError where the
        command does not end in time."""
        # The account's own folder is closed to others, and a tool that begins in it may complain.
        limits = ["timeout", "--kill-after=2", str(math.ceil(timeout_s))]
        command = f"cd / && exec {shlex.join([*become, *limits, *argv])}"
        try:
            done = run([*self._ssh(host), command], timeout_s + _SLACK_S)
        except DeadlineError as error:
            raise DeadlineError(host, f"ssh: no answer within {timeout_s + _SLACK_S:g} s") from error
        if done.returncode == _SSH_FAILED:
            raise self._unreached(host, done)
        if done.returncode in _TIMED_OUT:
            raise DeadlineError(host, f"{argv[0]}: did not end within {timeout_s:g} s")
        if not done.ok and re.search(_NO_SUDO, done.stderr):
            what = f"{self.logins[host].user or 'the account'} may not act as others there"
            raise NotReadyError(host, what, "let it: NOPASSWD in /etc/sudoers.d")
        return Completed(argv=tuple(argv), returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def _ssh(self, host: str) -> list[str]:
        login = self.logins[host]
        options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            f"ConnectTimeout={_CONNECT_S}",
            "ServerAliveInterval=5",
            "ServerAliveCountMax=3",
            "LogLevel=ERROR",
        ]
        if len(str(self.sockets).encode()) <= _LONGEST_PATH:
            options += ["ControlMaster=auto", f"ControlPath={self.sockets}/%C", f"ControlPersist={_KEPT_S}"]
        command = ["ssh", "-T", *(part for each in options for part in ("-o", each)), *login.options]
        command += ["-p", str(login.port)]
        command += ["-i", login.key] if login.key else []
        command += ["-l", login.user] if login.user else []
        return [*command, "--", login.address]

    def _unreached(self, host: str, done: Completed) -> NotReadyError:
        said = done.reason().removeprefix("ssh: ")
        for pattern, what, remedy in _MEANINGS:
            if re.search(pattern, done.stderr, re.IGNORECASE):
                return NotReadyError(host, f"ssh: {what or said}", remedy)
        return NotReadyError(host, f"ssh: {said}")
