"""Nodes as containers of one Compose project: the `Runtime` of the lab, and what `cluster up` needs of it."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from warren.bundle import Volume
from warren.errors import NotReadyError
from warren.process import Completed
from warren.runtime import ownership
from warren.runtime.compose_data import NodeData
from warren.runtime.compose_faults import NodeFaults
from warren.runtime.compose_links import LinkRelay
from warren.runtime.containers import ACT_S
from warren.runtime.protocol import NodeState
from warren.runtime.reasons import UNFROZEN, engine_error
from warren.volume_archive import archive
from warren.wait import until

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
_COMPOSE_S = 240.0
_REMOVE_S = 60.0
_FREEZE_S = 15.0
#: Empties the named folders, then unpacks; a failed emptying fails the whole. The archive's times are fixed,
#: and files get the present one: of the distribution's certificates Erlang sees a renewal by the file's time
#: alone (``ssl_pem_cache`` looks every two minutes; ``ssl:clear_pem_cache`` does not reach them).
_FILL = (
    'for each; do find "/out/$each" -mindepth 1 -delete || exit 1; done;'
    " exec tar --extract --touch --numeric-owner --same-owner --same-permissions --file=- --directory=/out"
)
#: A node is given this long to stop in order, which is what the Compose file says too.
STOP_GRACE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeRuntime(NodeFaults, NodeData, LinkRelay):
    """The cluster's containers as nodes, and as a whole."""

    # The Runtime protocol

    def states(self) -> Mapping[str, NodeState]:
        found = {
            labels["warren.node"]: _STATES.get(container["State"]["Status"], NodeState.STOPPED)
            for container in self.containers()
            if (labels := container["Config"]["Labels"]).get("warren.role") == "node"
        }
        return {node.name: found.get(node.name, NodeState.ABSENT) for node in self.topology.nodes}

    def state_of(self, node: str) -> NodeState:
        return self.states().get(node, NodeState.ABSENT)

    def start(self, node: str) -> None:
        self.unpin([node])
        self._act(node, "start")

    def stop(self, node: str, *, grace_s: float) -> None:
        self._act(node, "stop", "-t", str(round(grace_s)), timeout_s=grace_s + ACT_S)

    def kill(self, node: str) -> None:
        if self.states()[node] in (NodeState.RUNNING, NodeState.PAUSED):
            self._act(node, "kill", "--signal", "KILL")

    def pause(self, node: str) -> None:
        """Freeze it, tried again for a few seconds where a busy machine does not get it to stand still."""
        refusal = until(
            lambda: self._frozen(node),
            what=f"{node} to freeze",
            deadline_s=_FREEZE_S,
            clock=self.clock,
        )
        if refusal is not None:
            raise refusal

    def _frozen(self, node: str) -> NotReadyError | None:
        """None once it is; what another try would not mend is returned, the rest raised."""
        try:
            if self.states()[node] is not NodeState.PAUSED:
                self._act(node, "pause")
        except NotReadyError as error:
            if error.what == UNFROZEN:
                raise
            return error
        return None

    def unpause(self, node: str) -> None:
        if self.states()[node] is NodeState.PAUSED:
            self._act(node, "unpause")

    def process_id(self, node: str) -> int | None:
        state = self._state(node)
        return (int(state["Pid"]) or None) if state else None

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
        volume = Volume(name=f"{node}-config", uid=999, gid=999, files=contents)
        self.fill([volume], image=self._image(node))

    def logs(self, node: str, *, lines: int) -> str:
        done = self._checked("logs", "--tail", str(lines), self.container(node))
        return done.stdout + done.stderr

    # What `cluster up`, `down` and `destroy` need

    def owners(self) -> list[dict[str, str]]:
        """The labels of the cluster's volumes, of which ``warren.state`` (path) and ``warren.state-id`` say
        whose it is."""
        names = self._labelled("volume")
        if not names:
            return []
        volumes = json.loads(self._checked("volume", "inspect", *names).stdout)
        return [dict(volume.get("Labels") or {}) for volume in volumes]

    def refuse_foreign(self) -> None:
        """Raise RefusedError when a volume of the cluster was made from another state folder."""
        for owner in self.owners():
            ownership.refuse_foreign(self.topology.cluster, owner, self.state)

    def volumes(self) -> set[str]:
        """Names of the cluster's volumes that there are, without the cluster's own name before them."""
        prefix = f"{self.topology.cluster}_"
        return {name.removeprefix(prefix) for name in self._labelled("volume")}

    def has_data(self) -> bool:
        """Whether any node of the cluster has a data volume, that is, whether it was ever made."""
        return not self.volumes().isdisjoint(f"{node.name}-data" for node in self.topology.nodes)

    def open_files_limit(self, image: str) -> int:
        """How many open files a node may have: what is wanted, or less where the engine has less."""
        command = [self.engine.docker, "run", "--rm", "--pull", "never", "--network", "none"]
        command += ["--cap-drop", "ALL", "--entrypoint", "sh", image, "-c", "ulimit -H -n"]
        done = self.run(command, timeout_s=ACT_S)
        if not done.ok:
            raise engine_error(done, self.topology.cluster)
        found = done.stdout.strip()
        return min(WANTED_OPEN_FILES, int(found)) if found.isdigit() else WANTED_OPEN_FILES

    def create(
        self, environment: Mapping[str, str], *, services: Collection[str], keep: Collection[str] = ()
    ) -> None:
        """Make network, volumes and the containers of ``services`` without starting them.

        A container whose description has changed is made anew, but for those in ``keep``: a running node
        is never replaced behind its user's back, whatever the Compose version thinks has changed.
        """
        flags = ["create", "--pull", "never", "--no-build"]
        others = [service for service in services if service not in keep]
        if keep:
            self._compose(environment, *flags, "--no-recreate", *sorted(keep))
        self._compose(environment, *flags, "--remove-orphans", *others)

    def recreate(self, environment: Mapping[str, str], node: str) -> None:
        """Make the container of a stopped ``node`` anew from the Compose file, without starting it."""
        flags = ["--pull", "never", "--no-build", "--force-recreate"]
        self._compose(environment, "create", *flags, node)

    def up(self, environment: Mapping[str, str]) -> None:
        """Start every container that does not run; `create` has made them."""
        self.unpin([node.name for node in self.topology.nodes])
        self._compose(environment, "up", "--detach", "--no-recreate", "--no-build", "--pull", "never")

    def start_services(self, environment: Mapping[str, str], services: Collection[str]) -> None:
        """Start those of ``services`` that do not run, and nothing else; `create` has made them."""
        flags = ["--detach", "--no-deps", "--no-recreate", "--no-build", "--pull", "never"]
        self._compose(environment, "up", *flags, *sorted(services))

    def remove_data(self, nodes: Collection[str]) -> None:
        """Remove the volumes of ``nodes``, whose containers are gone. Idempotent."""
        theirs = {f"{node}-{part}" for node in nodes for part in ("config", "data")}
        if gone := sorted(self.volumes() & theirs):
            self._checked("volume", "rm", *(f"{self.topology.cluster}_{name}" for name in gone))

    def remove(self, *, volumes: bool) -> None:
        """Remove the cluster's containers and network, and with ``volumes`` its data too: all by label, so
        that it works without a Compose file. Nodes get time to stop in order."""
        alive = ("--filter", "status=running", "--filter", "status=paused", "--filter", "status=restarting")
        if ids := self._labelled("container", *alive):
            command = [self.engine.docker, "stop", "-t", str(STOP_GRACE_S), *ids]
            done = self.run(command, timeout_s=STOP_GRACE_S + _COMPOSE_S)
            if not done.ok and "no such container" not in done.stderr.lower():  # some remove themselves
                raise engine_error(done, self.topology.cluster)
        self._remove_containers()
        for kind in ("network", *(["volume"] if volumes else [])):
            if names := self._labelled(kind):
                if kind == "network":
                    self.free_networks(names)
                self._checked(kind, "rm", *names)

    def _remove_containers(self) -> None:
        """Until none is left: one that the engine is just removing itself refuses to be removed."""

        def none_left() -> None:
            ids = self._labelled("container", "--all")
            if not ids:
                return
            done = self.run([self.engine.docker, "rm", "--force", *ids], timeout_s=_COMPOSE_S)
            if left := self._labelled("container", "--all"):
                raise NotReadyError(
                    f"cluster '{self.topology.cluster}'",
                    f"{len(left)} containers cannot be removed: {done.reason()}",
                    "restart the engine, then try again",
                )

        until(none_left, what="containers to go", deadline_s=_REMOVE_S, clock=self.clock)

    def remove_dead(self) -> None:
        """Remove containers that a killed engine left half removed; nothing else can be done with them."""
        for status in ("dead", "removing"):
            for container in self._labelled("container", "--all", "--filter", f"status={status}"):
                self._checked("rm", "--force", container)

    def runs(self, service: str) -> bool:
        """Whether the service's container runs."""
        state = self._state(service)
        return bool(state and state["Running"])

    def ended(self, role: str) -> Mapping[str, str]:
        """Containers of ``role`` (node, service) that were started and have ended, by service name: why."""
        return {
            container["Name"].removeprefix(f"/{self.topology.cluster}-"): _why(container["State"])
            for container in self.containers()
            if container["Config"]["Labels"].get("warren.role") == role
            and container["State"]["Status"] in ("exited", "dead")
        }

    def restart_service(self, service: str) -> None:
        self._act(service, "restart")

    def fill(self, volumes: Iterable[Volume], *, image: str, emptied: Collection[str] = ()) -> None:
        """Write files into volumes by one helper container that reads an archive on its standard input.

        The volumes named in ``emptied`` lose what they held before, so that no stale file stays in them.
        """
        wanted = list(volumes)
        command = self._helper("none", "CHOWN", "DAC_OVERRIDE", "FOWNER", interactive=True)
        for volume in wanted:
            source = f"{self.topology.cluster}_{volume.name}"
            command.append(f"--mount=type=volume,source={source},target=/out/{volume.name}")
        command += ["--entrypoint", "sh", image, "-c", _FILL, "fill", *emptied]
        done = self.run(command, timeout_s=ACT_S, stdin=archive(wanted))
        if not done.ok:
            raise engine_error(done, self.topology.cluster)

    def _compose(self, environment: Mapping[str, str], *arguments: str) -> None:
        # COMPOSE_… variables of the caller (a project name, profiles, orphans to ignore) are not for us.
        own = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
        own |= {"WARREN_STATE_DIR": str(self.state.root), "WARREN_STATE_ID": self.state.id}
        command = [*self.engine.compose, "--project-name", self.topology.cluster]
        command += ["--file", str(self.state.compose_file), *arguments]
        done = self.run(command, timeout_s=_COMPOSE_S, env={**own, **environment})
        if not done.ok:
            raise engine_error(done, self.topology.cluster)


def _why(state: Mapping[str, Any]) -> str:
    if state.get("OOMKilled"):
        return "was killed: it needed more than its memory limit"
    reason = f" ({state['Error']})" if state.get("Error") else ""
    return f"ended with status {state['ExitCode']}{reason}"
