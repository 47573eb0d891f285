"""The boards before a thousand queues: what each panel's refresh costs Prometheus."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loadgen.bench.scrapes import VHOST, Stage

from .conftest import ClusterUnderTest

#: In `make test-full` only: a thousand queues take minutes to make and to remove.
pytestmark = pytest.mark.full
QUEUES = 1000
#: Rates and recorded rules want a few scrapes of the slowest job.
_FILLED_S = 180.0


def move_a_message(cluster: ClusterUnderTest) -> None:
    """In and out of every queue: the broker counts nothing of a queue that saw none."""
    api = cluster.management
    names = [str(row["name"]) for row in api.rows("queues", VHOST, columns=("name",))]

    def move(name: str) -> None:
        message = {"routing_key": name, "payload": "x", "payload_encoding": "string", "properties": {}}
        api.post("exchanges", VHOST, "amq.default", "publish", body=message)
        api.post(
            "queues",
            VHOST,
            name,
            "get",
            body={"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"},
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(move, names))


@pytest.mark.timeout(1500)
def test_no_panel_waits_for_long_before_a_thousand_queues(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    """Every query finds its answer, though a table of a thousand rows is one. How long is `make bench`'s, but
    that no panel takes so long that a refresh every five seconds could not follow."""
    context = cluster.context
    stage = Stage(management=context.management, topology=cluster.topology, clock=context.clock)
    try:
        stage.build(QUEUES, "quorum")
        move_a_message(cluster)
        seen = f'count(warren_queue_messages_ready{{cluster="{cluster.topology.cluster}"}})'
        recorded = (
            "count(cluster_vhost_queue:rabbitmq_detailed_queue_messages_delivered:rate"
            f'{{cluster="{cluster.topology.cluster}"}})'
        )

        def filled() -> bool:
            return all(
                (found := cluster.prometheus(one)) and found[0].value >= QUEUES for one in (seen, recorded)
            )

        cluster.wait_for(filled, "Prometheus to have every queue and its rate", _FILLED_S)
        path = tmp_path / "times.json"
        done = cluster.warren(["dashboards", "time", "--json", str(path)], timeout_s=600)
        assert done.returncode == 0, done.stderr
        sys.stdout.write(done.stdout)
        panels = json.loads(path.read_text())["panels"]
        assert {one["panel"]: one["series"] for one in panels}["Queues"] >= QUEUES
        assert [one for one in panels if one["took_s"] >= cluster.topology.scrape_interval_s] == []
    finally:
        stage.remove()
