"""A cluster that is not there, for operations: fake nodes, a fake API, a clock that moves when somebody
sleeps. All of it is kept in files, so that a driver that dies and the one that comes after see the same."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from warren import checkout, definitions
from warren.context import Context
from warren.errors import DeadlineError, NotReadyError
from warren.management_facts import HealthCheck, NodeInfo, QueueInfo
from warren.operating import on_hosts
from warren.operating.model import Site
from warren.pki import Pair, Pki
from warren.process import Completed
from warren.runtime import fake_machine, host_inventory
from warren.runtime.fake import FakeRuntime
from warren.runtime.protocol import NodeState
from warren.runtime.ssh import SshRuntime
from warren.runtime.ssh_login import Ssh
from warren.secrets import COOKIE, Secrets
from warren.state import State, open_state
from warren.topology import Node, Topology
from warren.topology_reader import load
from warren.wait import Clock

from .fake_hosts import INVENTORY, FakeSsh

_EPOCH = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NODES = ("rmq1", "rmq2", "rmq3")
QUEUES = ("orders.work", "orders.priority", "orders.audit")


@dataclass(slots=True)
class FakeTime:
    seconds: float = 100.0

    def sleep(self, duration_s: float) -> None:
        self.seconds += duration_s

    def now(self) -> float:
        return self.seconds

    def wall(self) -> datetime:
        return _EPOCH + timedelta(seconds=self.seconds)


#: What tells the expressions of `warren.operating.forcing` from each other.
FORCED = ("ra:consistent_query", "rabbit_stream_coordinator", "force_shrink_member", "elsewhere=")
#: On the disk of a node that is lost for good: its process may start, and the node is none.
LOST = "lost"


class Nodes(FakeRuntime):
    """Nodes that know cookies, passwords, and the certificate on their inter-node port."""

    #: Where not all of them are of the topology.
    only: tuple[str, ...] | None = None
    lets_in: Callable[[str, str], bool]
    joins: Callable[[str], None]
    forgets: Callable[[str], None]
    grows: Callable[[str, str], None]
    shrinks: Callable[[str], None]
    forced: Callable[[str, str], str]

    def execute(
        self, node: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> Completed:
        done = super().execute(node, argv, timeout_s=timeout_s, stdin=stdin)
        self._members(argv)
        if argv[0] == "sh" and ".erlang.cookie" in argv[2]:
            self._cookie(node, laid=(stdin or b"").decode())
        elif list(argv[:2]) == ["rabbitmqctl", "eval"] and "set_cookie" in argv[2]:
            self._cookie(node, take=True)
            return replace(done, stdout="taken=true\nok\n")
        elif "force_standalone_khepri_boot" in argv or any(word in argv[-1] for word in FORCED):
            return replace(done, stdout=self.forced(node, argv[-1]) + "ok\n")
        elif list(argv[:2]) == ["rabbitmqctl", "-n"]:
            here, other = self.cookie(node), self.cookie(argv[2].partition("@")[2])
            if here != other:
                return replace(done, returncode=69, stderr="Error: unable to perform an operation on node")
            return replace(done, stdout=f"here={argv[2]}\nok\n")
        elif list(argv[:2]) == ["rabbitmqctl", "authenticate_user"]:
            right = self.lets_in(argv[2], (stdin or b"").decode().strip())
            said = f'Error: failed to authenticate user "{argv[2]}"'
            return replace(done, returncode=0 if right else 65, stderr=said)
        return done

    def _members(self, argv: Sequence[str]) -> None:
        """Of the cluster and of queues."""
        command = list(argv[:2])
        if command == ["rabbitmqctl", "forget_cluster_node"]:
            self.forgets(argv[2])
        elif command == ["rabbitmq-queues", "grow"]:
            self.grows(argv[2], argv[argv.index("--queue-pattern") + 1] if len(argv) > 4 else ".*")
        elif command == ["rabbitmq-queues", "add_member"]:
            self.grows(argv[-1], f"^{re.escape(argv[-2])}$")
        elif command == ["rabbitmq-queues", "shrink"]:
            self.shrinks(argv[2])

    def in_network(
        self, node: str, argv: Sequence[str], *, timeout_s: float, stdin: bytes | None = None
    ) -> Completed:
        if argv[0] != "python3":
            return super().in_network(node, argv, timeout_s=timeout_s, stdin=stdin)
        if stdin is not None:
            taken = _trusts(self.machine(node)["files"]["tls/inter-node-ca.pem"], stdin)
            said = f"taken={'yes' if taken else 'no'}\n"
            return Completed(argv=tuple(argv), returncode=0, stdout=said, stderr="")
        pem = self.machine(node)["files"]["tls/inter-node.pem"]
        der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
        return Completed(argv=tuple(argv), returncode=0, stdout=der.hex() + "\n", stderr="")

    def put_files(self, node: str, files: Any) -> None:
        super().put_files(node, {**{k: v.encode() for k, v in self.machine(node)["files"].items()}, **files})

    def start(self, node: str) -> None:
        """A node with nothing on its disk joins the others."""
        with self._lock:  # all at once, and the fake's file is one
            super().start(node)
            if self.data(node) == "":
                self.keep(node, data="joined")
                self.joins(node)

    def stop(self, node: str, *, grace_s: float) -> None:
        with self._lock:
            super().stop(node, grace_s=grace_s)

    def states(self) -> Mapping[str, NodeState]:
        with self._lock:
            found = super().states()
        return {node: found.get(node, NodeState.ABSENT) for node in (self.only or found)}

    def among(self, names: Sequence[str]) -> Nodes:
        """The same machines, as who knows these alone sees them."""
        found = copy.copy(self)
        found.only = tuple(names)
        return found

    def make(self, node: str, cookie: str) -> None:
        """A container with nothing on its disk but the cookie."""
        with self._lock:
            self._load()
            self._states[node] = NodeState.STOPPED
            self._process_ids[node] = 2000 + len(self._states)
            self._machines[node] = {**fake_machine.fresh(), "joined": {"cookie": cookie, "data": ""}}
            self._save()

    def unmake(self, node: str) -> None:
        with self._lock:
            self._load()
            assert self._states.get(node) is not NodeState.RUNNING
            for kept in (self._states, self._process_ids, self._machines):
                kept.pop(node, None)
            self._save()

    def network_address(self, node: str) -> str:
        return f"10.0.0.{list(super().states()).index(node) + 2}"

    def cookie(self, node: str) -> str:
        return str(self.machine(node)["joined"]["cookie"])

    def set(self, node: str, key: str, value: Any) -> None:
        """Let a node be so, behind everybody's back."""
        with self._lock:
            self._load()
            self._machines[node][key] = value
            self._save()

    def _cookie(self, node: str, *, laid: str = "", take: bool = False) -> None:
        with self._lock:
            known = dict(self.machine(node)["joined"])
            cookie = known.get("laid") or known["cookie"]
            self.keep(node, **({"cookie": cookie, "laid": ""} if take else {"laid": laid}))

    def data(self, node: str) -> str:
        """What is on the node's disk."""
        return str(self.machine(node)["joined"]["data"])

    def keep(self, node: str, **known: str) -> None:
        """Where the fake keeps what outlives a process."""
        self.set(node, "joined", {**self.machine(node)["joined"], **known})


