"""What chaos alone needs of a node's container: its network's tools, its address, its share of processors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from warren.errors import NotReadyError
from warren.process import Completed
from warren.runtime.containers import Containers
from warren.runtime.protocol import MemoryLimit

#: The kernel's own default: a node that is over its share waits for the rest of this time.
_CPU_PERIOD_US = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFaults(Containers):
    """The part of the `Runtime` protocol by which faults act on nodes that go on running."""

    def in_network(
        self, node: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> Completed:
        """In a container of its own that joins the node's network: the right to use the engine suffices."""
        image = self._image("exporter")
        command = self._helper(
            f"container:{self.container(node)}", "NET_ADMIN", interactive=stdin is not None
        )
        command += ["--entrypoint", argv[0], image, *argv[1:]]
        return self.run(command, timeout_s=timeout_s, stdin=stdin)

    def network_address(self, node: str) -> str:
        template = "{{json .NetworkSettings.Networks}}"
        done = self._checked("inspect", "--format", template, self.container(node))
        found = json.loads(done.stdout).get(self.topology.cluster, {}).get("IPAddress")
        if not found:
            raise NotReadyError(node, "has no address: it does not run")
        return str(found)

    def cpu_limit(self, node: str) -> float:
        template = "{{.HostConfig.CpuQuota}} {{.HostConfig.CpuPeriod}} {{.HostConfig.NanoCpus}}"
        done = self._checked("inspect", "--format", template, self.container(node))
        quota, period, nano = (int(each) for each in done.stdout.split())
        if nano:
            return nano / 1e9
        return quota / (period or _CPU_PERIOD_US) if quota > 0 else 0.0

    def limit_cpu(self, node: str, cores: float) -> None:
        quota = str(round(cores * _CPU_PERIOD_US)) if cores else "-1"
        self._act(node, "update", "--cpu-period", str(_CPU_PERIOD_US), "--cpu-quota", quota)

    def memory_limit(self, node: str) -> MemoryLimit:
        template = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}"
        done = self._checked("inspect", "--format", template, self.container(node))
        memory, with_swap = (int(each) for each in done.stdout.split())
        return MemoryLimit(memory_bytes=memory, with_swap_bytes=max(0, with_swap))

    def limit_memory(self, node: str, limit: MemoryLimit) -> None:
        # The engine takes 0 for "leave it", and -1 for "as much as there is".
        memory, with_swap = (str(each or -1) for each in (limit.memory_bytes, limit.with_swap_bytes))
        self._act(node, "update", "--memory", memory, "--memory-swap", with_swap)
