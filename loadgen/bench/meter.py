"""Processor time that containers use over a window, read from their control groups, versions 1 and 2."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from warren.errors import NotReadyError
from warren.process import Runner

_READ = "cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || cat /sys/fs/cgroup/cpu.stat"
#: A machine that is fully loaded takes its time to start even a small program.
_READ_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """Processor seconds a second: of the client, and of all brokers together."""

    client: float
    brokers: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Reads the host's files where it shows them, all at one moment and without starting a program; else
    from inside each container. Neither needs a right on the host."""

    docker: str
    run: Runner
    root: Path = Path("/")

    def cpu_s(self, containers: Sequence[str]) -> list[float]:
        """Seconds of processor time of each of ``containers`` since it began, read at the end of the call.

        Raises NotReadyError when one does not run or its engine shows no such figure.
        """
        files = self._files(containers)
        if files is None:
            with ThreadPoolExecutor(max_workers=len(containers)) as pool:
                return list(pool.map(self._inside, containers))
        return [read(path.read_text(encoding="ascii"), str(path)) for path in files]

    def _files(self, containers: Sequence[str]) -> list[Path] | None:
        argv = [self.docker, "inspect", "--format", "{{.State.Pid}}", *containers]
        pids = self.run(argv, timeout_s=_READ_S).stdout.split()
        found = [path for pid in pids if (path := self._file(pid)) is not None]
        return found if len(found) == len(containers) else None

    def _file(self, pid: str) -> Path | None:
        """Where the control group of process ``pid`` counts, by /proc/PID/cgroup (cgroups(7)); None where
        the engine runs on another machine, as a virtual one."""
        try:
            lines = (self.root / "proc" / pid / "cgroup").read_text(encoding="ascii").splitlines()
        except OSError:
            return None
        groups = self.root / "sys" / "fs" / "cgroup"
        for controllers, _, path in (line.partition(":")[2].partition(":") for line in lines):
            old = groups / "cpuacct" / path.lstrip("/") / "cpuacct.usage"
            new = groups / path.lstrip("/") / "cpu.stat"
            for file in (old, new) if "cpuacct" in controllers.split(",") else (new,):
                if path != "/" and file.is_file():
                    return file
        return None

    def _inside(self, container: str) -> float:
        done = self.run([self.docker, "exec", container, "sh", "-c", _READ], timeout_s=_READ_S)
        return read(done.stdout, container)


class Window:
    """Reads a meter when the load says that its window begins, and when it says that it ends.

    ``cpu_s`` returns the processor seconds so far of the client, then of each broker.
    """

    def __init__(
        self, cpu_s: Callable[[], Sequence[float]], now: Callable[[], float], *, warmup_s: int, window_s: int
    ) -> None:
        self._cpu_s = cpu_s
        self._now = now
        self._due = [warmup_s, warmup_s + window_s]
        self._read: list[tuple[float, Sequence[float]]] = []

    def at(self, t_s: float) -> None:
        """The load is ``t_s`` seconds old."""
        if self._due and t_s >= self._due[0]:
            del self._due[0]
            found = self._cpu_s()
            self._read.append((self._now(), found))

    def used(self) -> Used:
        """What was used per second of the window; raises NotReadyError when the load ended before it did."""
        if self._due:
            raise NotReadyError("the measured run", f"ended before its second {self._due[-1]}")
        (began, before), (ended, after) = self._read
        span_s = ended - began
        client, *brokers = (late - early for early, late in zip(before, after, strict=True))
        return Used(client=client / span_s, brokers=sum(brokers) / span_s)


def read(text: str, container: str) -> float:
    """Seconds from ``cpuacct.usage`` (nanoseconds) or ``cpu.stat`` (``usage_usec``)."""
    if text.strip().isdigit():
        return int(text) / 1e9
    if match := re.search(r"^usage_usec (\d+)$", text, re.MULTILINE):
        return int(match[1]) / 1e6
    raise NotReadyError(container, "shows no processor time", "does it still run?")
