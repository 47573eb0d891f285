"""Links as objects of the broker: what is planned, compared and written; no password is ever told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from warren import definitions
from warren.drift.compare import compare
from warren.drift.model import DriftKind
from warren.drift.reading import Answers
from warren.errors import NotReadyError, RefusedError
from warren.links import addresses
from warren.management import NotFoundError, RejectedError
from warren.objects.comparing import password_key
from warren.objects.found import from_definitions
from warren.plan import Action, Kind, Plan, apply, plan, read_actual
from warren.provision.objects import outcome
from warren.topology import Topology

from . import linked
from .test_plan import FakeBroker, passwords

Data = dict[str, Any]
#: With all that has a meaning in a URI.
SECRET = "hunter2@/:?#%&+"
LINKED = (Kind.PARAMETER, Kind.POLICY)


@pytest.fixture
def topology(data: Data, tmp_path: Path) -> Topology:
    """The deployed one with a shovel, a federated exchange and a federated queue."""
    data["links"] = linked.links(linked.SHOVEL, federation=(linked.EVENTS, linked.WORK))
    return linked.read(tmp_path, data, linked.far(data))


@pytest.fixture
def broker(deployed: Topology) -> FakeBroker:
    """As it was before anybody linked anything."""
    hashes = definitions.password_hashes(passwords(deployed))
    return FakeBroker(definitions.document(deployed, hashes))


def known(topology: Topology, secret: str = SECRET) -> dict[str, str]:
    return {**passwords(topology), password_key("far"): secret}


def planned(topology: Topology, broker: FakeBroker, secret: str = SECRET) -> Plan:
    return plan(topology, read_actual(broker), known(topology, secret))  # type: ignore[arg-type]


def applied(topology: Topology, broker: FakeBroker, *, prune: bool = False) -> list[str]:
    said: list[str] = []
    apply(planned(topology, broker), broker, say=said.append, prune=prune)  # type: ignore[arg-type]
    return said


def test_links_are_added_once_and_then_as_the_topology_says(topology: Topology, broker: FakeBroker) -> None:
    first = planned(topology, broker)
    assert [(step.action, step.target.title) for step in first.steps] == [
        (Action.ADD, "policy link-events-in in /orders"),
        (Action.ADD, "policy link-work-in in /orders"),
        (Action.ADD, "federation upstream events-in in /orders"),
        (Action.ADD, "federation upstream work-in in /orders"),
        (Action.ADD, "shovel audit-out in /orders"),
    ]
    applied(topology, broker)
    assert not planned(topology, broker)
    assert not plan(topology, read_actual(broker), None), "and to whoever knows no password"  # type: ignore[arg-type]


def test_what_the_broker_gets_has_the_password_in_each_uri(topology: Topology, broker: FakeBroker) -> None:
    applied(topology, broker)
    shovel = broker.row("parameters", component="shovel", name="audit-out")["value"]
    assert shovel["src-uri"] == "amqp:///%2Forders"
    assert shovel["dest-uri"] == [
        "amqps://link:hunter2%40%2F%3A%3F%23%25%26%2B@links:5700/%2Finbox"
        "?cacertfile=/etc/rabbitmq/tls/link-far-ca.pem&certfile=/etc/rabbitmq/tls/link-far.pem"
        "&keyfile=/etc/rabbitmq/tls/link-far.key&verify=verify_peer&server_name_indication=rmq1"
        "&heartbeat=20&connection_timeout=10000"
    ]
    assert (shovel["ack-mode"], shovel["dest-queue"], shovel["src-queue"]) == (
        "on-confirm",
        "inbox.audit",
        "orders.audit",
    )
    assert (shovel["dest-predeclared"], shovel["src-predeclared"]) == (True, True)
    events = broker.row("parameters", component="federation-upstream", name="events-in")["value"]
    assert (events["queue-type"], events["resource-cleanup-mode"], events["max-hops"]) == (
        "quorum",
        "never",
        1,
    )
    assert (events["exchange"], "queue" in events) == ("inbox.events", False)


def test_a_federated_queue_keeps_what_its_policy_says(topology: Topology, broker: FakeBroker) -> None:
    """Of two policies that match, the broker heeds one alone."""
    applied(topology, broker)
    policy = broker.row("policies", vhost="/orders", name="link-work-in")
    under = broker.row("policies", vhost="/orders", name="orders-work")
    assert policy["definition"] == {**under["definition"], "federation-upstream": "work-in"}
    assert policy["priority"] > under["priority"]
    assert re.search(policy["pattern"], "orders.work")
    assert not re.search(policy["pattern"], "orders.work2")
    assert broker.row("policies", name="link-events-in")["apply-to"] == "exchanges"


def test_no_password_is_told_by_plan_result_diff_or_progress(topology: Topology, broker: FakeBroker) -> None:
    first = planned(topology, broker)
    told = [repr(first), json.dumps(first.as_result()), *applied(topology, broker)]
    shown = outcome(first, prune=False, recreate=False)
    told += [shown.before, shown.after, json.dumps(shown.as_result())]
    changed = planned(topology, broker, "another-password")
    told += [repr(changed), json.dumps(changed.as_result()), *(step.line for step in changed.steps)]
    told.append(repr(read_actual(broker)))  # type: ignore[arg-type]
    for text in told:
        for secret in ("hunter2", "another-password"):
            assert secret not in text


def test_another_password_is_a_change_that_names_none(topology: Topology, broker: FakeBroker) -> None:
    applied(topology, broker)
    changed = planned(topology, broker, "another")
    assert [step.line for step in changed.steps][-1] == (
        "change   shovel audit-out in /orders  [password: another -> the one in the state folder]"
    )
    assert len(changed.steps) == 3
    apply(changed, broker, say=lambda _: None)  # type: ignore[arg-type]
    assert not planned(topology, broker, "another")


EDITS: list[tuple[str, str, Any, str]] = [
    ("shovel", "ack-mode", "no-ack", "ack-mode: no-ack -> on-confirm"),
    ("shovel", "src-prefetch-count", 5, "src-prefetch-count: 5 -> 1000"),
    ("shovel", "dest-uri", "amqp://link:x@elsewhere", "dest-uri: amqp://link@elsewhere -> ["),
    ("federation-upstream", "resource-cleanup-mode", "default", "resource-cleanup-mode: default -> never"),
]


@pytest.mark.parametrize(("component", "key", "value", "told"), EDITS, ids=[each[1] for each in EDITS])
def test_what_was_changed_by_hand_is_seen_and_put_right(
    *, component: str, key: str, value: Any, told: str, topology: Topology, broker: FakeBroker
) -> None:
    applied(topology, broker)
    row = next(each for each in broker.tables["parameters"] if each["component"] == component)
    row["value"][key] = value
    assert told in planned(topology, broker).steps[0].line
    applied(topology, broker)
    assert not planned(topology, broker)


def test_a_link_that_nobody_asks_for_goes_when_pruned_only(
    topology: Topology, deployed: Topology, broker: FakeBroker
) -> None:
    applied(topology, broker)
    left = plan(deployed, read_actual(broker), passwords(deployed))  # type: ignore[arg-type]
    assert {step.action for step in left.steps} == {Action.EXTRA}
    assert [step.target.kind for step in left.steps][:3] == [Kind.PARAMETER] * 3, "links before policies"
    apply(left, broker, say=lambda _: None)  # type: ignore[arg-type]
    assert len(broker.tables["parameters"]) == 3
    apply(left, broker, say=lambda _: None, prune=True)  # type: ignore[arg-type]
    assert not broker.tables["parameters"]


def test_what_federation_made_at_the_upstream_is_nobodys_extra(
    deployed: Topology, broker: FakeBroker
) -> None:
    name = "federation: orders.events -> far"
    broker._queue(
        "/orders", name, {"arguments": {"x-queue-type": "quorum"}, "durable": True, "auto_delete": False}
    )
    exchange = {"vhost": "/orders", "name": f"{name} A", "type": "x-federation-upstream", "internal": True}
    broker.tables["exchanges"].append(exchange)
    binding = {"vhost": "/orders", "source": f"{name} A", "destination": name, "destination_type": "queue"}
    broker.tables["bindings"].append({**binding, "routing_key": "", "arguments": {}})
    assert not plan(deployed, read_actual(broker), passwords(deployed))  # type: ignore[arg-type]


def test_a_remote_without_a_password_is_named(topology: Topology, broker: FakeBroker) -> None:
    with pytest.raises(NotReadyError, match="no password for link:far"):
        plan(topology, read_actual(broker), passwords(topology))  # type: ignore[arg-type]


def test_a_refusal_of_the_broker_is_told_without_the_password(topology: Topology, broker: FakeBroker) -> None:
    put = broker.put

    def refuse(kind: str, *path: str, body: dict[str, Any]) -> None:
        if kind == "parameters":
            uri = str(body["value"].get("dest-uri") or body["value"]["uri"])
            raise RejectedError("PUT", f'the broker refuses this: "{uri[:60]}…" not a valid URI', status=400)
        put(kind, *path, body=body)

    broker.put = refuse  # type: ignore[method-assign]
    with pytest.raises(NotReadyError) as caught:
        applied(topology, broker)
    assert "hunter2" not in str(caught.value)
    assert "not a valid URI" in str(caught.value)
    assert "warren topology diff" in str(caught.value)


@pytest.mark.parametrize("path", ["shovels", "federation-links"])
def test_without_its_plugin_nothing_at_all_is_written(
    path: str, topology: Topology, broker: FakeBroker
) -> None:
    rows = broker.rows

    def without(*asked: str) -> list[Data]:
        if asked == (path,):
            raise NotFoundError(path, "not found", status=404)
        return rows(*asked)

    broker.rows = without  # type: ignore[method-assign]
    with pytest.raises(RefusedError, match="run without the plugins") as caught:
        applied(topology, broker)
    assert broker.writes == []
    assert "make cluster-down cluster-up" in str(caught.value)


def test_drift_tells_a_strange_shovel_and_a_changed_one_as_parameters(
    topology: Topology, broker: FakeBroker
) -> None:
    applied(topology, broker)
    strange = {
        "component": "shovel",
        "vhost": "/orders",
        "name": "away",
        "value": {"src-uri": "amqp://u:hunter2@h"},
    }
    broker.tables["parameters"].append(strange)
    broker.row("parameters", name="audit-out")["value"]["ack-mode"] = "no-ack"
    tables = {name: broker.rows(name) for name in broker.tables}
    answers = Answers(user="operator", tables=tables, overview={}, unread={})
    report = compare(topology, answers, passwords=known(topology), kinds=[DriftKind.PARAMETER])
    assert [each.line for each in report.differences] == [
        "shovel away in /orders: there, and nobody asked for it",
        "shovel audit-out in /orders: ack-mode is no-ack, wanted on-confirm",
    ]
    assert "hunter2" not in repr(report)


def test_an_export_with_links_is_read_like_the_broker(topology: Topology, broker: FakeBroker) -> None:
    applied(topology, broker)
    document = {name.replace("-", "_"): broker.rows(name) for name in broker.tables}
    there = from_definitions(document)
    assert {one.title for one in there.objects.values() if one.kind is Kind.PARAMETER} == {
        "shovel audit-out in /orders",
        "federation upstream events-in in /orders",
        "federation upstream work-in in /orders",
    }
    assert "hunter2" not in repr(there)


URIS: list[tuple[str, str, str]] = [
    (
        "amqps://link:a%40b@h:5671/%2Fx?verify=verify_peer",
        "amqps://link@h:5671/%2Fx?verify=verify_peer",
        "a@b",
    ),
    ("amqps://link@h/%2F", "amqps://link@h/%2F", ""),
    ("amqp:///%2Forders", "amqp:///%2Forders", ""),
    ("amqp://", "amqp://", ""),
    (
        "amqps://l:p@h/%2F?keyfile=k&password=s3cret&depth=2",
        "amqps://l@h/%2F?keyfile=k&password=***&depth=2",
        "p",
    ),
    ("AMQPS://l:p:q@h", "AMQPS://l@h", "p:q"),
    ("amqps://l:p@q@h/v", "amqps://l@h/v", "p@q"),
    ("amqps://:p@h", "amqps://@h", "p"),
]


@pytest.mark.parametrize(("uri", "bare", "secret"), URIS, ids=[each[0] for each in URIS])
def test_a_uri_is_parted_from_its_password(uri: str, bare: str, secret: str) -> None:
    assert addresses.parted(uri) == (bare, secret)


@pytest.mark.parametrize("make", [addresses.with_password])
def test_what_is_put_together_comes_apart_again(make: Callable[[str, str], str]) -> None:
    uri = "amqps://link@h:5671/%2F?verify=verify_peer"
    assert addresses.parted(make(uri, SECRET)) == (uri, SECRET)
    assert make("amqp:///%2Forders", SECRET) == "amqp:///%2Forders"
