"""The exporter in its container, against the real broker, seen through Prometheus."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request

import pytest

from exporters import names

from .conftest import ClusterUnderTest

VHOST, QUEUE, EXCHANGE, KEY = "/users", "users.report", "users.direct", "user.report"
SELECTOR = f'{{vhost="{VHOST}",queue="{QUEUE}"}}'


def value(cluster: ClusterUnderTest, metric: str, selector: str = SELECTOR) -> float | None:
    samples = cluster.prometheus(f"{metric}{selector}")
    return samples[0].value if samples else None


def publish(cluster: ClusterUnderTest, count: int) -> None:
    body = {
        "routing_key": KEY,
        "payload": "-",
        "payload_encoding": "string",
        "properties": {"delivery_mode": 2},
    }
    for _ in range(count):
        assert cluster.management.post("exchanges", VHOST, EXCHANGE, "publish", body=body) == {"routed": True}


@pytest.mark.full  # test_lag holds it against the ledger
def test_age_of_the_oldest_message_follows_the_clock_and_ends_with_the_queue(
    cluster: ClusterUnderTest,
) -> None:
    cluster.purge()
    cluster.wait_for(lambda: value(cluster, names.AGE.name) == 0, "the queue to be known as empty", 60)
    publish(cluster, 20)
    began = time.monotonic()
    off: list[float] = []

    def old_enough() -> bool:
        age, true_age = value(cluster, names.AGE.name), time.monotonic() - began
        if age:
            off.append(abs(age - true_age))
        return true_age > 30 and bool(age)

    cluster.wait_for(old_enough, "an age of messages that nobody takes", 60)
    assert off[-1] <= 10, off  # the broker refreshes every 5 s, Prometheus asks every 5 s
    assert value(cluster, names.ARRIVALS_SOURCE.name, SELECTOR[:-1] + ',source="published"}') == 1
    cluster.purge()
    cluster.wait_for(lambda: value(cluster, names.AGE.name) == 0, "the age to end with the queue", 60)


def test_members_and_leader_are_those_of_the_management_api(cluster: ClusterUnderTest) -> None:
    queue = cluster.management.queue(VHOST, QUEUE)
    assert queue.leader is not None
    leader = queue.leader.partition("@")[2]
    cluster.wait_for(
        lambda: value(cluster, names.LEADER.name, SELECTOR[:-1] + f',leader="{leader}"}}') == 1,
        "the leader to be told",
        60,
    )
    assert value(cluster, names.MEMBERS.name) == len(cluster.topology.nodes)
    assert value(cluster, names.ONLINE.name) == len(cluster.topology.nodes)


# A frozen node keeps the others silent about queues until the net tick is over: minutes, so not in every run.
@pytest.mark.parametrize("fault", ["kill", pytest.param("pause", marks=pytest.mark.full)])
def test_scrapes_go_on_without_one_node(cluster: ClusterUnderTest, fault: str) -> None:
    """The exporter asks the first node first; frozen, that one accepts connections and says nothing."""
    node = cluster.topology.nodes[0].name
    done = cluster.warren(["chaos", fault, node])
    assert done.returncode == 0, done.stderr
    silent = f'{{member="{node}"}}'
    cluster.wait_for(
        lambda: value(cluster, names.NODE_UP.name, silent) == 0, "the exporter to miss the node", 60
    )
    if fault == "kill":
        running = len(cluster.topology.nodes) - 1
        cluster.wait_for(
            lambda: value(cluster, names.ONLINE.name) == running, "the member that is away to be missed", 90
        )
    assert cluster.prometheus('min_over_time(up{job="exporter"}[20s])')[0].value == 1
    assert cluster.prometheus(f"max_over_time({names.SCRAPE_DURATION.name}[20s])")[0].value < 4
    other = f'{{member="{cluster.topology.nodes[1].name}"}}'
    assert value(cluster, names.NODE_UP.name, other) == 1
    # While a node is frozen the broker tells no queue's length, until net tick time is over.
    cluster.wait_for(lambda: value(cluster, names.READY.name) is not None, "lag to be measured again", 150)
    healed = cluster.warren(["chaos", "heal"], timeout_s=300)
    assert healed.returncode == 0, healed.stderr
    cluster.wait_for(
        lambda: value(cluster, names.NODE_UP.name, silent) == 1, "the node to be seen again", 120
    )


def test_the_exporter_answers_nobody_without_a_certificate(cluster: ClusterUnderTest) -> None:
    authority = cluster.state.pki / "cluster-ca.pem"
    context = ssl.create_default_context(cafile=str(authority))
    port = cluster.topology.published("exporter")
    with pytest.raises((urllib.error.URLError, OSError)):
        urllib.request.urlopen(f"https://localhost:{port}/-/healthy", context=context, timeout=5)
