"""Between which queues a link is proven, and that nobody else's messages come into it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from warren.context import Context, open_context
from warren.errors import BadInputError, RefusedError
from warren.links import wiring
from warren.management_facts import QueueInfo, queue
from warren.wait import Clock

from . import linked

Data = dict[str, Any]
IN: Data = {
    "name": "reports-in",
    "from": {"remote": "far", "queue": "inbox.work"},
    "to": {"vhost": "/users", "exchange": "users.direct", "routing_key": "user.report"},
}


@dataclass
class Management:
    """Queues of one cluster: all empty and unused, but for those that are said to be otherwise."""

    rows: dict[str, Data] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def queue(self, vhost: str, name: str) -> QueueInfo:
        self.asked.append(name)
        return queue({"vhost": vhost, "name": name, "type": "quorum", **self.rows.get(name, {})})


@dataclass
class Clusters:
    near: Context
    far: Management
    here: Management


@pytest.fixture
def clusters(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clusters:
    data["links"] = linked.links(linked.SHOVEL, IN, federation=(linked.EVENTS,))
    path = linked.write(tmp_path, data, linked.far(data))
    env = {"WARREN_STATE": str(tmp_path / "states")}
    time = [0.0]

    def sleep(seconds: float) -> None:
        time[0] += seconds

    near = replace(
        open_context(lambda _: None, topology_path=path, env=env), clock=Clock(lambda: time[0], sleep)
    )
    found = Clusters(near=near, far=Management(), here=Management())
    near.__dict__["management"] = found.here
    opened = wiring.far_context

    def far_context(context: Context, link: Any) -> Context:
        other = opened(context, link)
        other.__dict__["management"] = found.far
        return other

    monkeypatch.setattr(wiring, "far_context", far_context)
    return found


def proof(clusters: Clusters, name: str, key: str = "any") -> wiring.Ends:
    return wiring.proof(clusters.near, name, rate=1, duration_s=1, drain_s=1, key=key).ends


def places(desks: Any) -> list[tuple[str, str, str]]:
    return [(each.context.topology.cluster, each.vhost, each.queue) for each in desks]


def test_a_shovel_is_fed_at_its_queue_and_read_where_it_delivers(clusters: Clusters) -> None:
    ends = proof(clusters, "audit-out")
    assert (ends.exchange, ends.key, ends.beside) == ("", "orders.audit", [])
    assert places([ends.source]) == [("warren", "/orders", "orders.audit")]
    assert places(ends.targets) == [("far", "/inbox", "inbox.audit")]


def test_a_shovel_into_an_exchange_is_read_behind_it(clusters: Clusters) -> None:
    ends = proof(clusters, "reports-in")
    assert places([ends.source]) == [("far", "/inbox", "inbox.work")]
    assert places(ends.targets) == [("warren", "/users", "users.report")]


def test_a_federated_exchange_is_fed_upstream_and_read_in_every_queue_here(clusters: Clusters) -> None:
    ends = proof(clusters, "events-in")
    assert (ends.exchange, ends.key) == ("inbox.events", "any")
    assert places(ends.targets) == [
        ("warren", "/orders", "orders.analytics"),
        ("warren", "/orders", "orders.notifications"),
    ]
    clusters.far.rows["federation: inbox.events -> warren:/orders:orders.events"] = {
        "messages_ready": 3,
        "messages_unacknowledged": 2,
    }
    assert ends.waiting() == 5, "in the queue that federation has at the upstream"


@pytest.mark.parametrize(
    ("name", "side", "row", "told"),
    [
        (
            "audit-out",
            "far",
            {"inbox.audit": {"messages": 4}},
            "inbox.audit in /inbox of far: holds 4 messages",
        ),
        (
            "audit-out",
            "far",
            {"inbox.audit": {"consumers": 2}},
            "inbox.audit in /inbox of far: has 2 consumers",
        ),
        (
            "audit-out",
            "here",
            {"orders.audit": {"messages": 1}},
            "orders.audit in /orders of warren: holds 1",
        ),
        (
            "events-in",
            "here",
            {"orders.analytics": {"consumers": 1}},
            "orders.analytics in /orders of warren",
        ),
    ],
)
def test_a_link_that_others_use_is_refused(
    *, name: str, side: str, row: dict[str, Data], told: str, clusters: Clusters
) -> None:
    getattr(clusters, side).rows.update(row)
    with pytest.raises(RefusedError) as caught:
        proof(clusters, name)
    assert told in str(caught.value)


def test_the_links_own_consumer_is_nobody_else(clusters: Clusters) -> None:
    clusters.here.rows["orders.audit"] = {"consumers": 1}
    assert proof(clusters, "audit-out")


def test_figures_of_a_moment_ago_are_not_believed_at_once(clusters: Clusters) -> None:
    clusters.far.rows["inbox.audit"] = {"messages": 4}
    asked = clusters.far.queue

    def emptied(vhost: str, name: str) -> QueueInfo:
        if len(clusters.far.asked) > 3:
            clusters.far.rows.clear()
        return asked(vhost, name)

    clusters.far.queue = emptied  # type: ignore[method-assign]
    assert proof(clusters, "audit-out")


def test_a_key_that_leads_nowhere_is_refused(clusters: Clusters, tmp_path: Path) -> None:
    text = (tmp_path / "near.yml").read_text()
    (tmp_path / "near.yml").write_text(
        text.replace("exchange: orders.events\n    name", "exchange: orders.topic\n    name")
    )
    topology = clusters.near.topology
    link = topology.links.federations[0]
    moved = replace(link, target=replace(link.target, exchange="orders.topic"))
    near = replace(
        clusters.near, topology=replace(topology, links=replace(topology.links, federations=(moved,)))
    )
    near.__dict__["management"] = clusters.here
    with pytest.raises(BadInputError, match="reaches no queue behind exchange"):
        wiring.proof(near, "events-in", rate=1, duration_s=1, drain_s=1, key="nothing")
    assert wiring.proof(near, "events-in", rate=1, duration_s=1, drain_s=1, key="order.x").ends.targets


def test_a_link_to_hosts_that_no_topology_describes_cannot_be_proven_from_here(
    data: Data, tmp_path: Path
) -> None:
    shovel = {**linked.SHOVEL, "to": {"remote": "site", "queue": "inbox"}}
    data["links"] = linked.links(shovel, remotes=(linked.SITE,))
    path = linked.write(tmp_path, data, linked.far(data))
    near = open_context(lambda _: None, topology_path=path, env={"WARREN_STATE": str(tmp_path / "states")})
    with pytest.raises(RefusedError, match="is described by no topology"):
        wiring.proof(near, "audit-out", rate=1, duration_s=1, drain_s=1, key="x")