class Api:
    """The part of the management API that operations use; objects are kept in a file."""

    def __init__(self, runtime: FakeRuntime, path: Path) -> None:
        self.runtime, self.path = runtime, path
        self.critical: set[str] = set()

    def begin(self, export: dict[str, Any]) -> None:
        """The cluster as it was made."""
        self.save(
            {
                "export": export,
                "flags": {"old": "enabled", "new": "disabled"},
                "led": "rmq2",
                "closed": [],
                "members": list(NODES),
                "queue_members": {queue: list(NODES) for queue in QUEUES},
                "coordinator": list(NODES),
                "laid_out": list(NODES),
                "services_know": list(NODES),
                "anew": [],
            }
        )

    def load(self) -> dict[str, Any]:
        return dict(json.loads(self.path.read_text(encoding="utf-8")))

    def save(self, known: dict[str, Any]) -> None:
        self.path.write_text(json.dumps(known), encoding="utf-8")

    def change(self, **known: Any) -> None:
        self.save({**self.load(), **known})

    def get(self, *path: str, node: str | None = None) -> Any:
        assert path == ("overview",)
        return {"rabbitmq_version": "4.3.6"}

    def joins(self, node: str) -> None:
        assert self.has_majority(), "nobody joins what has no majority"
        self.change(members=sorted({*self.load()["members"], node}))

    def forgets(self, name: str) -> None:
        assert self.has_majority()
        known = self.load()
        left = {
            queue: [each for each in members if f"rabbit@{each}" != name]
            for queue, members in known["queue_members"].items()
        }
        members = [each for each in known["members"] if f"rabbit@{each}" != name]
        self.change(members=members, queue_members=left)

    def shrinks(self, name: str) -> None:
        node, queues = name.removeprefix("rabbit@"), self.load()["queue_members"]
        left = {queue: [each for each in members if each != node] for queue, members in queues.items()}
        assert all(left.values()), "the only member is not given up"
        self.change(queue_members=left)

    def grows(self, name: str, pattern: str) -> None:
        node, known = name.removeprefix("rabbit@"), self.load()
        assert node in known["members"]
        queues = known["queue_members"]
        grown = {queue: sorted({*each, node}) for queue, each in queues.items() if re.search(pattern, queue)}
        self.change(queue_members={**queues, **grown})

    def serves(self, node: str) -> bool:
        running = self.runtime.states().get(node) is NodeState.RUNNING
        return running and self.runtime.machine(node)["joined"]["data"] != LOST

    def has_majority(self) -> bool:
        members = self.load()["members"]
        return sum(self.serves(each) for each in members) > len(members) // 2

    def forced(self, node: str, said: str) -> str:
        """What `warren.operating.forcing` asks of a node's own tools."""
        known = self.load()
        if "ra:consistent_query" in said:
            return f"majority={'yes' if self.has_majority() else 'no'}\n"
        if "force_standalone_khepri_boot" in said:
            self.change(members=[node])
            return ""
        assert known["members"] == [node], "the metadata store comes first"
        if "rabbit_stream_coordinator" in said:
            self.change(coordinator=[node])
            return "coordinator=alone\n"
        queues = known["queue_members"]
        ours = [queue for queue, members in queues.items() if node in members]
        if "elsewhere=" in said:
            names = [["/orders", queue] for queue in queues if queue not in ours]
            return f"elsewhere={json.dumps(names)}\n"
        self.change(queue_members={**queues, **{queue: [node] for queue in ours}})
        return f"kept={len(ours)}\n"

    def rows(self, *path: str, node: str | None = None, columns: Sequence[str] = ()) -> list[dict[str, Any]]:
        if path == ("connections",):
            return [{"name": "10.0.0.9:1 -> rmq1", "user": "orders-worker"}]
        assert path == ("feature-flags",)
        flags = self.load()["flags"]
        rows = [{"name": name, "state": state, "stability": "stable"} for name, state in flags.items()]
        return [*rows, {"name": "dream", "state": "disabled", "stability": "experimental"}]

    def put(self, *path: str, body: Any = None) -> None:
        known = self.load()
        if path[0] == "feature-flags":
            known["flags"][path[1]] = "enabled"
        else:
            assert path[0] == "users"
            (user,) = [each for each in known["export"]["users"] if each["name"] == path[1]]
            user.update(body)
        self.save(known)

    def post(self, *path: str, body: Any = None) -> Any:
        if path == ("rebalance", "queues"):
            self.change(led="all")
            return
        assert path == ("definitions",)
        known = self.load()
        for kind, rows in ((kind, rows) for kind, rows in body.items() if isinstance(rows, list)):
            theirs = {json.dumps(_name(each)): each for each in known["export"].get(kind, [])}
            theirs |= {json.dumps(_name(each)): each for each in rows}
            known["export"][kind] = list(theirs.values())
        self.save(known)

    def delete(self, *path: str) -> None:
        if path[0] == "queues":
            queues = self.load()["queue_members"]
            self.change(queue_members={queue: each for queue, each in queues.items() if queue != path[-1]})
            return
        if path[0] == "users":
            self._forget_user(path[1])
            return
        self.change(closed=[*self.load()["closed"], path[-1]])

    def _forget_user(self, user: str) -> None:
        known = self.load()
        for kind in ("permissions", "topic_permissions"):
            known["export"][kind] = [each for each in known["export"][kind] if each["user"] != user]
        known["export"]["users"] = [each for each in known["export"]["users"] if each["name"] != user]
        self.save(known)

    def nodes(self, *, node: str | None = None) -> tuple[NodeInfo, ...]:
        states = self.runtime.states()
        return tuple(_node(each, states.get(each) is NodeState.RUNNING) for each in self.load()["members"])

    def queues(self, vhost: str | None = None) -> tuple[QueueInfo, ...]:
        """Three, each with a member everywhere, led by ``led`` or each by another node."""
        known, found = self.load(), []
        for place, (queue, members) in enumerate(known["queue_members"].items()):
            online = [each for each in members if each in known["members"] and self.serves(each)]
            serving = [each for each in online if not self.runtime.machine(each)["drained"]]
            wanted = NODES[place % len(NODES)] if known["led"] == "all" else known["led"]
            leader = wanted if wanted in serving else serving[place % len(serving)] if serving else None
            found.append(_queue(queue, leader, members, online))
        return tuple(found)

    def definitions(self) -> dict[str, Any]:
        return dict(self.load()["export"])

    def not_quorum_critical(self, node: str) -> HealthCheck:
        passed = node not in self.critical
        reason = "" if passed else "orders.work"
        return HealthCheck(node=node, check="node-is-quorum-critical", passed=passed, reason=reason)

    def lets_in(self, user: str, password: str) -> bool:
        (row, *_) = [*(each for each in self.load()["export"]["users"] if each["name"] == user), None]
        return row is not None and definitions.password_matches(row["password_hash"], password)


