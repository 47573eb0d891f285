"""`warren queue lead`: what is refused, what is done, and that it is seen before it is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from warren import management_facts
from warren.context import Context
from warren.errors import BadInputError, DeadlineError, RefusedError
from warren.management_facts import QueueInfo
from warren.operate import options
from warren.process import Completed
from warren.queues import leading
from warren.queues.cli import queue
from warren.topology import Topology
from warren.wait import Clock

NODES = ["rabbit@rmq1", "rabbit@rmq2", "rabbit@rmq3"]


class Broker:
    """One quorum queue in three members; ``follows`` says whether a transfer is heeded."""

    def __init__(self, *, follows: bool = True) -> None:
        self.follows = follows
        self.asked: list[str] = []
        self.info = management_facts.queue(
            {
                "vhost": "/orders",
                "name": "payments.work",
                "type": "quorum",
                "leader": NODES[0],
                "online": NODES,
            }
        )

    def queues(self) -> list[QueueInfo]:
        return [self.info]

    def queue(self, vhost: str, name: str) -> QueueInfo:
        return self.info

    def execute(self, node: str, argv: Sequence[str], **_: Any) -> Completed:
        self.asked.append(node)
        if self.follows:
            self.info = replace(self.info, leader=f"rabbit@{node}")
        return Completed(argv=tuple(argv), returncode=0, stdout="ok", stderr="")


def context(broker: Broker, topology: Topology) -> Context:
    seconds = [0.0]

    def sleep(duration_s: float) -> None:
        seconds[0] += duration_s

    clock = Clock(lambda: seconds[0], sleep)
    return cast("Context", SimpleNamespace(topology=topology, management=broker, nodes=broker, clock=clock))


def test_another_node_leads_and_is_seen_to(deployed: Topology) -> None:
    broker = Broker()
    found = leading.lead(context(broker, deployed), "payments.work", "rmq3")
    assert str(found) == "/orders:payments.work is led by rmq3 now, before by rmq1"
    assert broker.asked == ["rmq3"]


def test_node_that_leads_already_is_left_alone(deployed: Topology) -> None:
    broker = Broker()
    found = leading.lead(context(broker, deployed), "/orders:payments.work", "rmq1")
    assert str(found) == "/orders:payments.work is led by rmq1 already"
    assert broker.asked == []


def test_what_cannot_be_is_refused_before_anything_is_done(deployed: Topology) -> None:
    broker = Broker()
    there = context(broker, deployed)
    with pytest.raises(BadInputError, match="rmq9"):
        leading.lead(there, "payments.work", "rmq9")
    with pytest.raises(BadInputError, match=r"payments\.wrok"):
        leading.lead(there, "payments.wrok", "rmq2")
    broker.info = replace(broker.info, online=tuple(NODES[:2]))
    with pytest.raises(RefusedError, match=r"has no member of /orders:payments\.work that is up") as caught:
        leading.lead(there, "payments.work", "rmq3")
    assert caught.value.remedy == "nodes that have one: rmq1, rmq2"
    broker.info = replace(broker.info, type="classic")
    with pytest.raises(RefusedError, match="is a classic queue"):
        leading.lead(there, "payments.work", "rmq2")
    assert broker.asked == []


def test_leader_that_stays_is_told(deployed: Topology) -> None:
    with pytest.raises(DeadlineError, match="is led by rabbit@rmq1"):
        leading.lead(context(Broker(follows=False), deployed), "payments.work", "rmq2")


def test_command_prints_it_and_writes_it(
    deployed: Topology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "context", lambda _path: context(Broker(), deployed))
    path = tmp_path / "led.json"
    done = CliRunner().invoke(queue, ["lead", "payments.work", "rmq2", "--json", str(path)])
    assert (done.exit_code, done.output) == (0, "/orders:payments.work is led by rmq2 now, before by rmq1\n")
    assert json.loads(path.read_text()) == {"queue": "/orders:payments.work", "before": "rmq1", "now": "rmq2"}
