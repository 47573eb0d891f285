"""A cluster that is not there, for operations: the fakes of `fakes`, and a clock that moves when somebody
sleeps."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from tests.fake_time import EPOCH, FakeTime
from warren import checkout, definitions
from warren.context import Context
from warren.errors import DeadlineError, NotReadyError
from warren.operating import on_hosts
from warren.operating.model import Site
from warren.pki import Pair, Pki
from warren.runtime import host_inventory
from warren.runtime.protocol import NodeState
from warren.runtime.ssh import SshRuntime
from warren.runtime.ssh_login import Ssh
from warren.secrets import COOKIE, Secrets
from warren.state import State, open_state
from warren.topology import Node, Topology
from warren.topology_reader import load

from .fake_hosts import INVENTORY, FakeSsh
from .fakes import NODES, Api, Nodes, issued, trusts


@dataclass(slots=True)
class Ground:
    """Everything that a test of operations holds in its hands."""

    topology: Topology
    runtime: Nodes
    api: Api
    state: State
    secrets: Secrets
    pki: Pki
    folder: Path
    time: FakeTime = field(default_factory=FakeTime)
    said: list[str] = field(default_factory=list)
    trouble: NotReadyError | None = None
    services_took: int = 0
    #: Where the nodes are services of hosts: how these are reached.
    ssh: FakeSsh | None = None

    def site(self, names: Sequence[str] = ()) -> Site:
        """The site of a fresh command on this cluster, of the topology's nodes or of these."""
        return self._on_hosts(self.ssh) if self.ssh else self._of_containers(names)

    def _on_hosts(self, ssh: FakeSsh) -> Site:
        """As `warren.operating.wiring` makes it, but for the gate and for handshakes, which need sockets."""
        site = on_hosts.site_of(self.context(ssh), self.time.wall)
        return replace(site, whole=self.whole, serial=self.serial, takes=self.takes)

    def context(self, ssh: FakeSsh) -> Context:
        """What a command with ``--hosts`` works with."""
        path = self.folder / "hosts.yml"
        context = Context(
            topology=self.topology,
            topology_path=checkout.path("deploy", "topology.yml"),
            state=self.state,
            say=self.said.append,
            clock=self.time.clock,
            inventory=host_inventory.read(path),
        )
        logins = context.inventory.logins if context.inventory else {}
        told = Ssh(logins=logins, sockets=self.folder, run=ssh.run, move=ssh.move)
        hosts = SshRuntime(ssh=told, topology=self.topology, clock=context.clock)
        known = {"hosts": hosts, "management": self.api, "secrets": self.secrets, "pki": self.pki}
        context.__dict__.update(known)
        return context

    def _of_containers(self, names: Sequence[str]) -> Site:
        names = names or [node.name for node in self.topology.nodes]
        return Site(
            runtime=self.runtime.among(names),
            topology=replace(self.topology, nodes=tuple(Node(name=name) for name in names)),
            management=self.api,
            secrets=self.secrets,
            pki=self.pki,
            state=self.state,
            keeps_data=lambda node: self.runtime.data(node) != "",
            empty_data=lambda node: self.runtime.keep(node, data=""),
            copy_data=self._copied,
            fill_data=lambda node, archive: self.runtime.keep(node, data=archive.read_text()),
            make_anew=lambda node: self._make_anew(node, names),
            have_services_take=self.take,
            among=self.site,
            laid_out=lambda: tuple(self.api.load()["laid_out"]),
            lay_out=lambda gone: self._lay_out(names, gone),
            whole=lambda deadline_s: self.whole(deadline_s, names),
            serial=self.serial,
            takes=self.takes,
            clock=self.time.clock,
            now=self.time.wall,
            say=self.said.append,
        )

    def take(self) -> None:
        self.services_took += 1

    def _copied(self, node: str, to: Path) -> None:
        assert self.runtime.states()[node] is NodeState.STOPPED, "its data are in use"
        to.write_text(self.runtime.data(node))

    def _lay_out(self, names: Sequence[str], gone: Sequence[str]) -> None:
        states = self.runtime.states()
        for node in [each for each in names if each not in states]:
            self.runtime.make(node, self.secrets.read(COOKIE))
            _give_certificates(self, node)
        for node in gone:
            self.runtime.unmake(node)
        self.api.change(services_know=list(names))

    def _make_anew(self, node: str, names: Sequence[str]) -> None:
        assert self.runtime.states()[node] in (NodeState.STOPPED, NodeState.ABSENT)
        self.runtime.put(node, NodeState.STOPPED)
        self.made_anew(node, names)

    def made_anew(self, node: str, names: Sequence[str] = NODES) -> None:
        """The node has the new version, which brings a feature flag."""
        known = self.api.load()
        flags = {**known["flags"], **({} if known["anew"] else {"of the new version": "disabled"})}
        self.api.change(anew=[*known["anew"], node], flags=flags, laid_out=list(names))

    def whole(self, deadline_s: float, names: Sequence[str] = ()) -> None:
        """All nodes run, none is drained, and their cookies are alike."""
        if self.trouble is not None:
            raise self.trouble
        if why := self.broken(names):
            raise DeadlineError(
                "cluster", f"waited {deadline_s:g} s for the cluster to be whole; last: {why}"
            )

    def broken(self, names: Sequence[str] = ()) -> str:
        names = names or [node.name for node in self.topology.nodes]
        for node, state in self.runtime.among(names).states().items():
            if state is not NodeState.RUNNING:
                return f"{node} is {state.value}"
            if self.runtime.machine(node)["drained"]:
                return f"{node} is drained"
        if len({self.runtime.cookie(node) for node in names}) > 1:
            return "nodes differ in their cookies"
        if self.api.load()["members"] != sorted(names):
            return "a node is no member, or is one still"
        for queue in self.api.queues():
            if queue.leader is None or len(queue.online) < max(len(queue.members), len(names)):
                return f"{queue.name} has {len(queue.online)} members online"
        return ""

    def serial(self, ca: Path, host: str, port: int, name: str) -> int:
        pem = self.runtime.machine(name)["files"]["tls/server.pem"]
        leaf = x509.load_pem_x509_certificate(pem.encode())
        authorities = x509.load_pem_x509_certificates(ca.read_bytes())
        if not any(issued(leaf, each) for each in authorities):
            raise NotReadyError(name, "its certificate is refused: unable to get local issuer certificate")
        return leaf.serial_number

    def takes(self, ca: Path, host: str, port: int, name: str, pair: Pair) -> bool:
        return trusts(
            self.runtime.machine(name)["files"]["tls/clients-ca.pem"], pair.certificate.read_bytes()
        )

    def processes(self) -> dict[str, int | None]:
        return {node: self.runtime.process_id(node) for node in NODES}