def _name(row: dict[str, Any]) -> list[Any]:
    keys = ("component", "user", "vhost", "name", "source", "destination", "routing_key", "arguments")
    return [row.get(key) for key in keys]


def _node(name: str, running: bool) -> NodeInfo:
    plain = dict.fromkeys(NodeInfo.__dataclass_fields__)
    return NodeInfo(**{**plain, "name": f"rabbit@{name}", "running": running})  # type: ignore[arg-type]


def _queue(name: str, leader: str | None, members: Sequence[str], online: Sequence[str]) -> QueueInfo:
    plain = dict.fromkeys(QueueInfo.__dataclass_fields__)
    known = {"vhost": "/orders", "name": name, "type": "quorum", "state": "running", "arguments": {}}
    named = {
        "leader": f"rabbit@{leader}" if leader else None,
        "members": tuple(f"rabbit@{each}" for each in members),
        "online": tuple(f"rabbit@{each}" for each in online),
    }
    return QueueInfo(**{**plain, **known, **named})  # type: ignore[arg-type]


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
            clock=Clock(now=self.time.now, sleep=self.time.sleep),
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
            clock=Clock(now=self.time.now, sleep=self.time.sleep),
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
        if not any(_issued(leaf, each) for each in authorities):
            raise NotReadyError(name, "its certificate is refused: unable to get local issuer certificate")
        return leaf.serial_number

    def takes(self, ca: Path, host: str, port: int, name: str, pair: Pair) -> bool:
        return _trusts(
            self.runtime.machine(name)["files"]["tls/clients-ca.pem"], pair.certificate.read_bytes()
        )

    def processes(self) -> dict[str, int | None]:
        return {node: self.runtime.process_id(node) for node in NODES}


def _trusts(authorities: str, pem: bytes) -> bool:
    leaf = x509.load_pem_x509_certificate(pem)
    return any(_issued(leaf, each) for each in x509.load_pem_x509_certificates(authorities.encode()))


def _issued(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except Exception:
        return False
    return True


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
    return Ground(lab, runtime, api, state, Secrets(state.secrets), Pki(state.pki, _EPOCH), folder)


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
