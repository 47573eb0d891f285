"""Nodes that are not there, for operations, and the management API in front of them. All of it is kept in
files, so that a driver that dies and the one that comes after see the same."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from warren import definitions
from warren.management_facts import HealthCheck, NodeInfo, QueueInfo
from warren.process import Completed
from warren.runtime import fake_machine
from warren.runtime.fake import FakeRuntime
from warren.runtime.protocol import NodeState

NODES = ("rmq1", "rmq2", "rmq3")
QUEUES = ("orders.work", "orders.priority", "orders.audit")
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
        if b"PRIVATE KEY" in (stdin or b""):
            assert stdin is not None
            taken = trusts(self.machine(node)["files"]["tls/inter-node-ca.pem"], stdin)
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


def trusts(authorities: str, pem: bytes) -> bool:
    leaf = x509.load_pem_x509_certificate(pem)
    return any(issued(leaf, each) for each in x509.load_pem_x509_certificates(authorities.encode()))


def issued(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except Exception:
        return False
    return True
