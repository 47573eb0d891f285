# ruff: noqa: ARG002 - the protocol says which arguments there are
"""A runtime without containers: remembers states, and fails or dies where a test says so.

With a ``store`` it keeps its memory in a file, so that a driver can be killed for real in another process
and the next one finds the nodes as the dead one left them.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any, Literal

from warren.errors import NotReadyError
from warren.process import Completed
from warren.runtime import fake_machine
from warren.runtime.protocol import Ability, Helper, Joined, MemoryLimit, NodeState
from warren.topology import PUBLISHED_NODE_PORTS

Moment = Literal["before", "after"]
_FIRST_PROCESS_ID = 1000


@dataclass(slots=True, kw_only=True)
class Script:
    """What is to happen at one step: ``act`` runs ``before`` or ``after`` the step takes effect.

    ``after`` is the lost reply: the node has changed and the caller is told that it failed.
    ``times`` counts down; None means every time. The first ``skip`` times are let pass.
    """

    step: str
    act: Callable[[], None]
    moment: Moment = "before"
    node: str | None = None
    times: int | None = 1
    skip: int = 0


@dataclass(slots=True)
class FakeRuntime:
    """Fulfils `warren.runtime.protocol.Runtime`. ``calls`` lists (step, node) of every call that acts."""

    nodes: Sequence[str]
    store: Path | None = None
    scripts: list[Script] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    replies: dict[tuple[str, ...], Completed] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    restarts_itself: bool = False
    ignored_steps: set[str] = field(default_factory=set)
    #: As hosts are, and containers are not: see the protocol.
    network_ends_with_node: bool = True
    lacking: dict[Ability, str] = field(default_factory=dict)
    control: tuple[int, ...] = ()
    #: What joined helpers said that have ended by themselves, by fault.
    ended: dict[str, str] = field(default_factory=dict)
    said: str = '{"held": 7, "mean_ms": 100.2, "longest_ms": 104.0, "waiting": 1}'
    #: By name: role, fault, whether it runs, and what it was started with.
    _helpers: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)
    _states: dict[str, NodeState] = field(init=False)
    _process_ids: dict[str, int] = field(init=False)
    _machines: dict[str, dict[str, Any]] = field(init=False)
    _lock: Any = field(init=False, default_factory=RLock)
    #: What the file said when it was last read or written: parsing it again and again takes most of a test.
    _known: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self._states = dict.fromkeys(self.nodes, NodeState.RUNNING)
        self._process_ids = {node: _FIRST_PROCESS_ID + place for place, node in enumerate(self.nodes)}
        self._machines = {node: fake_machine.fresh() for node in self.nodes}

    # What tests say.

    def on(
        self,
        step: str,
        act: Callable[[], None],
        *,
        moment: Moment = "before",
        node: str | None = None,
        times: int | None = 1,
        skip: int = 0,
    ) -> None:
        """Run ``act`` at the next ``step`` (a method's name) on ``node``, or on any, but for ``skip``."""
        self.scripts.append(Script(step=step, act=act, moment=moment, node=node, times=times, skip=skip))

    def fail(
        self,
        step: str,
        *,
        what: str = "the engine does not answer",
        moment: Moment = "before",
        node: str | None = None,
        times: int | None = 1,
    ) -> None:
        """Raise NotReadyError at ``step``; ``moment`` "after" is a reply that was lost."""

        def refuse() -> None:
            raise NotReadyError("fake engine", what)

        self.on(step, refuse, moment=moment, node=node, times=times)

    def put(self, node: str, state: NodeState) -> None:
        """Set a node's state behind the driver's back."""
        self._load()
        self._states[node] = state
        self._save()

    def machine(self, node: str) -> dict[str, Any]:
        """What is set on a node besides its state: see `warren.runtime.fake_machine`."""
        with self._lock:
            self._load()
            return self._machines[node]

    def put_helper(self, name: str, **known: Any) -> None:
        """Let there be a helper, or be something else known of it: ``role``, ``fault``, ``running``,
        ``input``, ``said``, and the ``workers`` of a load run, by process id."""
        self._load()
        fresh = {"role": "load", "fault": "", "running": True, "input": "", "said": "", "workers": {}}
        self._helpers[name] = {**fresh, **self._helpers.get(name, {}), **known}
        self._save()

    def known_helpers(self) -> dict[str, dict[str, Any]]:
        """What is known of each helper, by name."""
        self._load()
        return copy.deepcopy(self._helpers)

    # The protocol.

    def lacks(self, ability: Ability) -> str:
        return self.lacking.get(ability, "")

    def control_ports(self, node: str) -> tuple[int, ...]:
        return self.control

    def control_group(self, node: str) -> str:
        return "/sys/fs/cgroup"

    def states(self) -> Mapping[str, NodeState]:
        self._load()
        self._run("states", "", "before")
        found = dict(self._states)
        self._run("states", "", "after")
        return found

    def state_of(self, node: str) -> NodeState:
        return self.states().get(node, NodeState.ABSENT)

    def start(self, node: str) -> None:
        self._change("start", node, {NodeState.STOPPED: NodeState.RUNNING}, new_process=True)

    def stop(self, node: str, *, grace_s: float) -> None:
        self._change(
            "stop", node, {NodeState.RUNNING: NodeState.STOPPED, NodeState.PAUSED: NodeState.STOPPED}
        )

    def kill(self, node: str) -> None:
        down = NodeState.RUNNING if self.restarts_itself else NodeState.STOPPED
        self._change("kill", node, {NodeState.RUNNING: down}, new_process=self.restarts_itself)

    def pause(self, node: str) -> None:
        self._change("pause", node, {NodeState.RUNNING: NodeState.PAUSED})

    def unpause(self, node: str) -> None:
        self._change("unpause", node, {NodeState.PAUSED: NodeState.RUNNING})

    def process_id(self, node: str) -> int | None:
        self._load()
        self._run("process_id", node, "before")
        runs = self._state(node) in (NodeState.RUNNING, NodeState.PAUSED)
        return self._process_ids[node] if runs else None

    def execute(
        self, node: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> Completed:
        return self._tool("execute", node, argv, stdin, {NodeState.RUNNING})

    def in_network(
        self, node: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> Completed:
        has_network = {NodeState.RUNNING, NodeState.PAUSED}
        if not self.network_ends_with_node:
            has_network.add(NodeState.STOPPED)
        return self._tool("in_network", node, argv, stdin, has_network)

    def network_address(self, node: str) -> str:
        runs = self._state(node) in (NodeState.RUNNING, NodeState.PAUSED)
        if self.machine(node)["detached"] or not runs:
            raise NotReadyError(node, "does not run, or is on no network")
        return f"10.0.0.{list(self.nodes).index(node) + 2}"

    def cpu_limit(self, node: str) -> float:
        return float(self.machine(node)["cores"])

    def limit_cpu(self, node: str, cores: float) -> None:
        self._set("limit_cpu", node, "cores", cores)

    def memory_limit(self, node: str) -> MemoryLimit:
        memory, with_swap = self.machine(node)["memory"]
        return MemoryLimit(memory_bytes=memory, with_swap_bytes=with_swap)

    def limit_memory(self, node: str, limit: MemoryLimit) -> None:
        self._set("limit_memory", node, "memory", [limit.memory_bytes, limit.with_swap_bytes])

    def join(self, node: str, fault: str, argv: Sequence[str]) -> None:
        self._set("join", node, "joined", {**self.machine(node)["joined"], fault: list(argv)})

    def joined(self) -> tuple[Joined, ...]:
        self._load()
        self._run("joined", "", "before")
        return tuple(
            Joined(fault=fault, node=node, is_running=fault not in self.ended)
            for node, machine in self._machines.items()
            for fault in machine["joined"]
        )

    def joined_said(self, fault: str) -> str:
        self._load()
        return self.ended.get(fault, self.said)

    def part(self, fault: str) -> None:
        for node in self.nodes:
            if fault in (found := self.machine(node)["joined"]):
                left = {each: argv for each, argv in found.items() if each != fault}
                self._set("part", node, "joined", left)

    def detach(self, node: str) -> None:
        self._set("detach", node, "detached", True)

    def attach(self, node: str, address: str) -> None:
        self._set("attach", node, "detached", False)

    def is_detached(self, node: str) -> bool:
        self._load()
        self._run("is_detached", node, "before")
        return bool(self.machine(node)["detached"])

    def address(self, node: str, port: str) -> tuple[str, int]:
        self._run("address", node, "before")
        self._state(node)
        return "127.0.0.1", 15000 + 10 * list(self.nodes).index(node) + PUBLISHED_NODE_PORTS.index(port)

    def put_files(self, node: str, files: Mapping[str, bytes]) -> None:
        self._load()
        self.calls.append(("put_files", node))
        self._run("put_files", node, "before")
        if "put_files" not in self.ignored_steps:
            self.files[node] = dict(files)
            self._machines[node]["files"] = {path: content.decode() for path, content in files.items()}
            self._save()
        self._run("put_files", node, "after")

    def logs(self, node: str, *, lines: int) -> str:
        self._state(node)
        return ""

    def helpers(self, role: str) -> tuple[Helper, ...]:
        self._load()
        self._run("helpers", role, "before")
        found = {name: each for name, each in self._helpers.items() if each["role"] == role}
        return tuple(
            Helper(name=name, fault=each["fault"], is_running=each["running"]) for name, each in found.items()
        )

    def start_helper(self, fault: str, argv: Sequence[str], *, stdin: bytes) -> None:
        self.calls.append(("start_helper", fault))
        self._run("start_helper", fault, "before")
        if "start_helper" not in self.ignored_steps:
            self.put_helper(f"fault-{fault}", role="fault", fault=fault, running=True, input=stdin.decode())
        self._run("start_helper", fault, "after")

    def in_helper(self, helper: str, argv: Sequence[str], *, timeout_s: float) -> Completed:
        self._load()
        self._run("in_helper", helper, "before")
        if not self._helpers.get(helper, {}).get("running"):
            raise NotReadyError(helper, "no such container")
        workers, before = self._helpers[helper]["workers"], len(self._helpers[helper]["workers"])
        done = fake_machine.in_load_run(workers, argv)
        if len(workers) != before:
            self.calls.append(("in_helper", helper))
            self._save()
        self._run("in_helper", helper, "after")
        return done

    def helper_said(self, helper: str) -> str:
        self._load()
        return str(self._helpers[helper]["said"])

    def remove_helper(self, helper: str) -> None:
        self._load()
        self.calls.append(("remove_helper", helper))
        self._run("remove_helper", helper, "before")
        if "remove_helper" not in self.ignored_steps:
            self._helpers.pop(helper, None)
            self._save()
        self._run("remove_helper", helper, "after")

    # How it works.

    def _set(self, step: str, node: str, key: str, value: Any) -> None:
        """Set one thing of what a node knows."""
        self._load()
        self.calls.append((step, node))
        self._run(step, node, "before")
        self._state(node)
        if step not in self.ignored_steps:
            self._machines[node][key] = value
            self._save()
        self._run(step, node, "after")

    def _tool(
        self, step: str, node: str, argv: Sequence[str], stdin: bytes | None, needs: set[NodeState]
    ) -> Completed:
        """Run a tool; what only looks is no call that acts, but for most of the broker's own tools. Several
        nodes may be asked at once."""
        with self._lock:
            return self._answer(step, node, argv, stdin, needs)

    def _answer(
        self, step: str, node: str, argv: Sequence[str], stdin: bytes | None, needs: set[NodeState]
    ) -> Completed:
        self._load()
        self._run(step, node, "before")
        if self._state(node) not in needs:
            raise NotReadyError(node, "is not running")
        if tuple(argv) in self.replies:
            self.calls.append((step, node))
            return self.replies[tuple(argv)]
        machine, before = self._machines[node], fake_machine.copied(self._machines[node])
        done = fake_machine.answer(machine, argv, stdin)
        acts = step == "execute" and list(argv[:2]) != ["rabbitmqctl", "eval"]
        looks = argv[0] == "od"  # though it counts
        if not looks and (acts or {**machine, "asked": before["asked"]} != before):
            self.calls.append((step, node))
        if step in self.ignored_steps:
            self._machines[node] = before
        self._save()
        self._run(step, node, "after")
        return done

    def _change(
        self, step: str, node: str, changes: Mapping[NodeState, NodeState], *, new_process: bool = False
    ) -> None:
        self._load()
        self.calls.append((step, node))
        self._run(step, node, "before")
        state = self._state(node)
        if state is NodeState.ABSENT:
            raise NotReadyError(node, f"no such container to {step}")
        if step not in self.ignored_steps and state in changes:
            self._states[node] = changes[state]
            if changes[state] is NodeState.STOPPED or new_process:
                outlives = () if self.network_ends_with_node else fake_machine.NETWORK
                self._machines[node] = fake_machine.restarted(self._machines[node], outlives)
            if new_process:
                self._process_ids[node] += len(self.nodes)
            self._save()
        self._run(step, node, "after")

    def _state(self, node: str) -> NodeState:
        if node not in self._states:
            raise NotReadyError(node, "no such container")
        return self._states[node]

    def _run(self, step: str, node: str, moment: Moment) -> None:
        for script in self.scripts:
            if (script.step, script.moment) == (step, moment) and script.node in (None, node):
                if script.times == 0:
                    continue
                if script.skip:
                    script.skip -= 1
                    continue
                if script.times is not None:
                    script.times -= 1
                script.act()
                self._load()  # it may have changed a node by another object of the same store

    def _load(self) -> None:
        if self.store is not None and self.store.exists():
            text = self.store.read_text(encoding="utf-8")
            if text == self._known:
                return
            memory, self._known = json.loads(text), text
            self._states = {node: NodeState(state) for node, state in memory["states"].items()}
            self._process_ids = memory["process_ids"]
            self._machines = memory["machines"]
            self._helpers = memory["helpers"]

    def _save(self) -> None:
        if self.store is not None:
            states = {node: state.value for node, state in self._states.items()}
            memory = {
                "states": states,
                "process_ids": self._process_ids,
                "machines": self._machines,
                "helpers": self._helpers,
            }
            self._known = json.dumps(memory)
            self.store.write_text(self._known, encoding="utf-8")
