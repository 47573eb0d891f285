"""Nodes as containers of one Compose project: the `Runtime` of the lab, and what `cluster up` needs of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from warren import process
from warren.bundle import Volume, archive
from warren.errors import NotReadyError, RefusedError
from warren.process import Completed, Runner
from warren.runtime.engine import Engine
from warren.runtime.protocol import NodeState
from warren.state import State
from warren.topology import Topology

_STATES = {
    "running": NodeState.RUNNING,
    "restarting": NodeState.RUNNING,
    "paused": NodeState.PAUSED,
    "exited": NodeState.STOPPED,
    "created": NodeState.STOPPED,
    "dead": NodeState.STOPPED,
    "removing": NodeState.STOPPED,
}
#: RabbitMQ asks for 50,000 at least; above 65,536 Erlang's port table would have to grow too.
WANTED_OPEN_FILES = 65536
#: How long the engine may take for one act on one container.
_ACT_S = 60.0
_COMPOSE_S = 240.0
#: A node is given this long to stop in order, which is what the Compose file says too.
STOP_GRACE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeRuntime:
    """The cluster's containers, found by name and checked by label."""

    engine: Engine
    topology: Topology
    state: State
    run: Runner

    # The Runtime protocol

    def states(self) -> Mapping[str, NodeState]:
        found = {
            container["Config"]["Labels"]["warren.node"]: _STATES[container["State"]["Status"]]
            for container in self.containers()
            if container["Config"]["Labels"].get("warren.role") == "node"
        }
        return {node.name: found.get(node.name, NodeState.ABSENT) for node in self.topology.nodes}

    def start(self, node: str) -> None:
        self._act(node, "start")

    def stop(self, node: str, *, grace_s: float) -> None:
        self._act(node, "stop", "--time", str(round(grace_s)), timeout_s=grace_s + _ACT_S)

    def kill(self, node: str) -> None:
        if self.states()[node] in (NodeState.RUNNING, NodeState.PAUSED):
            self._act(node, "kill", "--signal", "KILL")

    def pause(self, node: str) -> None:
        if self.states()[node] is not NodeState.PAUSED:
            self._act(node, "pause")

    def unpause(self, node: str) -> None:
        if self.states()[node] is NodeState.PAUSED:
            self._act(node, "unpause")

    def process_id(self, node: str) -> int | None:
        done = self._docker("inspect", "--format", "{{.State.Pid}}", self.container(node))
        return int(done.stdout.strip() or 0) or None

    def execute(
        self, node: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> Completed:
        interactive = ["--interactive"] if stdin is not None else []
        command = [self.engine.docker, "exec", *interactive, self.container(node), *argv]
        return self.run(command, timeout_s=timeout_s, stdin=stdin)

    def address(self, node: str, port: str) -> tuple[str, int]:
        return "127.0.0.1", self.topology.published_node(node, port)

    def put_files(self, node: str, files: Mapping[str, bytes]) -> None:
        contents = {path: (content, 0o400) for path, content in files.items()}
        self.fill([Volume(name=f"{node}-config", uid=999, gid=999, files=contents)], os.environ)

    def logs(self, node: str, *, lines: int) -> str:
        done = self._docker("logs", "--tail", str(lines), self.container(node))
        return done.stdout + done.stderr

    # What `cluster up`, `down` and `destroy` need

    def container(self, service: str) -> str:
        """The container's name of a node or service."""
        return f"{self.topology.cluster}-{service}"

    def containers(self) -> list[dict[str, Any]]:
        """`docker inspect` of every container that carries the cluster's label."""
        ids = self._labelled("container", "--all")
        if not ids:
            return []
        return list(json.loads(process.check(self._docker("inspect", *ids)).stdout))

    def refuse_foreign(self) -> None:
        """Raise RefusedError when the cluster's volumes were made from another state folder."""
        names = self._labelled("volume")
        if not names:
            return
        for volume in json.loads(process.check(self._docker("volume", "inspect", *names)).stdout):
            labels = volume.get("Labels") or {}
            if labels.get("warren.state-id") != self.state.id:
                raise RefusedError(
                    f"cluster '{self.topology.cluster}'",
                    f"belongs to the state folder {labels.get('warren.state')}, not to {self.state.root}",
                    "point WARREN_STATE at that folder's parent, or give this cluster another name,"
                    " or remove the old one and its messages: make cluster-destroy",
                )

    def has_data(self) -> bool:
        """Whether any node of the cluster has a data volume, that is, whether it was ever up."""
        names = self._labelled("volume")
        nodes = {f"{self.topology.cluster}_{node.name}-data" for node in self.topology.nodes}
        return not nodes.isdisjoint(names)

    def open_files_limit(self, image: str) -> int:
        """How many open files a node may have: what is wanted, or less where the engine has less."""
        command = [self.engine.docker, "run", "--rm", "--network", "none", "--entrypoint", "sh", image]
        done = process.check(self.run([*command, "-c", "ulimit -H -n"], timeout_s=_ACT_S))
        found = done.stdout.strip()
        return min(WANTED_OPEN_FILES, int(found)) if found.isdigit() else WANTED_OPEN_FILES

    def create(self, images: Mapping[str, str]) -> None:
        """Make network, volumes and containers without starting them."""
        self._compose(images, "create", "--remove-orphans")

    def up(self, images: Mapping[str, str]) -> None:
        """Start every container that does not run."""
        self._compose(images, "up", "--detach", "--remove-orphans", "--no-build", "--pull", "never")

    def remove(self, *, volumes: bool) -> None:
        """Remove the cluster's containers and network, and with ``volumes`` its data too: all by label, so
        that it works without a Compose file. Nodes get time to stop in order."""
        ids = self._labelled("container", "--all")
        if ids:
            stop = ["stop", "--time", str(STOP_GRACE_S), *ids]
            process.check(self._docker(*stop, timeout_s=STOP_GRACE_S + _COMPOSE_S))
            process.check(self._docker("rm", "--force", *ids, timeout_s=_COMPOSE_S))
        for kind in ("network", *(["volume"] if volumes else [])):
            if names := self._labelled(kind):
                process.check(self._docker(kind, "rm", *names))

    def remove_dead(self) -> None:
        """Remove containers that a killed engine left half removed; nothing else can be done with them."""
        for status in ("dead", "removing"):
            for container in self._labelled("container", "--all", "--filter", f"status={status}"):
                process.check(self._docker("rm", "--force", container))

    def runs(self, service: str) -> bool:
        """Whether the service's container runs."""
        done = self._docker("inspect", "--format", "{{.State.Running}}", self.container(service))
        return done.stdout.strip() == "true"

    def services_run(self) -> None:
        """Raise NotReadyError with the last line of a service (not a node) that has ended."""
        for container in self.containers():
            labels, state = container["Config"]["Labels"], container["State"]
            if labels.get("warren.role") == "service" and state["Status"] == "exited":
                name = container["Name"].removeprefix("/")
                done = self._docker("logs", "--tail", "20", name)
                raise NotReadyError(name, f"ended with status {state['ExitCode']}: {done.last_line()}")

    def _labelled(self, kind: str, *options: str) -> list[str]:
        label = f"label=warren.cluster={self.topology.cluster}"
        done = process.check(self._docker(kind, "ls", "--quiet", "--filter", label, *options))
        return done.stdout.split()

    def restart_service(self, service: str) -> None:
        self._act(service, "restart")

    def fill(self, volumes: Iterable[Volume], images: Mapping[str, str]) -> None:
        """Write files into volumes by one helper container that reads an archive on its standard input."""
        wanted = list(volumes)
        mounts = [
            f"--mount=type=volume,source={self.topology.cluster}_{volume.name},target=/out/{volume.name}"
            for volume in wanted
        ]
        command = [self.engine.docker, "run", "--rm", "--interactive", "--network", "none", "--user", "0:0"]
        command += [
            "--cap-drop",
            "ALL",
            "--cap-add",
            "CHOWN",
            "--cap-add",
            "DAC_OVERRIDE",
            "--cap-add",
            "FOWNER",
        ]
        command += ["--label", f"warren.cluster={self.topology.cluster}", "--label", "warren.role=helper"]
        command += [*mounts, "--entrypoint", "tar", images["WARREN_IMAGE_RABBITMQ"]]
        command += [
            "--extract",
            "--numeric-owner",
            "--same-owner",
            "--same-permissions",
            "--file=-",
            "--directory=/out",
        ]
        process.check(self.run(command, timeout_s=_ACT_S, stdin=archive(wanted)))

    def _compose(self, images: Mapping[str, str], *arguments: str) -> None:
        environment = {
            **os.environ,
            **images,
            "WARREN_STATE_DIR": str(self.state.root),
            "WARREN_STATE_ID": self.state.id,
        }
        command = [
            *self.engine.compose,
            "--file",
            str(self.state.compose_file),
            "--progress",
            "plain",
            *arguments,
        ]
        done = self.run(command, timeout_s=_COMPOSE_S, env=environment)
        process.check(done, "look at: docker ps --all; then try again")

    def _act(self, service: str, verb: str, *options: str, timeout_s: float = _ACT_S) -> None:
        process.check(self._docker(verb, *options, self.container(service), timeout_s=timeout_s))

    def _docker(self, *arguments: str, timeout_s: float = _ACT_S) -> Completed:
        done = self.run([self.engine.docker, *arguments], timeout_s=timeout_s)
        if not done.ok and "No such container" in done.stderr:
            raise NotReadyError(
                arguments[-1], "this container is not there", "bring the cluster up: make cluster-up"
            )
        return done
