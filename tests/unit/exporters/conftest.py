"""Answers of a live 4.3.6 under load, recorded, and a broker made of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from exporters.broker import Node
from exporters.collector import Reach
from exporters.dead_lettering import dead_letter_targets
from exporters.detailed import read_counters, read_published
from exporters.queue_facts import critical_queues, read_queue
from exporters.snapshot import Snapshot
from warren.connection import Credentials

RECORDED = Path(__file__).parent / "recorded"
NODES = ("rmq1", "rmq2", "rmq3")
#: What collectors are made with where they reach nothing.
REACH = Reach(
    nodes=tuple(Node(host=each, management_port=15671, metrics_port=15691) for each in NODES),
    credentials=Credentials(username="monitoring", password="none"),
    ca=Path("ca.pem"),
    timeout_s=1.0,
)


def recorded(name: str) -> Any:
    text = (RECORDED / name).read_text(encoding="utf-8")
    return json.loads(text) if name.endswith(".json") else text


@pytest.fixture
def snapshot() -> Snapshot:
    """What a scrape of the recorded cluster knows."""
    queues = tuple(read_queue(row) for row in recorded("queues.json"))
    return Snapshot(
        at_s=100.0,
        duration_s=0.02,
        nodes=NODES,
        queues=queues,
        queues_age_s=0.02,
        critical=critical_queues(queues),
        dead_letter_targets=dead_letter_targets(queues, recorded("bindings.json")),
        counters={node: read_counters(recorded(f"{node}.txt")) for node in NODES},
        published={node: read_published(recorded(f"{node}.txt")) for node in NODES},
    )


@dataclass
class FakeBroker:
    """Answers with ``answer``, each time ``every_s`` later; keeps the deadlines it was given."""

    answer: Snapshot
    every_s: float = 5.0
    deadlines: list[float] = field(default_factory=list)

    def snapshot(self, deadline_s: float) -> Snapshot:
        self.deadlines.append(deadline_s)
        self.answer = replace(self.answer, at_s=self.answer.at_s + self.every_s)
        return self.answer


@pytest.fixture
def broker(snapshot: Snapshot) -> FakeBroker:
    return FakeBroker(snapshot)
