"""The long-term store for real: it gets what Prometheus has and keeps it, and boards find it there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from dashboards import build
from dashboards.resolve import resolve
from warren import secrets
from warren.errors import BadInputError, NotReadyError
from warren.prometheus import PrometheusClient

from .causes_of_stores import kept_for_long
from .conftest import ClusterUnderTest
from .provoking import container, docker

#: Rates need some scrapes of fifteen seconds, some jobs ask once a minute, and the store holds back fifteen.
_DEADLINE_S = 240.0
#: What is asked of both is asked of a moment of which the store has all.
_AGO_S = 40.0
pytestmark = [pytest.mark.full, pytest.mark.timeout(2400)]


class Store:
    """The store as `PrometheusClient` sees it, and what of it is asked otherwise."""

    def __init__(self, cluster: ClusterUnderTest) -> None:
        self.url = f"https://127.0.0.1:{cluster.topology.published('victoriametrics')}"
        self.password = cluster.context.secrets.read(secrets.VICTORIAMETRICS_WEB)
        self.ca = cluster.context.cluster_ca
        self.client = PrometheusClient(self.url, user="victoriametrics", password=self.password, ca=self.ca)

    def status(self, path: str, *, password: str | None) -> int:
        """What the store answers to ``path``, with a password or with no account at all."""
        pool = urllib3.PoolManager(cert_reqs="CERT_REQUIRED", ca_certs=str(self.ca), retries=False)
        headers = urllib3.make_headers(basic_auth=f"victoriametrics:{password}") if password else {}
        return int(pool.request("GET", f"{self.url}{path}", headers=headers).status)

    def has(self, expression: str) -> bool:
        """Whether the store finds something; not while it starts."""
        try:
            return bool(self.client.query(expression))
        except NotReadyError:
            return False


def expect(cluster: ClusterUnderTest, store: Store, expression: str) -> None:
    cluster.wait_for(lambda: store.has(expression), f"the store to find {expression}", _DEADLINE_S)


@pytest.fixture(scope="module")
def kept(cluster_session: ClusterUnderTest) -> Iterator[Path]:
    """The topology with a long-term store, brought up once for the tests of this file."""
    cluster_session.wait_ready()
    with kept_for_long(cluster_session) as path:
        yield path


@pytest.fixture
def store(cluster: ClusterUnderTest, kept: Path) -> Store:
    return Store(cluster)


def test_nobody_reads_it_without_the_password(store: Store) -> None:
    for path in ("/api/v1/query?query=up", "/metrics", "/flags", "/vmui/", "/internal/force_flush"):
        assert store.status(path, password=None) == 401, path
        assert store.status(path, password="not this one") == 401, path
    assert store.status("/api/v1/query?query=up", password=store.password) == 200
    assert store.status("/health", password=None) == 200, "which says nothing but that it runs"


def test_it_gets_what_is_scraped_recorded_and_alerted_on(cluster: ClusterUnderTest, store: Store) -> None:
    name, nodes = cluster.topology.cluster, len(cluster.topology.nodes)
    labels = f'cluster="{name}",site="lab"'
    for wanted in (
        f'count(up{{job="rabbitmq",{labels}}}) == {nodes}',
        f"count(rabbitmq_detailed_queue_messages_ready{{{labels}}}) > 0",
        f'count({{__name__=~"cluster_vhost_queue:.+",{labels}}}) > 0',
        f'warren_objective_depth{{{labels},queue="orders.work"}}',
        f'up{{job="victoriametrics",{labels}}} == 1',
    ):
        expect(cluster, store, wanted)
    assert store.client.query('count({site!="lab"})') == [], "all carry the external label"


def test_every_query_of_the_boards_finds_there_what_it_finds_in_prometheus(
    cluster: ClusterUnderTest, store: Store
) -> None:
    # A minute back and no further: of what was before it the store has nothing.
    values = {"cluster": cluster.topology.cluster, "job": "rabbitmq", "__range": "1m"}
    values |= dict.fromkeys(("node", "vhost", "queue", "profile", "run"), ".+")
    asked = {
        resolve(query.expr, values): f"{board.uid}: {panel.title}"
        for board in build.boards()
        for panel in board.panels
        for query in panel.queries
    }
    last: list[str] = ["never asked"]

    def missing() -> Iterator[str]:
        at = f"{time.time() - _AGO_S}"
        for expression, where in asked.items():
            here = cluster.context.prometheus.get("query", query=expression, time=at)["result"]
            try:
                there = store.client.get("query", query=expression, time=at)["result"]
            except BadInputError as error:
                yield f"{where}: refused: {error.what}"
                continue
            if here and not there:
                yield f"{where}: {len(here)} in Prometheus, none there: {expression}"

    def whole() -> bool:
        nonlocal last
        last = list(missing())
        return not last

    try:
        cluster.wait_for(whole, "every query to find there what it finds in Prometheus", _DEADLINE_S)
    except Exception as error:
        raise AssertionError("\n".join(last)) from error


def test_it_has_what_it_had_after_a_restart(cluster: ClusterUnderTest, store: Store) -> None:
    early = 'count_over_time(up{job="rabbitmq"}[1h]) > 10'
    expect(cluster, store, early)
    docker(cluster, "restart", "--time", "10", container(cluster, "victoriametrics"))
    expect(cluster, store, early)


def test_the_cluster_is_verified_with_it_and_its_log_can_be_read(
    cluster: ClusterUnderTest, kept: Path, store: Store
) -> None:
    """Rights, limits and published ports of its container, and no secret in its arguments."""
    done = cluster.warren(["cluster", "verify", "--topology", str(kept)], timeout_s=300)
    assert done.returncode == 0, done.stdout + done.stderr
    logs = cluster.warren(["cluster", "logs", "victoriametrics", "--topology", str(kept), "--lines", "500"])
    assert logs.returncode == 0, logs.stderr
    assert store.password not in logs.stdout
