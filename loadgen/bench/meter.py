"""Processor time that containers used, read from their control groups, versions 1 and 2."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from warren.errors import NotReadyError
from warren.process import Runner

_READ = "cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || cat /sys/fs/cgroup/cpu.stat"
_READ_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Reads from inside each container, which needs no right on the host."""

    docker: str
    run: Runner

    def cpu_s(self, containers: Sequence[str]) -> float:
        """Seconds of processor time of all ``containers`` since they began, together.

        Raises NotReadyError when one does not run or its engine shows no such figure.
        """
        return sum(self._one(container) for container in containers)

    def _one(self, container: str) -> float:
        done = self.run([self.docker, "exec", container, "sh", "-c", _READ], timeout_s=_READ_S)
        return read(done.stdout, container)


def read(text: str, container: str) -> float:
    """Seconds from ``cpuacct.usage`` (nanoseconds) or ``cpu.stat`` (``usage_usec``)."""
    if text.strip().isdigit():
        return int(text) / 1e9
    if match := re.search(r"^usage_usec (\d+)$", text, re.MULTILINE):
        return int(match[1]) / 1e6
    raise NotReadyError(container, "shows no processor time", "does it still run?")
