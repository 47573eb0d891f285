"""A cluster that is not there: fake nodes, a fake broker, a clock that only moves when somebody sleeps."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from chaos.access import Access
from chaos.context import ChaosContext
from chaos.fault import CLUSTER
from chaos.fault import load as load_fault
from chaos.target import Target
from tests.fake_time import EPOCH, FakeTime
from warren import checkout
from warren.errors import NotReadyError, WarrenError
from warren.journal import Journal
from warren.pki import Pki
from warren.runtime import fake_machine
from warren.runtime.fake import FakeRuntime
from warren.runtime.protocol import NodeState
from warren.secrets import Secrets
from warren.topology import Node, Topology
from warren.topology_reader import load

from .fake_management import FakeManagement, RuntimeWithAccounts

_CLIENT = ("start_helper", "helpers", "remove_helper")
#: By fault, the runtime's step that is its act, that of its proof, and that of its healing.
STEPS = {
    "kill": ("kill", "states", "start"),
    "stop": ("stop", "states", "start"),
    "pause": ("pause", "states", "unpause"),
    "partition": ("in_network", "in_network", "in_network"),
    "loss": ("in_network", "in_network", "in_network"),
    "bandwidth": ("in_network", "in_network", "in_network"),
    "cpu": ("limit_cpu", "execute", "limit_cpu"),
    "half-open": ("in_network", "in_network", "in_network"),
    "slow-close": ("in_network", "in_network", "in_network"),
    "latency": ("join", "joined", "part"),
    "detach": ("detach", "is_detached", "attach"),
    "reset": ("in_network", "in_network", "in_network"),
    "memory-alarm": ("execute", "execute", "execute"),
    "disk-alarm": ("execute", "execute", "execute"),
    "memory-limit": ("limit_memory", "execute", "limit_memory"),
    "drain": ("execute", "execute", "execute"),
    "raft-chaos": ("execute", "execute", "execute"),
    "connection-storm": _CLIENT,
    "channel-leak": _CLIENT,
    "queue-churn": _CLIENT,
    "publisher-flood": _CLIENT,
    "poison": _CLIENT,
    "stuck-consumer": _CLIENT,
    "bad-certificate": _CLIENT,
    "server-certificate": ("put_files", "address", "put_files"),
    "password-rotation": ("put", "execute", "put"),
    "slow-disk": ("execute", "execute", "execute"),
    "full-disk": ("execute", "execute", "execute"),
    "failing-disk": ("execute", "execute", "execute"),
}
#: Faults that are over when they are proven: nothing of them stays to be seen or healed.
AT_ONCE = ("kill-wal", "kill-segment-writer", "kill-member")
#: Faults that are tested in files of their own: their acts are long, or over when they are proven.
APART = ("restart", "consumer-crash")
#: How often the step of the act is taken before it, to look.
LOOKS = {
    "memory-alarm": 1, "disk-alarm": 1, "drain": 1, "raft-chaos": 3, "half-open": 1, "reset": 1,
    "slow-disk": 1, "full-disk": 1, "failing-disk": 1, "bandwidth": 1,
}  # fmt: skip
#: Whose act is over when it returns: nothing of it stays on the node.
MOMENTARY = {"reset"}


def struck(fault: str) -> str:
    """The target of ``fault`` in these tests."""
    return CLUSTER if load_fault(fault).is_wide else "rmq2"


def aimed(fault: str) -> Target:
    """How `struck` is said in an order."""
    target = struck(fault)
    return Target() if target == CLUSTER else Target(node=target)


@dataclass(slots=True)
class FakeBroker:
    """Queues are led by ``leader``, or the node that ``led`` says, as long as that runs, then by the first
    node that does. It ``obeys`` where leaders are to be moved, or only notes it."""

    runtime: FakeRuntime
    leader: str = "rmq2"
    moves: bool = True
    critical: set[str] = field(default_factory=set)
    unreachable: bool = False
    clients: dict[str, tuple[str, ...]] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    asked: list[str | None] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    led: dict[str, str] = field(default_factory=dict)
    moved: list[tuple[str, str, str]] = field(default_factory=list)
    obeys: bool = True

    def queue_leader(self, vhost: str, queue: str, *, asked: str | None = None) -> str:
        self._answer()
        self.asked.append(asked)
        states, leader = self.runtime.states(), self.led.get(queue, self.leader)
        if self.moves and states[leader] is not NodeState.RUNNING:
            return next(node for node, state in states.items() if state is NodeState.RUNNING)
        return leader

    def queue_leader_by_tool(self, vhost: str, queue: str, *, node: str) -> str:
        self.tools.append(node)
        return self.queue_leader(vhost, queue)

    def lead(self, vhost: str, queue: str, node: str) -> None:
        self._answer()
        self.moved.append((vhost, queue, node))
        if self.obeys:
            self.led[queue] = node

    def queue_followers(self, vhost: str, queue: str) -> tuple[str, ...]:
        self._answer()
        leader = self.queue_leader(vhost, queue)
        running = (node for node, state in self.runtime.states().items() if state is NodeState.RUNNING)
        return tuple(node for node in running if node != leader)

    def client_nodes(self, client: str) -> tuple[str, ...]:
        self._answer()
        states = self.runtime.states()
        return tuple(node for node in self.clients.get(client, ()) if states[node] is NodeState.RUNNING)

    def queues_lost_with(self, nodes: Collection[str]) -> tuple[str, ...]:
        self._answer()
        return tuple(queue for queue, members in self.members.items() if members <= set(nodes))

    def alarms(self) -> dict[str, frozenset[str]]:
        self._answer()
        running = (node for node, state in self.runtime.states().items() if state is NodeState.RUNNING)
        return {node: frozenset(self.runtime.machine(node)["alarms"]) for node in running}

    def drained(self) -> tuple[str, ...]:
        self._answer()
        return tuple(node for node in self.runtime.nodes if self.runtime.machine(node)["drained"])

    def lost_with(self, node: str) -> str:
        self._answer()
        return "queue orders.work in /orders" if node in self.critical else ""

    def _answer(self) -> None:
        if self.unreachable:
            raise NotReadyError("management API", "does not answer")


@dataclass(slots=True)
class FakeGate:
    """Holds when every node runs, after ``problem`` has been cleared."""

    runtime: FakeRuntime
    problem: NotReadyError | None = None
    asked: int = 0
    steady_s: float = 0.0

    def __call__(self, *, deadline_s: float, steady_s: float) -> None:
        self.steady_s = steady_s
        self.asked += 1
        if self.problem:
            raise self.problem
        for node, state in self.runtime.states().items():
            if state is not NodeState.RUNNING:
                raise NotReadyError(node, f"is {state.value}")


@dataclass(slots=True)
class Ground:
    """Everything that a test of chaos holds in its hands."""

    topology: Topology
    runtime: FakeRuntime
    broker: FakeBroker
    access: Access
    gate: FakeGate
    time: FakeTime
    journal: Journal
    said: list[str] = field(default_factory=list)
    watched: list[tuple[str, float]] = field(default_factory=list)
    spread_after: list[int] = field(default_factory=list)
    spread_trouble: WarrenError | None = None
    ids: Callable[[], int] = field(default_factory=lambda: itertools.count(1).__next__)

    def context(self) -> ChaosContext:
        """The context of a fresh command on this cluster."""
        return ChaosContext(
            topology=self.topology,
            runtime=self.runtime,
            broker=self.broker,
            access=self.access,
            journal=self.journal,
            wait_ready=self.gate,
            spread_leaders=self.spread,
            watch=self.watch,
            clock=self.time.clock,
            now=self.time.wall,
            fresh_id=lambda: f"{self.ids():04x}",
            say=self.said.append,
        )

    @contextmanager
    def watch(self, fault_id: str, *, within_s: float) -> Iterator[None]:
        """Nobody watches; that it was asked for is noted."""
        self.watched.append((fault_id, within_s))
        yield

    def spread(self) -> None:
        """Note that leaders were spread, and when: how many gates had been passed by then."""
        self.spread_after.append(self.gate.asked)
        if self.spread_trouble is not None:
            raise self.spread_trouble

    def states(self) -> list[str]:
        return [state.value for state in self.runtime.states().values()]

    def is_broken(self, node: str) -> bool:
        """Whether anything that a fault does can be seen on ``node``, or among the cluster's clients."""
        if node == CLUSTER:
            helpers = self.runtime.known_helpers().values()
            strange = self.management.strangers(self.access.secrets)
            return bool(strange) or any(each["role"] == "fault" for each in helpers)
        machine = self.runtime.machine(node)
        keys = ("alarms", "tables", "tbf", "cores", "joined", "detached", "memory", "drained", "chaos")
        done = any(machine[key] != fake_machine.fresh()[key] for key in keys)
        done = done or any(machine["disk"][1:7])
        done = done or bool(self.access.refuses(*self.runtime.address(node, "amqps"), node))
        return done or self.runtime.states()[node] is not NodeState.RUNNING

    @property
    def management(self) -> FakeManagement:
        assert isinstance(self.access.management, FakeManagement)
        return self.access.management

    def left(self) -> list[str]:
        """What a fault made for itself and did not take away."""
        rotated = [path.name for path in self.access.secrets.folder.glob("*.rotated")]
        return [*self.management.own_vhosts(), *rotated]


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """A cluster's authorities."""
    found = Pki(tmp_path_factory.mktemp("pki"), EPOCH)
    found.ensure_authorities()
    for node in ("rmq1", "rmq2", "rmq3", "rmq4", "rmq5"):
        found.ensure_leaf("cluster", node, hosts=(node, "localhost", "127.0.0.1", "::1"), purpose="server")
    return found


