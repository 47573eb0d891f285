"""The containers of one cluster, found by name and checked by label: what everybody asks the engine."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from warren.errors import NotReadyError
from warren.process import Completed, Runner
from warren.runtime.engine import Engine
from warren.runtime.reasons import engine_error
from warren.state import State
from warren.topology import Topology
from warren.wait import Clock

#: How long the engine may take for one act on one container.
ACT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Containers:
    """Questions to the engine, and acts on one container. What begins with an underscore is for the classes
    that build on this one."""

    engine: Engine
    topology: Topology
    state: State
    run: Runner
    clock: Clock = field(default_factory=Clock)

    def container(self, service: str) -> str:
        """The container's name of a node or service."""
        return f"{self.topology.cluster}-{service}"

    def containers(self) -> list[dict[str, Any]]:
        """`docker inspect` of every container that carries the cluster's label."""
        ids = self._labelled("container", "--all")
        if not ids:
            return []
        done = self.run([self.engine.docker, "container", "inspect", *ids], timeout_s=ACT_S)
        # A helper that ended between the two questions is no failure: the others are printed all the same.
        if not done.ok and "no such container" not in done.stderr.lower():
            raise engine_error(done, self.topology.cluster)
        return list(json.loads(done.stdout or "[]"))

    def _helper(self, network: str, *capabilities: str, interactive: bool) -> list[str]:
        """The engine's command, up to the mounts and what is run, for a container that does one thing as root
        with ``capabilities`` and no other, and is gone."""
        command = [self.engine.docker, "run", "--rm", *(["--interactive"] if interactive else [])]
        return [*command, *self._confined(network, *capabilities, role="helper")]

    def _confined(self, network: str, *capabilities: str, role: str) -> list[str]:
        """The options of a container that may do nothing but what ``capabilities`` are for, as root."""
        command = ["--pull", "never", "--network", network, "--user", "0:0", "--read-only"]
        command += ["--security-opt", "no-new-privileges", "--cap-drop", "ALL"]
        command += [part for each in capabilities for part in ("--cap-add", each)]
        labels = (f"warren.cluster={self.topology.cluster}", f"warren.role={role}")
        return [*command, *(part for each in labels for part in ("--label", each))]

    def _image(self, service: str) -> str:
        """The image that a node's or service's container was made of."""
        return self._checked("inspect", "--format", "{{.Image}}", self.container(service)).stdout.strip()

    def _labelled(self, kind: str, *options: str) -> list[str]:
        label = f"label=warren.cluster={self.topology.cluster}"
        return self._checked(kind, "ls", "--quiet", "--filter", label, *options).stdout.split()

    def _state(self, service: str) -> dict[str, Any] | None:
        """The engine's word on one container; None where there is none."""
        command = [self.engine.docker, "container", "inspect", "--format", "{{json .State}}"]
        done = self.run([*command, self.container(service)], timeout_s=ACT_S)
        if done.ok:
            return dict(json.loads(done.stdout))
        if "no such container" in done.stderr.lower():
            return None
        raise engine_error(done, self.topology.cluster)

    def _act(self, service: str, verb: str, *options: str, timeout_s: float = ACT_S) -> None:
        self._checked(verb, *options, self.container(service), timeout_s=timeout_s)

    def _checked(self, *arguments: str, timeout_s: float = ACT_S) -> Completed:
        done = self.run([self.engine.docker, *arguments], timeout_s=timeout_s)
        if done.ok:
            return done
        if "no such container" in done.stderr.lower() or "no such object" in done.stderr.lower():
            what = "this container is not there"
            raise NotReadyError(arguments[-1], what, "bring the cluster up: make cluster-up")
        raise engine_error(done, self.topology.cluster)