def with_user_renamed(topology: Topology, old: str, new: str) -> Topology:
    """With ``new`` wherever ``old`` stands."""

    def renamed(rows: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(replace(row, user=new) if row.user == old else row for row in rows)

    vhosts = [
        replace(
            vhost,
            permissions=renamed(vhost.permissions),
            topic_permissions=renamed(vhost.topic_permissions),
        )
        for vhost in topology.vhosts
    ]
    users = [replace(user, name=new) if user.name == old else user for user in topology.users]
    return replace(topology, users=tuple(users), vhosts=tuple(vhosts))


@pytest.fixture(scope="session")
def lab() -> Topology:
    return load(checkout.path("deploy", "topology.yml"))


@pytest.fixture(scope="session")
def export(lab: Topology) -> dict[str, Any]:
    passwords = {user.name: f"secret-of-{user.name}" for user in lab.users}
    return definitions.document(lab, definitions.password_hashes(passwords))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is read by another process, and no power is cut here."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def _opened(folder: Path, lab: Topology) -> Ground:
    state = open_state("fake", {"WARREN_STATE": str(folder / "state")})
    runtime = Nodes(NODES, store=folder / "nodes.json")
    api = Api(runtime, folder / "api.json")
    runtime.lets_in, runtime.joins, runtime.forgets = api.lets_in, api.joins, api.forgets
    runtime.grows, runtime.shrinks, runtime.forced = api.grows, api.shrinks, api.forced
    return Ground(lab, runtime, api, state, Secrets(state.secrets), Pki(state.pki, EPOCH), folder)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, lab: Topology, export: dict[str, Any]) -> Path:
    """The files of three nodes that run and serve, all led by rmq2: keys and certificates take their time."""
    ground = _opened(tmp_path_factory.mktemp("made"), lab)
    ground.api.begin(export)
    for user in lab.users:
        ground.secrets.keep(user.name, f"secret-of-{user.name}")
    ground.secrets.keep(COOKIE, "the-first-cookie")
    ground.pki.ensure_authorities()
    for user in lab.users:
        ground.pki.ensure_leaf("clients", user.name, hosts=(user.name,), purpose="client")
    for node in NODES:
        _give_certificates(ground, node)
        ground.runtime.set(node, "joined", {"cookie": "the-first-cookie", "data": "of old"})
    return ground.folder


def _give_certificates(ground: Ground, node: str) -> None:
    hosts = (node, "127.0.0.1")
    shown = ground.pki.ensure_leaf("cluster", node, hosts=hosts, purpose="server")
    inside = ground.pki.ensure_leaf("inter-node", node, hosts=hosts, purpose="both")
    files = {"tls/server.pem": shown, "tls/inter-node.pem": inside}
    files |= {f"tls/{name}-ca.pem": ground.pki.authority(name) for name in ("clients", "inter-node")}
    ground.runtime.put_files(node, {path: pair.certificate.read_bytes() for path, pair in files.items()})


@pytest.fixture
def ground(tmp_path: Path, made_once: Path, lab: Topology) -> Ground:
    """Three nodes that run and serve, all led by rmq2."""
    shutil.copytree(made_once, tmp_path / "ground")
    return _opened(tmp_path / "ground", lab)


@pytest.fixture
def on_the_hosts(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """The same cluster, its nodes services of hosts that are reached by ssh. Rules and boards, which take
    seconds to make, are left out."""
    monkeypatch.setattr("warren.provision.material._files", lambda material: {"topology.yml": b"{}"})
    (ground.folder / "hosts.yml").write_text(yaml.safe_dump(INVENTORY), encoding="utf-8")
    ground.ssh = FakeSsh(ground)
    return ground


@contextmanager
def _snapshot(ground: Ground) -> Iterator[None]:
    """What the world is, put back after the block: a step's test begins where the others did."""
    keep = ground.folder.parent / f"{ground.folder.name}-kept"
    shutil.copytree(ground.folder, keep)
    try:
        yield
    finally:
        shutil.rmtree(ground.folder)
        keep.rename(ground.folder)
        ground.runtime._load()
        ground.runtime.calls.clear()


@pytest.fixture
def snapshots() -> Any:
    return _snapshot