def refuses(runtime: FakeRuntime, time: FakeTime) -> Callable[[Path, str, int, str], str]:
    """A handshake with a node that shows the certificate among its files, its own where there is none."""

    def refuse(ca: Path, host: str, port: int, name: str) -> str:
        shown = runtime.machine(name)["files"].get("tls/server.pem")
        if shown is None:
            return ""
        leaf = x509.load_pem_x509_certificate(shown.encode())
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        try:
            leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.read_bytes()))
        except (ValueError, InvalidSignature):
            return "unable to get local issuer certificate"
        if leaf.not_valid_after_utc < time.wall():
            return "certificate has expired"
        return "" if name in names.get_values_for_type(x509.DNSName) else "Hostname mismatch"

    return refuse


@pytest.fixture(scope="session")
def lab() -> Topology:
    """The checkout's own topology, read once."""
    return load(checkout.path("deploy", "topology.yml"))


@pytest.fixture
def make_ground(tmp_path: Path, lab: Topology, pki: Pki) -> Callable[..., Ground]:
    """Builds a `Ground` of ``count`` nodes; ``store`` keeps the nodes' states in a file."""

    def make(count: int = 3, *, store: bool = False) -> Ground:
        nodes = tuple(Node(name=f"rmq{place}") for place in range(1, count + 1))
        broker = replace(lab.broker, version="4.3.6", memory_limit_mib=1024)  # what the fakes' nodes have
        topology = replace(lab, nodes=nodes, broker=broker)
        time = FakeTime()
        names = [node.name for node in nodes]
        runtime = RuntimeWithAccounts(names, store=tmp_path / "nodes.json" if store else None)
        secrets = Secrets(tmp_path / "secrets")
        secrets.folder.mkdir()
        known = {user.name: f"secret-of-{user.name}" for user in topology.users}
        for user, password in known.items():  # as `Secrets.ensure` does, which waits for the disk
            secrets.path(user).write_text(password, encoding="utf-8")
        management = FakeManagement(runtime, tmp_path / "broker.json", time.wall, known)
        runtime.lets_in = management.lets_in
        return Ground(
            topology=topology,
            runtime=runtime,
            broker=FakeBroker(runtime),
            access=Access(management=management, secrets=secrets, pki=pki, handshake=refuses(runtime, time)),
            gate=FakeGate(runtime),
            time=time,
            journal=Journal(tmp_path / "journal.jsonl", time.wall, time.clock),
        )

    return make


@pytest.fixture
def ground(make_ground: Callable[..., Ground]) -> Ground:
    """Three nodes that run."""
    return make_ground()
