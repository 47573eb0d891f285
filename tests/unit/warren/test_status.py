from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from warren.cluster import Stage, UpReport
from warren.errors import NotReadyError, RefusedError
from warren.images import ImageRef
from warren.journal import Fault, Journal, Phase
from warren.operate import status
from warren.operating import record
from warren.runtime.protocol import NodeState
from warren.state import State, open_state
from warren.topology import Topology
from warren.topology_shipping import Shipping

NODES = ("rmq1", "rmq2", "rmq3")
ERLANG = tuple(f"rabbit@{node}" for node in NODES)


def node(name: str, *, running: bool = True, **changes: Any) -> Any:
    facts = {"mem_used_bytes": 300, "mem_limit_bytes": 1000, "mem_alarm": False, "disk_alarm": False}
    return SimpleNamespace(name=name, running=running, **{**facts, **changes})


class Lab:
    """What `status.read` asks of a context; tests break parts of it."""

    def __init__(self, topology: Topology, state: State) -> None:
        self.topology, self.state = topology, state
        self.cluster_ca = state.pki / "cluster-ca.pem"
        self.node_states: Mapping[str, NodeState] = dict.fromkeys(NODES, NodeState.RUNNING)
        self.seen = [node(name) for name in ERLANG]
        self.problem = ""
        self.deaf = False
        self.prometheus_deaf = False
        self.foreign = False
        self.grafana = False
        self.runtime = SimpleNamespace(
            states=lambda: self.node_states, refuse_foreign=self._refuse, runs=lambda service: self.grafana
        )
        self.nodes, self.inventory = self.runtime, None
        self.options: tuple[str, ...] = ()
        self.management = SimpleNamespace(nodes=self._nodes, queues=self._queues)
        self.prometheus = SimpleNamespace(targets=self._targets)
        self.gate = SimpleNamespace(check=self._check)

    def _refuse(self) -> None:
        if self.foreign:
            raise RefusedError("cluster 'warren'", "belongs to the state folder /other, not to this")

    def _check(self) -> None:
        if self.problem or self.deaf:
            raise NotReadyError("rmq1", self.problem or "no connection")

    def _nodes(self) -> Any:
        if self.deaf:
            raise NotReadyError("rmq1", "no connection")
        return self.seen

    def _queues(self) -> Any:
        return [
            SimpleNamespace(
                vhost="/orders", name="orders.work", leader=ERLANG[0], online=ERLANG[:2], members=ERLANG,
                messages_ready=1200, messages_unacked=None, consumers=3,
            )
        ]  # fmt: skip

    def _targets(self) -> Any:
        if self.prometheus_deaf:
            raise NotReadyError("Prometheus", "no connection")
        return [SimpleNamespace(health=health) for health in ("up", "up", "down", "unknown")]


@pytest.fixture
def lab(deployed: Topology) -> Lab:
    return Lab(deployed, open_state("warren", os.environ))


def shown(lab: Lab) -> tuple[status.Status, list[str]]:
    found = status.read(lab)  # type: ignore[arg-type]
    return found, status.text(found).splitlines()


def test_whole_cluster_shows_nodes_leaders_queues_and_targets(lab: Lab) -> None:
    found, lines = shown(lab)
    assert found.exit_code == 0
    assert lines[0] == "cluster 'warren': whole"
    assert lines[2].split() == ["rmq1", "running", "1", "30%", "none"]
    assert lines[3].split() == ["rmq2", "running", "0", "30%", "none"]
    assert lines[6].split() == ["/orders:orders.work", "rmq1", "2/3", "1200", "-", "3"]
    assert lines[7] == "  Prometheus: 2 of 3 targets up"


def test_cluster_that_is_down_is_not_ready_and_says_how_to_start_it(lab: Lab) -> None:
    lab.node_states = dict.fromkeys(NODES, NodeState.ABSENT)
    with pytest.raises(NotReadyError, match=r"is not up\n  try: make cluster-up") as caught:
        shown(lab)
    assert caught.value.exit_code == 3


def test_half_down_cluster_shows_the_first_problem_and_the_engines_word_on_each_node(lab: Lab) -> None:
    lab.node_states = {
        "rmq1": NodeState.RUNNING,
        "rmq2": NodeState.STOPPED,
        "rmq3": NodeState.PAUSED,
    }
    lab.problem = "does not see rabbit@rmq2 running"
    found, lines = shown(lab)
    assert found.exit_code == 3
    assert lines[0] == "cluster 'warren': rmq1: does not see rabbit@rmq2 running"
    assert lines[3].split() == ["rmq2", "stopped", "-", "-", "none"]
    assert lines[4].split()[:2] == ["rmq3", "paused"], "others believe for a while that it runs"


def test_node_whose_container_runs_and_whose_broker_does_not_is_booting(lab: Lab) -> None:
    lab.seen[1] = node(ERLANG[1], running=False)
    _, lines = shown(lab)
    assert lines[3].split()[:2] == ["rmq2", "booting"]


