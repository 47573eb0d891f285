"""The ssh of the fake cluster: what hosts are told is done to the same fake nodes that stand for containers.

It knows every script of operations by its own words, so that one that nobody has taught it is a failure; what
the words do in a real shell is tested in tests/unit/warren/test_ssh_data.py.
"""

from __future__ import annotations

import hashlib
import io
import shlex
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warren.process import Completed
from warren.runtime import host_scripts, units
from warren.runtime.protocol import NodeState

if TYPE_CHECKING:
    from .conftest import Ground

ADDRESSES = {f"192.0.2.{place}": f"rmq{place}" for place in (1, 2, 3)} | {"192.0.2.9": "mon"}
INVENTORY: dict[str, Any] = {
    "all": {
        "vars": {"ansible_user": "deploy", "rabbitmq_version": "4.3.6"},
        "children": {
            "rabbitmq": {
                "hosts": {
                    name: {"ansible_host": address} for address, name in ADDRESSES.items() if name != "mon"
                }
            },
            "prometheus": {"hosts": {"mon": {"ansible_host": "192.0.2.9"}}},
            "exporters": {"hosts": {"rmq3": {}}},
        },
    }
}


@dataclass
class FakeSsh:
    """Fulfils `warren.process.Runner` by `run`, and `warren.process.Transfer` by `move`.

    ``unreached`` are hosts that do not answer, ``stops`` is what systemd allows a stop, ``offered`` what apt
    has, ``simulated`` what it says that it would do. ``commands`` keeps what ssh was told, whole; ``at_act``
    is called with "before" and "after" around everything that changes a host.
    """

    ground: Ground
    unreached: set[str] = field(default_factory=set)
    stops: str = "10min"
    offered: str = "4.3.6-1"
    simulated: str = "Inst rabbitmq-server [4.3.6-1] (4.3.6-1 x [all])\n"
    erlang: str = "1:27.3.4+dfsg-1"
    shut: set[str] = field(default_factory=set)
    commands: list[str] = field(default_factory=list)
    at_act: Callable[[str], None] = lambda moment: None
    installed: list[tuple[str, str]] = field(default_factory=list)
    services: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        host, user, told = self._read(argv)
        if host in self.unreached:
            return self._said(argv, 255, stderr=f"ssh: connect to host {host} port 22: No route to host")
        with self.ground.runtime._lock:  # all at once, and the fake's file is one
            if user:
                return self.ground.runtime.execute(host, told, timeout_s=timeout_s, stdin=stdin)
            if told[:2] == ["sh", "-c"]:
                return self._script(host, told[2], told[4:], stdin or b"")
            return self._program(host, told, stdin)

    def move(
        self, argv: Sequence[str], *, timeout_s: float, source: Path | None = None, sink: Path | None = None
    ) -> Completed:
        host, _, told = self._read(argv)
        assert self.ground.runtime.states()[host] is NodeState.STOPPED, "its data are in use"
        if told[2] == host_scripts.COPY:
            assert sink is not None
            sink.write_text(self.ground.runtime.data(host))
        else:
            assert told[2] == host_scripts.FILL
            assert source is not None
            assert hashlib.sha256(source.read_bytes()).hexdigest() == told[4]
            self._act(lambda: self.ground.runtime.keep(host, data=source.read_text()))
        return self._said(argv)

    def _read(self, argv: Sequence[str]) -> tuple[str, str, list[str]]:
        """The host, the account that is become (empty: root), and what it runs."""
        assert argv[0] == "ssh"
        self.commands.append(argv[-1])
        words = shlex.split(argv[-1])
        limits = words.index("timeout")
        user = words[words.index("-u") + 1] if "-u" in words[:limits] else ""
        return ADDRESSES[argv[-2]], user, words[limits + 3 :]

    def _script(self, host: str, script: str, args: list[str], stdin: bytes) -> Completed:
        nodes = self.ground.runtime
        says = {
            units.LOOK: lambda: self._said((), stdout=self._look(host)),
            host_scripts.WANTED: lambda: self._wanted(args[0]),
            host_scripts.SIMULATE: lambda: self._said((), stdout=self.simulated),
            host_scripts.STOPS: lambda: self._said((), stdout=self.stops + "\n"),
            host_scripts.KEEPS: lambda: self._said((), stdout=nodes.data(host) and "coordination/x\n"),
        }
        acts: dict[str, Callable[[], object]] = {
            units.START: lambda: nodes.start(host),
            host_scripts.PUT: lambda: self._put(host, args, stdin),
            host_scripts.REREAD: self.ground.take,
            host_scripts.EMPTY: lambda: self._empty(host),
            host_scripts.INSTALL: lambda: self._install(host, args),
        }
        if script in says:
            return says[script]()
        if script.startswith("timeout "):
            self._act(lambda: nodes.stop(host, grace_s=float(script.split()[1])))
        else:
            self._act(acts[script])  # KeyError: nobody has taught it this script
        return self._said(())

    def _empty(self, host: str) -> None:
        assert self.ground.runtime.states()[host] is NodeState.STOPPED, "its data are in use"
        self.ground.runtime.keep(host, data="")

    def _act(self, act: Callable[[], object]) -> None:
        self.at_act("before")
        act()
        self.at_act("after")

    def _program(self, host: str, told: list[str], stdin: bytes | None) -> Completed:
        if told[:2] == ["systemctl", "show"]:
            return self._said(told, stdout="loaded\n")
        if told[0] == "python3":
            return self.ground.runtime.in_network(host, told, timeout_s=5.0, stdin=stdin)
        if told[0] == "getent":
            return self._said(told, stdout=f"10.0.0.{told[2][-1]} STREAM {told[2]}\n")
        if told[0] == "dpkg-query":
            return self._said(told, stdout=self.erlang)
        assert told == ["true"], told
        return self._said(told)

    def _look(self, host: str) -> str:
        state = self.ground.runtime.states()[host]
        active = {NodeState.RUNNING: "active", NodeState.STOPPED: "inactive"}.get(state, "inactive")
        loaded = "not-found" if state is NodeState.ABSENT else "loaded"
        process = self.ground.runtime.process_id(host) or 0
        return f"LoadState={loaded}\nActiveState={active}\nMainPID={process}\n"

    def _put(self, host: str, args: list[str], stdin: bytes) -> None:
        folder, _, _, *names = args
        with tarfile.open(fileobj=io.BytesIO(stdin)) as archive:
            files = {
                each.name.removesuffix(host_scripts.BESIDE): archive.extractfile(each).read()  # type: ignore[union-attr]
                for each in archive
            }
        assert sorted(files) == sorted(names)
        if folder == units.CONFIG:
            self.ground.runtime.put_files(host, files)
        elif folder == host_scripts.DATA:
            self.ground.runtime.keep(host, cookie=files[".erlang.cookie"].decode())
        else:
            assert folder == "/"
            self.services |= {(host, name): content for name, content in files.items()}

    def _wanted(self, version: str) -> Completed:
        if not self.offered.startswith(version.replace("\\", "") + "-"):
            return self._said((), 1, stderr="the package sources have no such rabbitmq-server")
        return self._said((), stdout=f"rabbitmq-server={self.offered}\n")

    def _install(self, host: str, packages: list[str]) -> None:
        assert self.ground.runtime.states()[host] is NodeState.STOPPED
        self.installed += [(host, package) for package in packages]
        self.ground.made_anew(host)

    def _said(
        self, argv: Sequence[str], returncode: int = 0, *, stdout: str = "", stderr: str = ""
    ) -> Completed:
        return Completed(argv=tuple(argv), returncode=returncode, stdout=stdout, stderr=stderr)
