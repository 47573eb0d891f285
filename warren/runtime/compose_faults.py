"""What chaos alone needs of a node's container: its network's tools, its address, its share of processors."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from warren.errors import NotReadyError
from warren.process import Completed
from warren.runtime.containers import ACT_S, Containers
from warren.runtime.protocol import Ability, Joined, MemoryLimit
from warren.runtime.reasons import engine_error

#: The kernel's own default: a node that is over its share waits for the rest of this time.
_CPU_PERIOD_US = 100_000
#: The role of helpers that stay in a node's network, and how long they may take to leave it.
_JOINED, _PART_S = "joined", 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFaults(Containers):
    """The part of the `Runtime` protocol by which faults act on nodes that go on running."""

    @property
    def network_ends_with_node(self) -> bool:
        return True

    def lacks(self, ability: Ability) -> str:  # noqa: ARG002 - the engine can do all of it
        return ""

    def control_ports(self, node: str) -> tuple[int, ...]:  # noqa: ARG002 - the engine acts past the network
        return ()

    def control_group(self, node: str) -> str:  # noqa: ARG002 - a container has a view of its own
        return "/sys/fs/cgroup"

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
        found = (self._network(node) or {}).get("IPAddress")
        if not found:
            raise NotReadyError(node, "has no address: it does not run, or is on no network")
        return str(found)

    def join(self, node: str, fault: str, argv: Sequence[str]) -> None:
        name, image = self._joined_name(fault), self._image("exporter")
        self._gone("rm", "--force", name)
        command = ["run", "--detach", "--name", name, "--memory", "256m", "--pids-limit", "16"]
        command += self._confined(f"container:{self.container(node)}", "NET_ADMIN", role=_JOINED)
        command += ["--label", f"warren.node={node}", "--label", f"warren.fault={fault}"]
        self._checked(*command, "--entrypoint", argv[0], image, *argv[1:])

    def joined(self) -> tuple[Joined, ...]:
        return tuple(
            Joined(
                fault=labels["warren.fault"],
                node=labels["warren.node"],
                is_running=bool(container["State"]["Running"]),
            )
            for container in self.containers()
            if (labels := container["Config"]["Labels"]).get("warren.role") == _JOINED
        )

    def joined_said(self, fault: str) -> str:
        done = self._checked("logs", "--tail", "1", self._joined_name(fault))
        return done.reason() if done.stdout or done.stderr else ""

    def part(self, fault: str) -> None:
        name = self._joined_name(fault)
        self._gone("stop", "-t", str(_PART_S), name)
        self._gone("rm", "--force", name)

    def detach(self, node: str) -> None:
        if not self.is_detached(node):
            self._checked("network", "disconnect", self.topology.cluster, self.container(node))

    def attach(self, node: str, address: str) -> None:
        """Under the names that Compose gave it. The engine pins an address that is asked for to the
        container (see `unpin`); where somebody else has it, the node gets a free one."""
        if not self.is_detached(node):
            return
        names = ("--alias", node, "--alias", self.container(node))
        where = (self.topology.cluster, self.container(node))
        if address:
            command = [self.engine.docker, "network", "connect", *names, "--ip", address, *where]
            done = self.run(command, timeout_s=ACT_S)
            if done.ok:
                return
            if "already in use" not in done.stderr.lower():
                raise engine_error(done, self.topology.cluster)
        self._checked("network", "connect", *names, *where)

    def unpin(self, nodes: Collection[str]) -> None:
        """Let those of ``nodes`` that do not run ask for no address of their own any more when they start.

        The engine gives the lowest free address to who comes. So while a node is down that was put back
        with the one that it had, another container gets that, and the node could not start any more.
        """
        for container in self.containers():
            node = container["Config"]["Labels"].get("warren.node")
            if node in nodes and not container["State"].get("Running") and self._is_pinned(container):
                self.detach(node)
                self.attach(node, "")

    def is_detached(self, node: str) -> bool:
        return self._network(node) is None

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

    def _is_pinned(self, container: Mapping[str, Any]) -> bool:
        networks = container.get("NetworkSettings", {}).get("Networks", {})
        settings = networks.get(self.topology.cluster, {}).get("IPAMConfig") or {}
        return bool(settings.get("IPv4Address"))

    def _network(self, node: str) -> Mapping[str, Any] | None:
        """What the engine says of a node on the cluster's network; None where it is not on it."""
        template = "{{json .NetworkSettings.Networks}}"
        done = self._checked("inspect", "--format", template, self.container(node))
        found: Mapping[str, Any] | None = json.loads(done.stdout).get(self.topology.cluster)
        return found

    def _joined_name(self, fault: str) -> str:
        return self.container(f"fault-{fault}")

    def _gone(self, *arguments: str) -> None:
        """An act that ends a container, which may be none by now, or be ended by another at this moment."""
        done = self.run([self.engine.docker, *arguments], timeout_s=ACT_S)
        words = ("no such container", "already in progress")
        if not done.ok and not any(word in done.stderr.lower() for word in words):
            raise engine_error(done, self.topology.cluster)