def test_alarms_are_named(lab: Lab) -> None:
    lab.seen[0] = node(ERLANG[0], mem_alarm=True, disk_alarm=True)
    _, lines = shown(lab)
    assert lines[2].endswith("memory, disk")


def test_unreachable_cluster_still_shows_what_the_engine_knows(lab: Lab) -> None:
    lab.deaf = lab.prometheus_deaf = True
    found, lines = shown(lab)
    assert (found.exit_code, found.reachable) == (3, False)
    assert lines[2].split()[:2] == ["rmq1", "booting"]
    assert "  no node answers for its queues" in lines
    assert "  Prometheus: no answer" in lines


def test_cluster_of_another_state_is_not_shown_as_ones_own(lab: Lab) -> None:
    lab.foreign = True
    with pytest.raises(RefusedError, match="/other"):
        shown(lab)


def test_open_faults_are_shown_with_the_way_to_undo_them(lab: Lab) -> None:
    journal = Journal(lab.state.journal, lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    healed = Fault(fault_id="a", name="kill", target="rmq1")
    for phase in (Phase.INJECTING, Phase.HEALED):
        journal.append(healed, phase)
    journal.append(Fault(fault_id="b", name="pause", target="rmq2"), Phase.INJECTING)
    found, lines = shown(lab)
    assert len(found.faults) == 1
    assert lines[1].startswith("  fault: pause of rmq2 since 2026-01-02T03:04:05")
    assert "make chaos-heal" in lines[1]


def test_status_as_json_has_every_field(lab: Lab) -> None:
    found, _ = shown(lab)
    document = json.loads(json.dumps(status.as_dict(found)))
    assert document["nodes"][0] == {
        "name": "rmq1",
        "state": "running",
        "leaders": 1,
        "memory_used": 0.3,
        "alarms": [],
    }
    assert document["queues"][0]["online"] == 2


@pytest.mark.parametrize(("grafana", "port", "user"), [(True, 15602, "admin"), (False, 15603, "view")])
def test_places_name_what_really_runs_and_where_its_password_is_and_never_the_password(
    lab: Lab, grafana: bool, port: int, user: str
) -> None:
    lab.grafana = grafana
    for name in ("operator", "prometheus-web", "view", "grafana-admin"):
        (lab.state.secrets / name).write_text("a-password-that-nobody-may-see")
    text = status.places_text(lab)  # type: ignore[arg-type]
    assert f"https://localhost:{port}  user {user}" in text
    assert "a-password" not in text
    for word in text.replace(",", " ").split():
        if word.startswith(str(lab.state.secrets)):
            assert lab.state.secrets in Path(word).parents


def test_places_name_the_long_term_store_where_there_is_one(lab: Lab) -> None:
    assert "long term" not in status.places_text(lab)  # type: ignore[arg-type]
    lab.topology = dataclasses.replace(lab.topology, shipping=Shipping(retention="1y"))
    text = status.places_text(lab)  # type: ignore[arg-type]
    assert "https://localhost:15606  user victoriametrics" in text
    assert str(lab.state.secrets / "victoriametrics-web") in text


def test_report_of_up_says_where_time_went_and_which_images_run() -> None:
    image = ImageRef(
        name="rabbitmq", reference="r:1", origin="pulled", digest=None, note="the official image"
    )
    stages = (Stage(name="engine", seconds=0.5), Stage(name="images", seconds=1.25))
    report = UpReport(stages=stages, created=True, images={"rabbitmq": image}, grafana=False)
    assert status.up_text(report).splitlines() == [
        "cluster made in 1.8 s (engine 0.5 s, images 1.2 s)",
        "  image rabbitmq: pulled, r:1 (the official image)",
    ]


def test_operation_that_has_not_ended_is_told_with_what_to_do(lab: Lab) -> None:
    begun = record.Record(
        name="restart", args={"node": "rmq2", "grace": "60"}, began_at="2026-01-02T03:04:05Z"
    )
    assert "operation" not in status.text(status.read(lab))  # type: ignore[arg-type]
    record.write(lab.state, dataclasses.replace(begun, stopped="rmq2: starting it: no answer"))
    shown = status.text(status.read(lab))  # type: ignore[arg-type]
    assert "restart began at 2026-01-02T03:04:05Z, stopped at 'rmq2: starting it: no answer'" in shown
    assert (
        "go on: warren cluster restart --node rmq2; undo: warren cluster restart --node rmq2 --undo" in shown
    )
    lab.options = ("--hosts", "/my inventory.yml")
    assert "restart --node rmq2 --hosts '/my inventory.yml' --undo" in status.text(status.read(lab))  # type: ignore[arg-type]
    record.path(lab.state).write_text("{}")
    assert "is no record of an operation" in status.text(status.read(lab))  # type: ignore[arg-type]
