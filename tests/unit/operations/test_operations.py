"""Every operation: to its end; ended badly and killed at each step, then gone on with, and undone."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from warren.errors import BadInputError, NotReadyError, RefusedError, StoppedError, WarrenError
from warren.operating import accounts, catalogue, exports, record, running
from warren.operating.model import Step
from warren.operating.running import HaltedError
from warren.operations import backup_data
from warren.runtime.protocol import NodeState
from warren.secrets import COOKIE
from warren.topology import Node

from .conftest import Ground, with_user_renamed
from .fakes import LOST, NODES

RUNNING = NodeState.RUNNING

#: What the user says to each operation, by its name and, where it is tried in several ways, a word for it;
#: FILE stands for a new path.
SAID: dict[str, dict[str, str]] = {
    "add-node": {"nodes": "rmq4,rmq5"},
    "remove-node": {"nodes": "rmq4,rmq5"},
    "backup-data": {"folder": "BACKUP"},
    "forget-node": {"node": "rmq3"},
    "recover-majority": {"node": "rmq1", "lost": "rmq2,rmq3"},
    "replace-node alive": {"node": "rmq3"},
    "replace-node dead": {"node": "rmq3"},
    "replace-user add": {"user": "orders-shop", "second": "orders-shop-2"},
    "replace-user drop": {"user": "orders-shop", "second": "orders-shop-2", "phase": "drop"},
    "restore-data": {"folder": "COPY"},
    "rotate-authority trust": {"phase": "trust"},
    "rotate-authority sign": {"phase": "sign"},
    "rotate-authority drop": {"phase": "drop"},
    **{
        f"rotate-authority {phase} {of}": {"phase": phase, "of": of}
        for of in ("clients", "inter-node")
        for phase in ("trust", "sign", "drop")
    },
    "upgrade": {},
    "backup-definitions": {"file": "FILE"},
    "drain": {"node": "rmq2"},
    "enable-feature-flags": {},
    "rebalance": {},
    "restart": {},
    "restore-definitions": {"file": "EXPORT"},
    "revive": {"node": "rmq2"},
    "rotate-certificates": {},
    "rotate-cookie": {},
    "rotate-inter-node-certificates": {},
    "rotate-password": {"user": "orders-worker", "connections": "close"},
    "start-all": {},
    "stop-all": {},
}


#: These are for a cluster that is not whole.
ON_WHAT_IS_BROKEN = ("revive", "start-all", "forget-node", "replace-node dead", "recover-majority")


def said(ground: Ground, name: str) -> dict[str, str]:
    files = {"FILE": "definitions.json", "EXPORT": "export.json", "BACKUP": "backup", "COPY": "copy"}
    paths = {key: ground.folder / file for key, file in files.items()}
    return {key: str(paths.get(value, value)) for key, value in SAID[name].items()}


def prepared(ground: Ground, name: str) -> Ground:
    """The cluster as the operation is meant for it."""
    READY.get(name, lambda _: None)(ground)
    return ground


def _without_a_queue(ground: Ground) -> None:
    (ground.folder / "export.json").write_bytes(exports.text(ground.api.definitions()))
    export = ground.api.definitions()
    export["queues"] = [each for each in export["queues"] if each["name"] != "orders.work"]
    ground.api.change(export=export)


def _stopped(ground: Ground, *nodes: str) -> None:
    for node in nodes:
        ground.runtime.put(node, NodeState.STOPPED)


def _lost(ground: Ground, *nodes: str) -> None:
    for node in nodes:
        ground.runtime.put(node, NodeState.STOPPED)
        ground.runtime.keep(node, data=LOST)


def _with_newer_data(ground: Ground) -> None:
    carry_out(ground, "backup-data", folder=str(ground.folder / "copy"))
    for node in NODES:
        ground.runtime.keep(node, data="since then")


def _in_succession(ground: Ground, *phases: str, of: str = "servers") -> None:
    for phase in phases:
        carry_out(ground, f"rotate-authority {phase}", of=of)


def _with_topology_of(ground: Ground, *names: str) -> None:
    ground.topology = replace(ground.topology, nodes=tuple(Node(name=name) for name in names))


def _of_five(ground: Ground) -> None:
    """A cluster of five, and a topology of three."""
    _with_topology_of(ground, *NODES, "rmq4", "rmq5")
    carry_out(ground, "add-node")
    _with_topology_of(ground, *NODES)


def _with_a_second_user(ground: Ground) -> None:
    """And a topology that has it in place of the first."""
    carry_out(ground, "replace-user add")
    ground.topology = with_user_renamed(ground.topology, "orders-shop", "orders-shop-2")


READY: dict[str, Callable[[Ground], None]] = {
    "add-node": lambda ground: _with_topology_of(ground, *NODES, "rmq4", "rmq5"),
    "remove-node": _of_five,
    "replace-user drop": _with_a_second_user,
    "revive": lambda ground: ground.runtime.set("rmq2", "drained", True),
    "start-all": lambda ground: _stopped(ground, *NODES),
    "forget-node": lambda ground: _stopped(ground, "rmq3"),
    "recover-majority": lambda ground: _lost(ground, "rmq2", "rmq3"),
    "replace-node dead": lambda ground: _stopped(ground, "rmq3"),
    "restore-definitions": _without_a_queue,
    "restore-data": _with_newer_data,
    "rotate-authority sign": lambda ground: _in_succession(ground, "trust"),
    "rotate-authority drop": lambda ground: _in_succession(ground, "trust", "sign"),
    "rotate-authority sign clients": lambda ground: _in_succession(ground, "trust", of="clients"),
    "rotate-authority drop clients": lambda ground: _in_succession(ground, "trust", "sign", of="clients"),
    "rotate-authority sign inter-node": lambda ground: _in_succession(ground, "trust", of="inter-node"),
    "rotate-authority drop inter-node": lambda ground: _in_succession(
        ground, "trust", "sign", of="inter-node"
    ),
    "upgrade": lambda ground: ground.api.change(flags={"old": "enabled", "new": "enabled"}),
}


@pytest.fixture(params=sorted(SAID))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ready(ground: Ground, name: str) -> Ground:
    return prepared(ground, name)


class Goal:
    """What the world was before, and whether what is wanted has come about since."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.processes = ground.processes()
        self.serials = {(a, n): ground.pki.serial(a, n) for a in ("cluster", "inter-node") for n in NODES}
        self.cookie = ground.secrets.read(COOKIE)
        self.password = ground.secrets.read("orders-worker")
        self.trusted = {of: authorities(ground, of) for of in ("cluster", "clients", "inter-node")}
        self.rights = accounts.rights(ground.site(), "orders-shop")
        self.accounts = sorted(each["name"] for each in ground.api.definitions()["users"])
        self.names = ground.api.load()["laid_out"]
        self.data = {node: ground.runtime.data(node) for node in NODES}

    def check(self, name: str) -> None:
        getattr(self, name.replace("-", "_").replace(" ", "_"))()
        assert record.read(self.ground.state) is None
        assert not list(self.ground.secrets.folder.glob("*.next"))
        assert not list(self.ground.secrets.folder.glob("*.former"))

    def restart(self) -> None:
        now = self.ground.processes()
        assert all(now[node] != self.processes[node] for node in NODES)
        self.rebalance()

    def upgrade(self) -> None:
        self.restart()
        assert set(self.ground.api.load()["anew"]) == set(NODES)
        assert set(self.ground.api.load()["flags"].values()) == {"enabled"}

    def forget_node(self) -> None:
        assert self.ground.api.load()["members"] == ["rmq1", "rmq2"]

    def replace_node_alive(self) -> None:
        self.rebalance()
        assert self.ground.runtime.data("rmq3") == "joined"
        assert self.ground.runtime.data("rmq1") == "of old"

    replace_node_dead = replace_node_alive

    def add_node(self) -> None:
        self.rebalance()
        names = [*NODES, "rmq4", "rmq5"]
        assert self.ground.api.load()["members"] == self.ground.api.load()["services_know"] == names
        assert self.ground.api.load()["laid_out"] == names
        anew = set(self.ground.api.load()["anew"])
        assert anew == {*NODES, "rmq4"}, "all that were made when there were fewer have the new settings"

    def remove_node(self) -> None:
        self.rebalance()
        assert self.ground.api.load()["members"] == self.ground.api.load()["services_know"] == list(NODES)
        assert list(self.ground.runtime.states()) == list(NODES)
        assert self.ground.api.load()["laid_out"] == list(NODES)

    def replace_user_add(self) -> None:
        site = self.ground.site()
        assert accounts.rights(site, "orders-shop") == accounts.rights(site, "orders-shop-2") == self.rights
        for name in ("orders-shop", "orders-shop-2"):
            assert self.ground.api.lets_in(name, self.ground.secrets.read(name))
        assert self.ground.secrets.read("orders-shop-2") != self.ground.secrets.read("orders-shop")
        assert self.ground.pki.leaf("clients", "orders-shop-2").key.exists()

    def replace_user_drop(self) -> None:
        site = self.ground.site()
        assert accounts.rights(site, "orders-shop-2") == self.rights
        assert not accounts.is_there(site, "orders-shop")
        assert self.ground.api.lets_in("orders-shop-2", self.ground.secrets.read("orders-shop-2"))
        assert not self.ground.secrets.path("orders-shop").exists()

    def recover_majority(self) -> None:
        self.rebalance()
        assert [self.ground.runtime.data(node) for node in NODES] == ["of old", "joined", "joined"]
        assert self.ground.api.load()["members"] == list(NODES)
        assert self.ground.api.load()["coordinator"] == ["rmq1"]

    def backup_data(self) -> None:
        self.rebalance()
        folder = self.ground.folder / "backup"
        assert {backup_data.file(folder, node).read_text() for node in NODES} == {"of old"}
        assert backup_data.read(self.ground.site(), folder)["version"] == "4.3.6"

    def restore_data(self) -> None:
        self.rebalance()
        assert {self.ground.runtime.data(node) for node in NODES} == {"of old"}

    def rotate_authority_trust(self, of: str = "cluster") -> None:
        now = authorities(self.ground, of)
        assert now[0] == self.trusted[of][0]
        assert len(now) == 2
        self._authorities_on_nodes(of)

    def rotate_authority_sign(self, of: str = "cluster") -> None:
        assert authorities(self.ground, of) == self.trusted[of][::-1]
        for name in [user.name for user in self.ground.topology.users] if of == "clients" else NODES:
            assert self.ground.pki.is_signed_by_first(of, name)
        if of != "clients":
            self._shown(of, {"cluster": "server"}.get(of, of))

    def rotate_authority_drop(self, of: str = "cluster") -> None:
        assert authorities(self.ground, of) == self.trusted[of][:1]
        self._authorities_on_nodes(of)

    def rotate_authority_trust_clients(self) -> None:
        self.rotate_authority_trust("clients")

    def rotate_authority_sign_clients(self) -> None:
        self.rotate_authority_sign("clients")

    def rotate_authority_drop_clients(self) -> None:
        self.rotate_authority_drop("clients")

    def rotate_authority_trust_inter_node(self) -> None:
        self.rotate_authority_trust("inter-node")

    def rotate_authority_sign_inter_node(self) -> None:
        self.rotate_authority_sign("inter-node")

    def rotate_authority_drop_inter_node(self) -> None:
        self.rotate_authority_drop("inter-node")

    def _authorities_on_nodes(self, of: str) -> None:
        assert self.ground.services_took
        pem = self.ground.pki.authority(of).certificate.read_text()
        file = "tls/ca.pem" if of == "cluster" else f"tls/{of}-ca.pem"
        for node in NODES:
            assert self.ground.runtime.machine(node)["files"][file] == pem
        assert not list(self.ground.pki.folder.rglob(".witness*"))

    def rebalance(self) -> None:
        assert not self.ground.broken()
        assert {queue.leader for queue in self.ground.api.queues()} == {f"rabbit@{node}" for node in NODES}

    def drain(self) -> None:
        assert self.ground.broken() == "rmq2 is drained"

    def revive(self) -> None:
        self.rebalance()

    def start_all(self) -> None:
        self.rebalance()

    def stop_all(self) -> None:
        assert set(self.ground.runtime.states().values()) == {NodeState.STOPPED}

    def enable_feature_flags(self) -> None:
        assert self.ground.api.load()["flags"] == {"old": "enabled", "new": "enabled"}

    def backup_definitions(self) -> None:
        path = self.ground.folder / "definitions.json"
        assert exports.read(path)["users"]
        assert path.stat().st_mode & 0o077 == 0

    def restore_definitions(self) -> None:
        found = exports.difference(
            exports.read(self.ground.folder / "export.json"), self.ground.api.definitions()
        )
        assert found.added == found.changed == ()

    def rotate_certificates(self) -> None:
        self._shown("cluster", "server")

    def rotate_inter_node_certificates(self) -> None:
        self._shown("inter-node", "inter-node")

    def _shown(self, authority: str, file: str) -> None:
        for node in NODES:
            assert self.ground.pki.serial(authority, node) != self.serials[authority, node]
            own = self.ground.pki.leaf(authority, node)
            files = self.ground.runtime.machine(node)["files"]
            assert files[f"tls/{file}.pem"] == own.certificate.read_text()
            assert files[f"tls/{file}.key"] == own.key.read_text()

    def rotate_cookie(self) -> None:
        cookie = self.ground.secrets.read(COOKIE)
        assert cookie != self.cookie
        assert {self.ground.runtime.cookie(node) for node in NODES} == {cookie}
        assert not self.ground.broken()

    def rotate_password(self) -> None:
        now = self.ground.secrets.read("orders-worker")
        assert now != self.password
        assert self.ground.api.lets_in("orders-worker", now)
        assert self.ground.api.load()["closed"][-1:] == ["orders-worker"]
        self.same_rights()

    def same_rights(self) -> None:
        (row,) = [each for each in self.ground.api.definitions()["users"] if each["name"] == "orders-worker"]
        assert row["tags"] == []

    # After it was undone.

    def undone(self, name: str) -> None:
        ground = self.ground
        assert record.read(ground.state) is None
        if name == "recover-majority":  # it was broken, and no more is than there was
            assert not ground.api.has_majority()
            assert not [node for node in ("rmq2", "rmq3") if ground.api.runtime.states()[node] is RUNNING]
        else:
            assert not ground.broken(self.names)
            assert ground.api.load()["services_know"] == self.names
        assert ground.secrets.read(COOKIE) == self.cookie
        assert {ground.runtime.cookie(node) for node in NODES} == {self.cookie}
        assert ground.secrets.read("orders-worker") == self.password
        for of, trusted in self.trusted.items():
            assert authorities(ground, of) == trusted
        assert not list(ground.pki.folder.rglob(".witness*"))
        assert {node: ground.runtime.data(node) for node in NODES} == self.data
        assert ground.api.lets_in("orders-worker", self.password)
        assert sorted(each["name"] for each in ground.api.definitions()["users"]) == self.accounts
        assert accounts.rights(ground.site(), "orders-shop") == self.rights
        assert ground.api.lets_in("orders-shop", ground.secrets.read("orders-shop"))
        assert not list(ground.secrets.folder.glob("*.next"))


