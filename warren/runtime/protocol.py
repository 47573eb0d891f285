"""What every engine may ask of the place where nodes run: containers, hosts over SSH, or a fake.

Chaos, cluster operations and tests use this protocol only, so that one experiment runs on all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from warren.process import Completed


class NodeState(Enum):
    """What the runtime says of a node's container or host, before the broker is asked anything."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimit:
    """How much memory a node may use, and how much with swap; 0 bytes: as much as there is."""

    memory_bytes: int
    with_swap_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A helper that stays in the network of ``node`` on behalf of a ``fault``, and whether it runs."""

    fault: str
    node: str
    is_running: bool


class Ability(Enum):
    """What not every runtime can do; by the words in which it is asked for."""

    DETACH = "to take a node from its network"
    HELPERS = "to run misbehaving clients beside the nodes"
    LIMIT_CPU = "to limit a node's processor time"
    LIMIT_MEMORY = "to limit a node's memory"
    DISK = "to put a library under a node's disk"


#: Where a helper finds what it was started with, secrets in it: in memory, readable by its account only.
HELPER_INPUT = "/tmp/input"  # noqa: S108 - inside the container


@dataclass(frozen=True, slots=True, kw_only=True)
class Helper:
    """A container of the cluster's that is neither node nor service: ``name`` for the engine, the ``fault``
    that it is the doing of (empty for a load run), and whether it runs."""

    name: str
    fault: str
    is_running: bool


class Runtime(Protocol):
    """Acts on nodes by their topology name. Every call raises NotReadyError with the engine's own last
    line when it fails, and DeadlineError when the engine does not answer in time; all but `execute` are
    idempotent."""

    @property
    def network_ends_with_node(self) -> bool:
        """Whether packet filters and queueing of a node's network are gone once the node's process is."""

    def lacks(self, ability: Ability) -> str:
        """Why this runtime cannot do it, or not here; empty where it can."""

    def control_ports(self, node: str) -> tuple[int, ...]:
        """TCP ports of a node's network by which this process acts on it: a filter that struck these too
        could not be taken away any more."""

    def control_group(self, node: str) -> str:
        """The folder in which a command that `execute` runs finds the files of the node's control group."""

    def states(self) -> Mapping[str, NodeState]:
        """The state of every node of the cluster, in topology order."""

    def state_of(self, node: str) -> NodeState:
        """That of one node; one that nobody knows is absent."""

    def start(self, node: str) -> None:
        """Start a stopped node; returns when its process runs, not when the broker is ready."""

    def stop(self, node: str, *, grace_s: float) -> None:
        """Stop a node with SIGTERM, and SIGKILL after ``grace_s``."""

    def kill(self, node: str) -> None:
        """Stop a node with SIGKILL."""

    def pause(self, node: str) -> None:
        """Freeze every process of a node."""

    def unpause(self, node: str) -> None:
        """Let a frozen node go on."""

    def process_id(self, node: str) -> int | None:
        """The host's process id of the node's first process, or None while it does not run: the proof
        that a kill bit is that it changed."""

    def execute(
        self, node: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> Completed:
        """Run a command inside a running node as the broker's own user."""

    def in_network(
        self, node: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> Completed:
        """Run a tool (``nft``, ``tc``, ``ss``, a shell, Python) on the network of a node that runs or is
        frozen, with the right to change it and no other. What it changes ends with the node's process. Not
        idempotent by itself."""

    def network_address(self, node: str) -> str:
        """The address (IPv4) by which the other nodes reach a node that runs or is frozen."""

    def join(self, node: str, fault: str, argv: Sequence[str]) -> None:
        """Run ``argv`` as `in_network` does, in place of an earlier one of that ``fault``, and do not wait
        for its end: it goes on when this process ends, and when the node does."""

    def joined(self) -> tuple[Joined, ...]:
        """Everything that `join` has started, whether it runs or has ended."""

    def joined_said(self, fault: str) -> str:
        """The last line that what was joined for ``fault`` wrote, errors first; empty while there is none."""

    def part(self, fault: str) -> None:
        """End what was joined for ``fault`` with SIGTERM, and SIGKILL soon after; nothing is left of it."""

    def detach(self, node: str) -> None:
        """Take a node from the cluster's network."""

    def attach(self, node: str, address: str) -> None:
        """Put a node back on the cluster's network, under its names and with ``address``; with another one
        where that is empty or somebody else's by now."""

    def is_detached(self, node: str) -> bool:
        """Whether a node that is not absent is on no network."""

    def cpu_limit(self, node: str) -> float:
        """How many cores a node may use; 0: as many as there are."""

    def limit_cpu(self, node: str, cores: float) -> None:
        """Let a node use no more than ``cores``; 0: as many as there are. Lasts until it is changed."""

    def memory_limit(self, node: str) -> MemoryLimit:
        """How much memory a node may use, whatever state it is in."""

    def limit_memory(self, node: str, limit: MemoryLimit) -> None:
        """Let a node use no more than ``limit``; lasts until it is changed. The kernel may refuse less than
        the node uses now, and kills it when it needs more."""

    def address(self, node: str, port: str) -> tuple[str, int]:
        """Host and port at which this process reaches ``port`` (one of `Topology.node_ports`) of a node."""

    def put_files(self, node: str, files: Mapping[str, bytes]) -> None:
        """Replace files of a node's configuration folder, owned and readable by the broker's user only."""

    def logs(self, node: str, *, lines: int) -> str:
        """The last lines that the node wrote."""

    def helpers(self, role: str) -> tuple[Helper, ...]:
        """Those there are of ``role``, ``load`` or ``fault``, whether they run or have ended."""

    def start_helper(self, fault: str, argv: Sequence[str], *, stdin: bytes) -> None:
        """Start Python with ``argv`` in a container of Warren's image on the cluster's network, in place of
        an earlier one of that ``fault``; it goes on when this process ends, without a right and with limits
        of memory, processes and processor time. It finds ``stdin`` in the file `HELPER_INPUT`."""

    def in_helper(self, helper: str, argv: Sequence[str], *, timeout_s: float) -> Completed:
        """Run a command inside a helper that runs, as its own user. Not idempotent by itself."""

    def helper_said(self, helper: str) -> str:
        """The last lines that a helper wrote; it may have ended since."""

    def remove_helper(self, helper: str) -> None:
        """End a helper, whatever it does, and remove what is left of it."""
