"""Containers that go on by themselves on the cluster's network: load runs, and clients that misbehave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from warren.errors import NotReadyError
from warren.process import Completed
from warren.runtime.containers import ACT_S, Containers
from warren.runtime.protocol import HELPER_INPUT, Helper

#: What a helper may use at most. Two thousand connections need some 400 MB and twice as many open files.
_LIMITS = (
    "--memory", "768m", "--memory-swap", "768m", "--pids-limit", "256", "--cpus", "1",
    "--ulimit", "nofile=8192:8192",
)  # fmt: skip
_TMPFS = "/tmp:rw,noexec,nosuid,nodev,size=16m,mode=1777"  # noqa: S108 - inside the container
_IMAGE_USER = "10001:10001"
#: Written beside and renamed, so that the program never reads half of it; readable by its own account only.
_TAKE_IN = f"umask 077; cat > {HELPER_INPUT}.part && mv {HELPER_INPUT}.part {HELPER_INPUT}"
_FORMAT = '{{.Names}}\t{{.State}}\t{{.Label "warren.fault"}}'
_SAID_LINES = "20"


@dataclass(frozen=True, slots=True, kw_only=True)
class Helpers(Containers):
    """The part of the `Runtime` protocol that is about containers which are neither node nor service."""

    def helpers(self, role: str) -> tuple[Helper, ...]:
        found = self._checked(
            "container", "ls", "--all", "--no-trunc", "--format", _FORMAT,
            "--filter", f"label=warren.cluster={self.topology.cluster}",
            "--filter", f"label=warren.role={role}",
        )  # fmt: skip
        rows = (line.split("\t") for line in found.stdout.splitlines() if line)
        return tuple(
            Helper(name=name, fault=fault, is_running=state == "running") for name, state, fault in rows
        )

    def start_helper(self, fault: str, argv: Sequence[str], *, stdin: bytes) -> None:
        name = self.container(f"fault-{fault}")
        self.remove_helper(name)
        self._checked(*self._described(name, fault), *argv)
        self._checked("start", name)
        done = self._in(name, ["sh", "-c", _TAKE_IN], stdin=stdin)
        if not done.ok:
            raise NotReadyError(name, f"did not take its orders: {done.reason()}")

    def in_helper(self, helper: str, argv: Sequence[str], *, timeout_s: float) -> Completed:
        return self.run([self.engine.docker, "exec", helper, *argv], timeout_s=timeout_s)

    def helper_said(self, helper: str) -> str:
        return self._checked("logs", "--tail", _SAID_LINES, helper).stdout

    def remove_helper(self, helper: str) -> None:
        done = self.run([self.engine.docker, "rm", "--force", helper], timeout_s=ACT_S)
        gone = ("no such container", "already in progress")  # somebody removes it at this moment
        if not done.ok and not any(word in done.stderr.lower() for word in gone):
            raise NotReadyError(helper, f"cannot be removed: {done.reason()}", "restart the engine")

    def _described(self, name: str, fault: str) -> list[str]:
        """All but the program: hardened, labelled, without a right, on the cluster's network."""
        return [
            "create", "--name", name, "--hostname", name, "--network", self.topology.cluster,
            "--pull", "never", "--user", _IMAGE_USER, "--read-only", "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges", *_LIMITS, "--tmpfs", _TMPFS,
            "--log-driver", "json-file", "--log-opt", "max-size=1m", "--log-opt", "max-file=1",
            "--label", f"warren.cluster={self.topology.cluster}", "--label", "warren.role=fault",
            "--label", f"warren.fault={fault}", "--entrypoint", "python3", self._image("exporter"),
        ]  # fmt: skip

    def _in(self, helper: str, argv: Sequence[str], *, stdin: bytes) -> Completed:
        return self.run(
            [self.engine.docker, "exec", "--interactive", helper, *argv], timeout_s=ACT_S, stdin=stdin
        )
