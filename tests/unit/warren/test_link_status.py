"""The state of links: what the broker says (rows as 4.3.6's own code makes them) and what is then tried."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from warren.errors import NotReadyError
from warren.links import cli, page, wiring
from warren.links.status import LinkState, ask, judge
from warren.management import NotFoundError
from warren.topology import Topology

from . import linked

Data = dict[str, Any]
NODE = "rabbit@rmq2"


class Api:
    """The part of the management API that is asked; None is the table of a plugin that is not enabled."""

    def __init__(self) -> None:
        self.shovels: list[Data] | None = [
            {
                "node": NODE, "timestamp": "2026-11-29 00:10:00", "name": "audit-out", "vhost": "/orders",
                "type": "dynamic", "state": "running", "blocked_status": "running",
                "src_uri": "amqp:///%2Forders", "dest_uri": "amqps://links:5700/%2Finbox", "forwarded": 17,
            }
        ]  # fmt: skip
        shared = {"node": NODE, "vhost": "/orders", "timestamp": "2026-11-29 00:10:00", "status": "running"}
        self.federations: list[Data] | None = [
            {**shared, "exchange": "orders.events", "upstream": "events-in", "type": "exchange"},
            {**shared, "queue": "orders.work", "upstream": "work-in", "type": "queue"},
        ]
        self.parameters = [
            {"component": "shovel", "vhost": "/orders", "name": "audit-out"},
            {"component": "federation-upstream", "vhost": "/orders", "name": "events-in"},
            {"component": "federation-upstream", "vhost": "/orders", "name": "work-in"},
        ]

    def rows(self, *path: str) -> list[Data]:
        if path[0] == "parameters":
            return [row for row in self.parameters if row["component"] == path[1]]
        table = self.shovels if path == ("shovels",) else self.federations
        if table is None:
            raise NotFoundError("/api/" + path[0], "not found", status=404)
        return table


@pytest.fixture
def topology(data: Data, tmp_path: Path) -> Topology:
    data["links"] = linked.links(linked.SHOVEL, federation=(linked.EVENTS, linked.WORK))
    return linked.read(tmp_path, data, linked.far(data))


def test_links_that_run_say_where_and_since_when(topology: Topology) -> None:
    found = judge(topology, ask(Api(), topology))
    assert [(each.name, each.state, each.node) for each in found] == [
        ("audit-out", LinkState.RUNNING, NODE),
        ("events-in", LinkState.RUNNING, NODE),
        ("work-in", LinkState.RUNNING, NODE),
    ]
    text = page.status_text(found)
    assert "audit-out  running   queue orders.audit in /orders -> queue inbox.audit of far  on rmq2" in text
    assert text.endswith("3 of 3 links run")


def shovel(**row: Any) -> Data:
    base = {"node": NODE, "timestamp": "2026-11-29 00:11:00", "name": "audit-out", "vhost": "/orders"}
    return {**base, **row}


REASONS: dict[str, tuple[Data, LinkState, str]] = {
    "it cannot connect": (
        shovel(state="terminated", reason='"failed to connect to destination"'),
        LinkState.DOWN,
        "is far up? WARREN_TOPOLOGY=far.yml warren cluster status",
    ),
    "another password": (
        shovel(state="terminated", reason='{auth_failure,"ACCESS_REFUSED - Login was refused"}'),
        LinkState.DOWN,
        "is the password there another one, or a right missing? warren topology plan, then apply",
    ),
    "another authority": (
        shovel(state="terminated", reason="{tls_alert,{unknown_ca,...}}"),
        LinkState.DOWN,
        "give nodes the other's authority and certificate as they are now: make cluster-up",
    ),
    "a queue that is gone": (
        shovel(state="terminated", reason='"failed to set up topology"'),
        LinkState.DOWN,
        "are both ends there? warren topology check, then plan at either",
    ),
    "an alarm there": (
        shovel(state="blocked"),
        LinkState.BLOCKED,
        "look for an alarm at far: WARREN_TOPOLOGY=far.yml warren cluster status",
    ),
    "it begins": (shovel(state="starting"), LinkState.STARTING, "is far up? WARREN_TOPOLOGY=far.yml"),
}


@pytest.mark.parametrize(("row", "state", "remedy"), REASONS.values(), ids=REASONS)
def test_a_link_that_does_not_run_says_what_to_try(
    row: Data, state: LinkState, remedy: str, topology: Topology
) -> None:
    api = Api()
    api.shovels = [row]
    found = judge(topology, ask(api, topology))[0]
    assert found.state is state
    assert found.remedy.startswith(remedy)
    assert "try: " in page.status_text([found])


def test_a_shovel_that_is_slowed_down_by_the_other_side_runs(topology: Topology) -> None:
    api = Api()
    api.shovels = [shovel(state="flow")]
    assert judge(topology, ask(api, topology))[0].runs


def test_of_several_nodes_the_one_that_runs_it_counts(topology: Topology) -> None:
    api = Api()
    old = shovel(node="rabbit@rmq1", state="terminated", reason="shutdown", timestamp="2026-11-29 09:00:00")
    api.shovels = [old, shovel(state="running")]
    assert judge(topology, ask(api, topology))[0].node == NODE


def test_what_no_node_runs_and_what_was_never_applied_are_told_apart(topology: Topology) -> None:
    api = Api()
    api.shovels = []
    found = judge(topology, ask(api, topology))[0]
    assert (found.state, found.reason) == (LinkState.ABSENT, "no node runs it")
    api.parameters = api.parameters[1:]
    found = judge(topology, ask(api, topology))[0]
    assert (found.reason, found.remedy) == ("the broker has no such link", "warren topology apply")


def test_a_plugin_that_is_not_enabled_is_told(topology: Topology) -> None:
    api = Api()
    api.federations = None
    found = judge(topology, ask(api, topology))
    assert found[0].runs
    assert found[1].reason == "the plugin that runs it is not enabled"
    assert "make cluster-down cluster-up" in found[1].remedy


def test_a_relay_without_a_way_is_told_before_anything_else(topology: Topology) -> None:
    api = Api()
    api.shovels = [shovel(state="terminated", reason='"failed to connect to destination"')]
    found = judge(topology, ask(api, topology), unreached=["far"])[0]
    assert found.remedy == "have a way to cluster 'far' again, once it is up: make cluster-up"


def test_a_reason_with_a_uri_shows_no_password(topology: Topology) -> None:
    api = Api()
    api.shovels = [shovel(state="terminated", reason="{error, amqps://link:hunter2@links:5700/x}")]
    found = judge(topology, ask(api, topology))[0]
    assert "hunter2" not in json.dumps(found.as_result())
    assert "amqps://link:***@links:5700" in found.reason


def test_the_command_exits_1_while_a_link_is_down(
    topology: Topology, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    api = Api()
    monkeypatch.setattr(cli.options, "context", lambda _: None)
    monkeypatch.setattr(wiring, "statuses", lambda _: judge(topology, ask(api, topology)))
    out = tmp_path / "out.json"
    done = CliRunner().invoke(cli.links, ["status", "--json", str(out)], standalone_mode=False)
    assert (done.return_value, done.exception) == (0, None)
    api.shovels = []
    done = CliRunner().invoke(cli.links, ["status", "--json", str(out)], standalone_mode=False)
    assert done.return_value == 1
    assert json.loads(out.read_text())["links"][0]["state"] == "absent"


def test_without_links_nobody_is_asked(deployed: Topology) -> None:
    class Context:
        topology = deployed

    assert wiring.statuses(Context()) == ()  # type: ignore[arg-type]
    assert page.status_text(()) == "the topology links to no other cluster"


def test_a_broker_that_does_not_answer_is_no_state(topology: Topology) -> None:
    class Gone:
        def rows(self, *path: str) -> list[Data]:
            raise NotReadyError("/".join(path), "no connection")

    with pytest.raises(NotReadyError):
        ask(Gone(), topology)
