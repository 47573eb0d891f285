"""The canary in its container, over the real broker: every pair, and a node that dies or freezes."""

from __future__ import annotations

import time
from itertools import permutations

import pytest

from exporters import names
from exporters.canary.pair import EXCHANGE, Pair
from exporters.names import MetricName

from .conftest import ClusterUnderTest


def pairs(cluster: ClusterUnderTest) -> set[Pair]:
    nodes = [node.name for node in cluster.topology.nodes]
    return {Pair(vhost.name, *two) for vhost in cluster.topology.vhosts for two in permutations(nodes, 2)}


def told(cluster: ClusterUnderTest, metric: MetricName) -> dict[Pair, float]:
    """What Prometheus has of each pair now."""
    return {
        Pair(sample.labels["vhost"], sample.labels["from"], sample.labels["to"]): sample.value
        for sample in cluster.prometheus(metric.name)
    }


def failing(cluster: ClusterUnderTest) -> set[Pair]:
    return {pair for pair, came_through in told(cluster, names.CANARY_SUCCESS).items() if not came_through}


def all_come_through(cluster: ClusterUnderTest) -> bool:
    return told(cluster, names.CANARY_SUCCESS) == dict.fromkeys(pairs(cluster), 1.0)


def are_empty(cluster: ClusterUnderTest) -> bool:
    """Whether no canary queue holds a message, ready or delivered; a look may fall into a flight."""
    held = [cluster.management.queue(pair.vhost, pair.queue).messages for pair in pairs(cluster)]
    return held == [0] * len(held)


def test_messages_come_through_from_every_node_to_every_other(cluster: ClusterUnderTest) -> None:
    cluster.wait_for(lambda: all_come_through(cluster), "every pair to come through", 120)
    counted = f'{names.CANARY_END_TO_END.name}_bucket{{le="+Inf"}}'
    cluster.wait_for(
        lambda: min(sample.value for sample in cluster.prometheus(counted)) >= 3, "three flights of each", 60
    )
    quick = f'{names.CANARY_CONFIRM.name}_bucket{{le="1.0"}}'
    assert min(sample.value for sample in cluster.prometheus(quick)) >= 1
    cluster.wait_for(lambda: are_empty(cluster), "the canary's queues to be empty", 60)


def test_it_flies_over_tls_on_queues_of_its_own_with_one_connection_a_node(
    cluster: ClusterUnderTest,
) -> None:
    cluster.wait_for(lambda: all_come_through(cluster), "every pair to come through", 120)
    size = len(cluster.topology.nodes)
    for pair in pairs(cluster):
        queue = cluster.management.queue(pair.vhost, pair.queue)
        assert (queue.type, len(queue.members), len(queue.online)) == ("quorum", size, size)
    for vhost in cluster.topology.vhosts:
        assert cluster.management.get("exchanges", vhost.name, EXCHANGE)["type"] == "direct"
    rows = [row for row in cluster.management.rows("connections") if row.get("user") == "canary"]
    assert len(rows) == size * len(cluster.topology.vhosts)
    assert all(row["ssl"] for row in rows)


def test_its_objects_are_nobodys_drift_and_the_exporter_leaves_its_queues_out(
    cluster: ClusterUnderTest,
) -> None:
    cluster.wait_for(lambda: all_come_through(cluster), "every pair to come through", 120)
    done = cluster.warren(["topology", "diff"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert cluster.prometheus(f'{names.MEMBERS.name}{{queue=~"warren[.]canary.*"}}') == []


@pytest.mark.full
def test_a_killed_node_fails_its_own_pairs_and_the_others_go_on(cluster: ClusterUnderTest) -> None:
    cluster.wait_for(lambda: all_come_through(cluster), "every pair to come through", 120)
    node = cluster.topology.nodes[-1].name
    hit = {pair for pair in pairs(cluster) if node in (pair.origin, pair.target)}
    killed_s = time.time()
    done = cluster.warren(["chaos", "kill", node])
    assert done.returncode == 0, done.stderr
    cluster.wait_for(lambda: failing(cluster) == hit, "its pairs to fail, and no others", 60)
    after_s = time.time()
    last = told(cluster, names.CANARY_LAST_SUCCESS)
    assert set(last) == pairs(cluster)
    assert all(last[pair] <= after_s for pair in hit)

    def go_on() -> bool:
        now = told(cluster, names.CANARY_LAST_SUCCESS)
        return all(now[pair] > after_s for pair in pairs(cluster) - hit)

    cluster.wait_for(go_on, "the other pairs to go on", 40)
    stayed = told(cluster, names.CANARY_LAST_SUCCESS)
    assert {pair: stayed[pair] for pair in hit} == {pair: last[pair] for pair in hit}
    longest = f'max_over_time({names.COLLECTOR_DURATION.name}{{job="probe",collector="canary"}}[30s])'
    assert cluster.prometheus(longest)[0].value < 5
    # Node down says it; the pairs of a node that Prometheus misses too are not told besides.
    firing = cluster.prometheus('ALERTS{alertname="WarrenCanaryPairFailing",alertstate="firing"}')
    assert [(each.labels["from"], each.labels["to"]) for each in firing] == []
    healed = cluster.warren(["chaos", "heal"], timeout_s=300)
    assert healed.returncode == 0, healed.stderr
    cluster.wait_for(lambda: all_come_through(cluster), "every pair to come through again", 120)
    assert min(told(cluster, names.CANARY_LAST_SUCCESS).values()) > killed_s
    cluster.wait_for(lambda: are_empty(cluster), "the canary's queues to be empty", 60)


@pytest.mark.full
def test_a_frozen_node_fails_its_own_pairs_and_the_others_recover_before_it_is_held_for_down(
    cluster: ClusterUnderTest,
) -> None:
    """It accepts connections and says nothing. The others lose its queues' leaders, for seconds."""
    cluster.wait_for(lambda: all_come_through(cluster), "every pair to come through", 120)
    node = cluster.topology.nodes[0].name
    hit = {pair for pair in pairs(cluster) if node in (pair.origin, pair.target)}
    done = cluster.warren(["chaos", "pause", node])
    assert done.returncode == 0, done.stderr
    before_net_tick_s = cluster.topology.broker.net_ticktime_s - 10
    cluster.wait_for(lambda: failing(cluster) == hit, "its pairs to fail, and no others", before_net_tick_s)
    healed = cluster.warren(["chaos", "heal"], timeout_s=300)
    assert healed.returncode == 0, healed.stderr
    cluster.wait_for(lambda: all_come_through(cluster), "every pair to come through again", 180)
    cluster.wait_for(lambda: are_empty(cluster), "the canary's queues to be empty", 60)