def authorities(ground: Ground, of: str) -> list[int]:
    """The serial numbers of those that are trusted, the one that signs first."""
    pem = ground.pki.authority(of).certificate.read_bytes()
    return [each.serial_number for each in x509.load_pem_x509_certificates(pem)]


def plan(ground: Ground, name: str, *, undo: bool = False, **more: str) -> running.Planned:
    return running.plan(ground.site(), name.split(maxsplit=1)[0], {**said(ground, name), **more}, undo=undo)


def carry_out(ground: Ground, name: str, *, undo: bool = False, **more: str) -> running.Done:
    return running.carry_out(ground.site(), plan(ground, name, undo=undo, **more))


def trouble() -> None:
    raise NotReadyError("fake node", "does not answer")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def sabotaged(planned: running.Planned, place: int, moment: str, act: Callable[[], None]) -> running.Planned:
    """``planned`` with ``act`` before or after what its step at ``place`` does."""
    step = planned.steps[place]

    def do() -> Any:
        if moment == "before":
            act()
        found = step.do()
        if moment == "after":
            act()
        return found

    steps: list[Step] = list(planned.steps)
    steps[place] = replace(step, do=do)
    return replace(planned, steps=steps)


def in_child(act: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.alarm(30)
        try:
            act()
        finally:
            os._exit(99)
    return os.waitpid(child, 0)[1]


def places(ground: Ground, name: str) -> Iterator[tuple[int, str]]:
    count = len(plan(ground, name).steps)
    return ((place, moment) for place in range(count) for moment in ("before", "after"))


def test_every_operation_is_tested_here() -> None:
    assert sorted({name.split()[0] for name in SAID}) == list(catalogue.names())


def test_it_does_what_it_is_for(ready: Ground, name: str) -> None:
    goal = Goal(ready)
    done = carry_out(ready, name)
    goal.check(name)
    assert len(done.seconds) == len(done.planned.steps)


def test_plan_changes_nothing_and_says_what_each_step_does(ready: Ground, name: str) -> None:
    calls = list(ready.runtime.calls)
    before = (ready.api.load(), ready.processes(), ready.secrets.read(COOKIE))
    planned = plan(ready, name)
    acting = [call for call in ready.runtime.calls[len(calls) :] if call[0] != "execute"]
    assert not acting
    assert before == (ready.api.load(), ready.processes(), ready.secrets.read(COOKIE))
    assert record.read(ready.state) is None
    assert all(step.what for step in planned.steps)
    assert planned.go_on.startswith(f"warren cluster {name.split(maxsplit=1)[0]}")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_step_that_fails_says_how_to_go_on_and_going_on_ends_it(
    ready: Ground, name: str, moment: str, snapshots: Callable[..., Any]
) -> None:
    goal = Goal(ready)
    for place, _ in [each for each in places(ready, name) if each[1] == moment]:
        with snapshots(ready):
            planned = plan(ready, name)
            first_act = next((i for i, step in enumerate(planned.steps) if step.is_act), len(planned.steps))
            with pytest.raises(NotReadyError, match="does not answer") as caught:
                running.carry_out(ready.site(), sabotaged(planned, place, moment, trouble))
            if place < first_act:
                assert "nothing was changed" in caught.value.what
                assert record.read(ready.state) is None
            else:
                assert isinstance(caught.value, HaltedError)
                assert planned.go_on in caught.value.remedy
                assert "undo: " in caught.value.remedy
                assert f"step {place + 1} of {len(planned.steps)}" in caught.value.what
            carry_out(ready, name)
            goal.check(name)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_step_that_fails_can_be_undone(
    ready: Ground, name: str, moment: str, snapshots: Callable[..., Any]
) -> None:
    if catalogue.load(name.split(maxsplit=1)[0]).undoing.startswith("nothing"):
        pytest.skip("nothing is to be undone, and it says so")
    if name.startswith("rotate-authority drop"):
        pytest.skip("it cannot be undone, which a test of its own shows")
    goal = Goal(ready)
    for place, _ in [each for each in places(ready, name) if each[1] == moment]:
        with snapshots(ready):
            planned = plan(ready, name)
            if not any(step.is_act for step in planned.steps[: place + 1]):
                continue
            with pytest.raises(HaltedError):
                running.carry_out(ready.site(), sabotaged(planned, place, moment, trouble))
            if _is_over(ready, name, place, planned):
                continue
            begun = record.read(ready.state)
            if begun is not None and any(begun.facts.get(key) for key in ("forced", "settings", "leaving")):
                with pytest.raises(RefusedError, match="cannot be undone"):
                    plan(ready, name, undo=True)
                continue
            carry_out(ready, name, undo=True)
            goal.undone(name)


def _is_over(ground: Ground, name: str, place: int, planned: running.Planned) -> bool:
    """After the last step of these the former secret is forgotten, and there is nothing to go back to."""
    forgetting = ("rotate-password", "rotate-cookie", "replace-user drop")
    return name in forgetting and place == len(planned.steps) - 1


@pytest.mark.parametrize("moment", ["before", "after"])
def test_driver_that_is_killed_at_a_step_is_gone_on_with_by_the_next(
    ready: Ground, name: str, moment: str, snapshots: Callable[..., Any]
) -> None:
    goal = Goal(ready)
    for place, _ in [each for each in places(ready, name) if each[1] == moment]:
        with snapshots(ready):

            def doomed(place: int = place) -> None:
                planned = plan(ready, name)
                running.carry_out(ready.site(), sabotaged(planned, place, moment, die))

            assert os.WIFSIGNALED(in_child(doomed))
            ready.runtime._load()
            carry_out(ready, name)
            goal.check(name)


def test_interrupt_of_an_act_is_held_back_until_it_is_done(ready: Ground, name: str) -> None:
    goal = Goal(ready)
    planned = plan(ready, name)
    acts = [place for place, step in enumerate(planned.steps) if step.is_act]
    with pytest.raises(StoppedError) as caught:
        running.carry_out(ready.site(), sabotaged(planned, acts[0], "before", interrupt))
    assert planned.go_on in caught.value.remedy
    assert caught.value.exit_code == 130
    carry_out(ready, name)
    goal.check(name)


def test_cluster_that_is_not_whole_is_no_ground_to_begin_on(ready: Ground, name: str) -> None:
    if name in (*ON_WHAT_IS_BROKEN, "stop-all", "backup-definitions", "restore-data"):
        pytest.skip("it is for such a cluster too")
    ready.trouble = NotReadyError("queue orders.work", "has 2 of 3 members online")
    with pytest.raises(WarrenError, match="2 of 3") as caught:
        carry_out(ready, name)
    assert "nothing was changed" in caught.value.what
    assert record.read(ready.state) is None


def test_another_operation_is_refused_while_one_has_not_ended(ready: Ground, name: str) -> None:
    if name == "restart":
        pytest.skip("it is the other one here")
    planned = plan(ready, name)
    acts = [place for place, step in enumerate(planned.steps) if step.is_act]
    with pytest.raises(HaltedError):
        running.carry_out(ready.site(), sabotaged(planned, acts[0], "before", trouble))
    with pytest.raises(RefusedError, match="has not ended") as caught:
        running.plan(ready.site(), "restart", {})
    assert f"warren cluster {name.split(maxsplit=1)[0]}" in caught.value.remedy


def test_no_secret_is_said_or_written_down(ready: Ground, name: str) -> None:
    secrets = [path.read_text() for path in ready.secrets.folder.iterdir() if path.is_file()]
    planned = plan(ready, name)
    acts = [place for place, step in enumerate(planned.steps) if step.is_act]
    with pytest.raises(HaltedError) as caught:
        running.carry_out(ready.site(), sabotaged(planned, acts[-1], "after", trouble))
    secrets += [path.read_text() for path in ready.secrets.folder.iterdir() if path.is_file()]
    told = "\n".join([*ready.said, str(caught.value), record.path(ready.state).read_text()])
    told += str([step.what for step in planned.steps])
    assert not [secret for secret in secrets if secret.strip() in told]


def test_nothing_to_undo_is_said(ground: Ground) -> None:
    with pytest.raises(RefusedError, match="nothing to undo"):
        running.plan(ground.site(), "restart", {}, undo=True)


def test_authority_that_was_dropped_is_not_brought_back(ground: Ground) -> None:
    ready = prepared(ground, "rotate-authority drop")
    planned = plan(ready, "rotate-authority drop")
    with pytest.raises(HaltedError):
        running.carry_out(ready.site(), sabotaged(planned, 2, "after", trouble))
    with pytest.raises(RefusedError, match="what was dropped is gone"):
        plan(ready, "rotate-authority drop", undo=True)


@pytest.mark.parametrize("phase", ["sign", "drop"])
def test_phase_of_a_succession_is_refused_before_its_time(ground: Ground, phase: str) -> None:
    for of in ("servers", "clients", "inter-node"):
        with pytest.raises(RefusedError, match=f"succession of {of} is at 'none'"):
            plan(ground, f"rotate-authority {phase}", of=of)


def test_unknown_node_user_and_operation_are_refused_by_name(ground: Ground) -> None:
    for name, given in (("drain", {"node": "rmq9"}), ("rotate-password", {"user": "nobody"}), ("dance", {})):
        with pytest.raises(BadInputError, match=r"rmq9|nobody|dance"):
            running.plan(ground.site(), name, given)


def test_file_is_known_by_its_whole_path(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ground.folder)
    planned = running.plan(ground.site(), "backup-definitions", {"file": "here.json"})
    assert planned.args["file"] == str(ground.folder / "here.json")
    assert Path(planned.go_on.split()[3]).is_absolute()
