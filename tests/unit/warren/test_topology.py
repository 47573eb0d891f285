"""The topology file: how it is read, and that each kind of bad input names file, key path, reason, remedy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck as Health
from hypothesis import given, settings
from hypothesis import strategies as st

from warren.errors import BadInputError, BadInputsError
from warren.routing import dead_letter_targets
from warren.topology import Shares, Topology
from warren.topology_reader import LATENCY_BOUNDS_S, load, loads

Reader = Callable[[dict[str, Any]], Topology]
Edit = Callable[[dict[str, Any]], object]


def _refused(read: Reader, data: dict[str, Any]) -> list[BadInputError]:
    with pytest.raises(BadInputsError) as raised:
        read(data)
    assert raised.value.exit_code == 2
    return list(raised.value.faults)


def _orders(data: dict[str, Any]) -> dict[str, Any]:
    return next(vhost for vhost in data["vhosts"] if vhost["name"] == "/orders")


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


def test_deployed_topology_has_no_fault(checkout_root: Path) -> None:
    topology = load(checkout_root / "deploy" / "topology.yml")
    assert [node.name for node in topology.nodes] == ["rmq1", "rmq2", "rmq3"]
    assert {vhost.name for vhost in topology.vhosts} == {"/orders", "/users"}
    assert all(queue.type == "quorum" for vhost in topology.vhosts for queue in vhost.queues)


def test_nothing_need_be_promised_and_time_runs_as_it_does(data: dict[str, Any], read: Reader) -> None:
    del data["objectives"]
    topology = read(data)
    assert topology.shares == Shares(confirm_success=None, end_to_end=None, end_to_end_s=None, lag=None)
    assert topology.time_scale == 1
    assert topology.receivers_file == ""


def test_latencies_that_may_be_promised_are_those_that_the_canary_counts() -> None:
    tally = pytest.importorskip("exporters.canary.tally", reason="there is no canary yet")
    assert tally.BOUNDS_S == LATENCY_BOUNDS_S


def test_published_ports_stand_apart(deployed: Topology) -> None:
    services = [
        deployed.published(name)
        for name in (
            "prometheus",
            "alertmanager",
            "grafana",
            "view",
            "exporter",
            "probe",
            "victoriametrics",
        )
    ]
    nodes = [
        deployed.published_node(node.name, port)
        for node in deployed.nodes
        for port in ("amqps", "management", "metrics", "streams")
    ]
    assert len({*services, *nodes}) == len(services) + len(nodes)
    assert deployed.published_node("rmq2", "management") == deployed.base_port + 21
    assert deployed.published_node("rmq2", "streams") == deployed.base_port + 41


def test_without_its_plugin_no_node_has_a_port_for_streams(
    deployed: Topology, data: dict[str, Any], read: Reader
) -> None:
    assert deployed.node_ports[-1] == "streams"
    data["cluster"]["broker"]["plugins"].remove("rabbitmq_stream")
    del data["cluster"]["ports"]["streams"]
    found = read(data)
    assert found.node_ports == ("amqps", "management", "metrics")
    assert found.ports.streams == 5551


def test_queue_is_found_by_name_and_told_apart_by_vhost(deployed: Topology) -> None:
    vhost, queue = deployed.find_queue("/orders:orders.work")
    assert (vhost.name, queue.name) == ("/orders", "orders.work")
    assert deployed.find_queue("users.email")[0].name == "/users"
    with pytest.raises(BadInputError, match="has no queue 'none'") as raised:
        deployed.find_queue("none")
    assert "orders.work" in raised.value.remedy


@pytest.mark.parametrize(
    ("name", "meant"), [("orders.wrk", "orders.work"), ("/users:user.email", "users.email")]
)
def test_queue_that_is_mistyped_gets_the_nearest_name(deployed: Topology, name: str, meant: str) -> None:
    with pytest.raises(BadInputError) as raised:
        deployed.find_queue(name)
    assert raised.value.remedy == f"did you mean '{meant}'?"


def test_name_that_is_not_there_names_those_that_are(deployed: Topology) -> None:
    for find, wanted in ((deployed.vhost, "/orders"), (deployed.node, "rmq1")):
        with pytest.raises(BadInputError) as raised:
            find("none")
        assert wanted in raised.value.remedy


@pytest.mark.parametrize(("version", "refused"), [("4.0.5", True), ("4.2.9", True), ("4.3.0", False)])
def test_setting_that_the_broker_does_not_have_yet_is_told(
    data: dict[str, Any], read: Reader, version: str, refused: bool
) -> None:
    data["cluster"]["broker"]["version"] = version
    data["images"]["rabbitmq"] = f"rabbitmq:{version}"
    read(data)
    _orders(data)["queues"][0]["arguments"] = {"x-delayed-retry-type": "failed"}
    _orders(data)["policies"][0]["definition"]["delayed-retry-min"] = 1000
    if not refused:
        read(data)
        return
    faults = _refused(read, data)
    assert [each.where.rpartition("vhosts[/orders].")[2] for each in faults] == [
        "queues[orders.work].arguments.x-delayed-retry-type",
        "policies[orders-work].definition.delayed-retry-min",
    ]
    assert f"came with RabbitMQ 4.3, and the broker is {version[:3]}" in faults[0].what


@pytest.mark.parametrize(("version", "protects"), [("4.0.5", False), ("4.1.0", True), ("4.3.6", True)])
def test_vhosts_are_protected_from_deletion_where_the_broker_can(
    data: dict[str, Any], read: Reader, version: str, protects: bool
) -> None:
    data["cluster"]["broker"]["version"] = version
    data["images"]["rabbitmq"] = f"rabbitmq:{version}"
    assert {each.protected for each in read(data).vhosts} == {protects}
    _orders(data)["protected"] = True
    if protects:
        read(data)
        return
    (fault,) = _refused(read, data)
    assert fault.where.endswith("vhosts[/orders].protected")
    assert "came with RabbitMQ 4.1" in fault.what


def test_dead_letters_may_go_to_a_queue_by_its_name(data: dict[str, Any], read: Reader) -> None:
    """By the default exchange, which every vhost has: https://www.rabbitmq.com/docs/dlx."""
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "attic"}
    few = {"x-max-length": 10, "x-max-length-bytes": 1000}
    _orders(data)["queues"] += [{"name": "attic"}, {"name": "mine", "arguments": {**arguments, **few}}]
    vhost = read(data).vhost("/orders")
    assert [each.name for each in dead_letter_targets(vhost, vhost.queue("mine"))] == ["attic"]
    _orders(data)["queues"][-1]["arguments"]["x-dead-letter-routing-key"] = "atttic"
    (fault,) = _refused(read, data)
    assert fault.where.endswith("vhosts[/orders].queues[mine]")
    assert "no queue 'atttic'" in fault.what


@pytest.mark.parametrize(
    ("digest", "fits"), [("a" * 64, True), ("a" * 63, False), ("A" * 64, False), ("", False)]
)
def test_image_may_be_given_with_its_digest(
    data: dict[str, Any], read: Reader, digest: str, fits: bool
) -> None:
    data["images"]["rabbitmq"] = f"rabbitmq:{data['cluster']['broker']['version']}@sha256:{digest}"
    if fits:
        assert read(data).images["rabbitmq"] == data["images"]["rabbitmq"]
        return
    (fault,) = _refused(read, data)
    assert fault.where.endswith("images.rabbitmq")
    assert "with the digest" in fault.remedy


def test_disk_limit_is_never_below_the_memory_watermark(deployed: Topology) -> None:
    broker = deployed.broker
    assert broker.disk_free_limit_mib >= broker.memory_limit_mib * broker.memory_watermark


# -- bad input: edit, key path, a part of the reason -------------------------------------------------------

BAD: dict[str, tuple[Edit, str, str]] = {
    "unknown key": (lambda d: d.update(clustre={}), "clustre", "unknown key"),
    "unknown key deep down": (
        lambda d: d["cluster"]["broker"].update(memory_limit=1),
        "cluster.broker.memory_limit",
        "unknown key",
    ),
    "key left out": (lambda d: d["cluster"].pop("name"), "cluster.name", "must be given"),
    # Its state folder would be the one that holds all others: `destroy` would take them along.
    "cluster without a name": (lambda d: d["cluster"].update(name=""), "cluster.name", "must not be empty"),
    "node without a name": (
        lambda d: d["cluster"]["nodes"][0].update(name=""),
        "cluster.nodes[].name",
        "must not be empty",
    ),
    "choice left empty": (
        lambda d: _orders(d)["exchanges"][0].update(type=""),
        "vhosts[/orders].exchanges[orders.direct].type",
        "'' is not known",
    ),
    "retention left empty": (
        lambda d: d["monitoring"].update(retention=""),
        "monitoring.retention",
        "must not be empty",
    ),
    "drift of nobody": (
        lambda d: d["monitoring"].update(drift={"user": ""}),
        "monitoring.drift.user",
        "must not be empty",
    ),
    "node called as a service is": (
        lambda d: d["cluster"]["nodes"][0].update(name="prometheus"),
        "cluster.nodes[prometheus]",
        "'prometheus' is taken",
    ),
    "node called as every machine is to itself": (
        lambda d: d["cluster"]["nodes"][0].update(name="localhost"),
        "cluster.nodes[localhost]",
        "'localhost' is taken",
    ),
    "node that YAML takes for a truth value": (
        lambda d: d["cluster"]["nodes"][0].update(name="no"),
        "cluster.nodes[no]",
        "other than a name",
    ),
    "cluster that YAML takes for nothing": (
        lambda d: d["cluster"].update(name="null"),
        "cluster.name",
        "other than a name",
    ),
    "user whose password would be another secret": (
        lambda d: d["users"].append({"name": "erlang-cookie"}),
        "users[erlang-cookie]",
        "of that name already",
    ),
    "user whose password would stand where the first definitions do": (
        lambda d: d["users"].append({"name": "boot-definitions.json"}),
        "users[boot-definitions.json]",
        "of that name already",
    ),
    "user whose password would stand where receivers do": (
        lambda d: (
            d["monitoring"].update(receivers_file="mine.yml"),
            d["users"].append({"name": "mine.yml"}),
        ),
        "users[mine.yml]",
        "of that name already",
    ),
    "user whose name no certificate can carry": (
        lambda d: d["users"].append({"name": "u" * 65}),
        f"users[{'u' * 65}].name",
        "is not a valid name",
    ),
    "no vhost, in which the canary could fly": (lambda d: d.update(vhosts=[]), "vhosts", "none is given"),
    "no TLS version": (
        lambda d: d["cluster"]["tls"].update(versions=[]),
        "cluster.tls.versions",
        "names none",
    ),
    "plugin of another form": (
        lambda d: d["cluster"]["broker"]["plugins"].append("x]. y"),
        "cluster.broker.plugins",
        "'x]. y' is not a plugin's name",
    ),
    "without the plugin that is asked": (
        lambda d: d["cluster"]["broker"]["plugins"].remove("rabbitmq_prometheus"),
        "cluster.broker.plugins",
        "rabbitmq_prometheus is missing",
    ),
    "a share below which nothing would page": (
        lambda d: d["objectives"].update(confirm_success=0.9),
        "objectives.confirm_success",
        "0.9 is out of range",
    ),
    "a share that leaves no room for an error": (
        lambda d: d["objectives"].update(lag_share=1),
        "objectives.lag_share",
        "1 is out of range",
    ),
    "a latency without its share": (
        lambda d: d["objectives"].pop("end_to_end_share"),
        "objectives",
        "one without the other",
    ),
    "a latency that the canary does not count": (
        lambda d: d["objectives"].update(end_to_end_s=0.3),
        "objectives.end_to_end_s",
        "does not count up to this bound",
    ),
    "an objective that nobody knows": (
        lambda d: d["objectives"].update(confirms=0.99),
        "objectives.confirms",
        "unknown key",
    ),
    "time that stands still": (
        lambda d: d["monitoring"].update(time_scale=0),
        "monitoring.time_scale",
        "0 is out of range",
    ),
    "receivers outside the folder of secrets": (
        lambda d: d["monitoring"].update(receivers_file="../receivers.yml"),
        "monitoring.receivers_file",
        "not a valid name",
    ),
    "another schema": (lambda d: d.update(schema=2), "schema", "2 is not a form"),
    "bad cluster name": (
        lambda d: d["cluster"].update(name="My Cluster"),
        "cluster.name",
        "not a valid name",
    ),
    "bad node name": (
        lambda d: d["cluster"]["nodes"][0].update(name="rmq_1"),
        "cluster.nodes[rmq_1].name",
        "not a",
    ),
    "bad queue name": (
        lambda d: _orders(d)["queues"].append({"name": "a b"}),
        "vhosts[/orders].queues[a b].name",
        "not a valid name",
    ),
    "bad vhost name": (
        lambda d: d["vhosts"][1].update(name="users"),
        "vhosts[users].name",
        "not a valid name",
    ),
    "even number of nodes": (
        lambda d: d["cluster"]["nodes"].pop(),
        "cluster.nodes",
        "2 nodes: an even number",
    ),
    "no nodes": (lambda d: d["cluster"].update(nodes=[]), "cluster.nodes", "0 nodes"),
    "too many nodes": (
        lambda d: d["cluster"].update(nodes=[{"name": f"n{i}"} for i in range(11)]),
        "cluster.nodes",
        "11 nodes are more",
    ),
    "node twice": (
        lambda d: d["cluster"]["nodes"][1].update(name="rmq1"),
        "cluster.nodes[rmq1]",
        "given 2 times",
    ),
    "old version": (
        lambda d: d["cluster"]["broker"].update(version="3.13.7"),
        "cluster.broker.version",
        "not supp",
    ),
    "version of another image": (
        lambda d: d["images"].update(rabbitmq="rabbitmq:4.2.1"),
        "images.rabbitmq",
        "cluster.broker.version says",
    ),
    "image without a version": (
        lambda d: d["images"].update(grafana="grafana/grafana"),
        "images.grafana",
        "not a valid name",
    ),
    "memory as text": (
        lambda d: d["cluster"]["broker"].update(memory_limit_mib="1 GiB"),
        "cluster.broker.memory_limit_mib",
        "must be a whole number",
    ),
    "watermark out of range": (
        lambda d: d["cluster"]["broker"].update(memory_watermark=0.95),
        "cluster.broker.memory_watermark",
        "0.95 is out of range",
    ),
    "watermark that is no number": (
        lambda d: d["cluster"]["broker"].update(memory_watermark=float("nan")),
        "cluster.broker.memory_watermark",
        "must be a finite number",
    ),
    "old TLS": (
        lambda d: d["cluster"]["tls"].update(versions=["tlsv1.1"]),
        "cluster.tls.versions",
        "not allowed",
    ),
    "unknown choice": (
        lambda d: d["cluster"]["tls"].update(client_certificate="optionel"),
        "cluster.tls.client_certificate",
        "'optionel' is not known",
    ),
    "port twice": (
        lambda d: d["cluster"]["ports"].update(metrics=15671),
        "cluster.ports.metrics",
        "port 15671 is taken by 'management'",
    ),
    "port out of range": (
        lambda d: d["cluster"]["ports"].update(amqps=70000),
        "cluster.ports.amqps",
        "out of range",
    ),
    "base port too high": (
        lambda d: d["cluster"]["published"].update(base_port=65000 + 500),
        "cluster.published.base_port",
        "out of range",
    ),
    "guest": (lambda d: d["users"].append({"name": "guest"}), "users[guest]", "tries first"),
    "user twice": (
        lambda d: d["users"].append({"name": "orders-shop"}),
        "users[orders-shop]",
        "given 2 times",
    ),
    "no operator": (
        lambda d: d["users"][0].update(role="application"),
        "users",
        "0 users have 'role: operator'",
    ),
    "two operators": (
        lambda d: d["users"][3].update(role="operator", tags=["administrator"]),
        "users",
        "2 users have 'role: operator'",
    ),
    "no canary": (lambda d: d["users"][2].update(role="application"), "users", "0 users have 'role: canary'"),
    "canary without rights in a vhost": (
        lambda d: d["vhosts"][1].update(
            permissions=[each for each in d["vhosts"][1]["permissions"] if each["user"] != "canary"]
        ),
        "vhosts[/users].permissions",
        "the canary 'canary' cannot fly in this vhost",
    ),
    "canary that reaches more than its own": (
        lambda d: d["vhosts"][0]["permissions"][2].update(write=".*"),
        "vhosts[/orders].permissions",
        "reaches more than its own",
    ),
    "operator without its tag": (
        lambda d: d["users"][0].update(tags=[]),
        "users[operator].tags",
        "lacks the tag",
    ),
    "operator without rights": (
        lambda d: _orders(d)["permissions"].pop(0),
        "vhosts[/orders].permissions",
        "cannot declare everything",
    ),
    "vhost twice": (lambda d: d["vhosts"][1].update(name="/orders"), "vhosts[/orders]", "given 2 times"),
    "reserved vhost": (lambda d: d["vhosts"][1].update(name="/warren.x"), "vhosts[/warren.x]", "is kept for"),
    "unknown limit": (
        lambda d: _orders(d)["limits"].update({"max-queue": 1}),
        "vhosts[/orders].limits.max-queue",
        "unknown limit",
    ),
    "limit as text": (
        lambda d: _orders(d)["limits"].update({"max-queues": "many"}),
        "vhosts[/orders].limits.max-queues",
        "must be a whole number",
    ),
    "queue twice": (
        lambda d: _orders(d)["queues"].append({"name": "orders.work"}),
        "vhosts[/orders].queues[orders.work]",
        "given 2 times",
    ),
    "reserved queue name": (
        lambda d: _orders(d)["queues"].append({"name": "amq.mine"}),
        "vhosts[/orders].queues[amq.mine]",
        "prefix is reserved",
    ),
    "transient queue": (
        lambda d: _orders(d)["queues"][0].update(durable=False),
        "vhosts[/orders].queues[orders.work].durable",
        "transient queues",
    ),
    "argument without x-": (
        lambda d: _orders(d)["queues"][0].update(arguments={"message-ttl": 1}),
        "vhosts[/orders].queues[orders.work].arguments.message-ttl",
        "begin with x-",
    ),
    "type as an argument": (
        lambda d: _orders(d)["queues"][0].update(arguments={"x-queue-type": "classic"}),
        "vhosts[/orders].queues[orders.work].arguments.x-queue-type",
        "a key of its own",
    ),
    "negative time to live": (
        lambda d: _orders(d)["queues"][0].update(arguments={"x-message-ttl": -5}),
        "vhosts[/orders].queues[orders.work].arguments.x-message-ttl",
        "at least 0, not -5",
    ),
    "target of no members": (
        lambda d: _orders(d)["queues"][0].update(arguments={"x-quorum-target-group-size": 0}),
        "vhosts[/orders].queues[orders.work].arguments.x-quorum-target-group-size",
        "whole number of at least 1",
    ),
    "members of a stream as text": (
        lambda d: _orders(d)["queues"][0].update(type="stream", arguments={"x-initial-cluster-size": "3"}),
        "vhosts[/orders].queues[orders.work].arguments.x-initial-cluster-size",
        "whole number of at least 1",
    ),
    "date as an argument": (
        lambda d: _orders(d)["queues"][0].update(arguments={"x-y": __import__("datetime").date(2020, 1, 1)}),
        "vhosts[/orders].queues[orders.work].arguments",
        "plain values",
    ),
    "objective below one": (
        lambda d: _orders(d)["queues"][0].update(objective={"depth": 0}),
        "vhosts[/orders].queues[orders.work].objective.depth",
        "out of range",
    ),
    "binding from an unknown exchange": (
        lambda d: _orders(d)["bindings"][0].update(source="none"),
        "vhosts[/orders].bindings[0].source",
        "no exchange 'none' in this vhost",
    ),
    "binding to a queue of another vhost": (
        lambda d: _orders(d)["bindings"][0].update(queue="users.email"),
        "vhosts[/orders].bindings[0].queue",
        "no queue 'users.email' in this vhost",
    ),
    "binding to nothing": (
        lambda d: _orders(d)["bindings"][0].pop("queue"),
        "vhosts[/orders].bindings[0]",
        "must name one destination",
    ),
    "binding twice": (
        lambda d: _orders(d)["bindings"].append(dict(_orders(d)["bindings"][0])),
        "vhosts[/orders].bindings[",
        "given twice",
    ),
    "three hashes in a topic key": (
        lambda d: _orders(d)["bindings"][2].update(routing_key="#.a.#.b.#"),
        "vhosts[/orders].bindings[2].routing_key",
        "more than two '#'",
    ),
    "pattern that is no pattern": (
        lambda d: _orders(d)["policies"][0].update(pattern="^("),
        "vhosts[/orders].policies[orders-work].pattern",
        "not a regular expression",
    ),
    "pattern that matches nothing": (
        lambda d: _orders(d)["policies"][0].update(pattern="^order-work$"),
        "vhosts[/orders].policies[orders-work].pattern",
        "matches nothing",
    ),
    "pattern that overflows": (
        lambda d: _orders(d)["policies"][0].update(pattern="a{99999999999999999999}"),
        "vhosts[/orders].policies[orders-work].pattern",
        "not a regular expression",
    ),
    "policies of one priority": (
        lambda d: _orders(d)["policies"].append(
            {"name": "late", "pattern": "work$", "definition": {"max-length": 5}}
        ),
        "vhosts[/orders].policies[late].priority",
        "orders-work and late both match queue 'orders.work'",
    ),
    "dead-letters into nothing": (
        lambda d: _orders(d)["policies"][0]["definition"].update({"dead-letter-exchange": "none"}),
        "vhosts[/orders].policies[orders-work].definition.dead-letter-exchange",
        "no exchange 'none' here",
    ),
    "dead-letter exchange that is no name": (
        lambda d: _orders(d)["policies"][0]["definition"].update({"dead-letter-exchange": ["a"]}),
        "vhosts[/orders].policies[orders-work].definition.dead-letter-exchange",
        "must be text",
    ),
    "at-least-once that falls back": (
        lambda d: _orders(d)["policies"][0]["definition"].pop("overflow"),
        "vhosts[/orders].queues[orders.work]",
        "silently is at-most-once",
    ),
    "failed queue too small": (
        lambda d: _named(_orders(d)["policies"], "failed")["definition"].update({"max-length": 1000}),
        "vhosts[/orders].queues[orders.failed]",
        "max-length 1000 is less than 10 times",
    ),
    "unknown overflow": (
        lambda d: _orders(d)["policies"][0]["definition"].update({"overflow": "drop"}),
        "vhosts[/orders].policies[orders-work].definition.overflow",
        "'drop' is not known",
    ),
    "permission of an unknown user": (
        lambda d: _orders(d)["permissions"].append({"user": "nobody"}),
        "vhosts[/orders].permissions[nobody]",
        "no user 'nobody'",
    ),
    "version in words": (
        lambda d: d["cluster"]["broker"].update(version="four"),
        "cluster.broker.version",
        "'four' is not a valid name",
    ),
    "permission that is no pattern": (
        lambda d: _orders(d)["permissions"][1].update(write="["),
        "vhosts[/orders].permissions[",
        "not a regular expression",
    ),
    "topic permission on a fan-out": (
        lambda d: _orders(d)["topic_permissions"][0].update(exchange="orders.events"),
        "vhosts[/orders].topic_permissions[orders-shop].exchange",
        "is not a topic exchange",
    ),
    "waiver twice": (lambda d: d["waivers"].append(dict(d["waivers"][0])), "waivers[", "given 2 times"),
    "waiver without a reason": (
        lambda d: d["waivers"][0].pop("reason"),
        "waivers[0].reason",
        "must be given",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_names_file_path_and_reason(data: dict[str, Any], read: Reader, kind: str) -> None:
    edit, path, reason = BAD[kind]
    edit(data)
    faults = _refused(read, data)
    assert all(fault.remedy for fault in faults)
    found = [(fault.where, fault.what) for fault in faults]
    assert any(where.startswith(f"topology.yml:{path}") and reason in what for where, what in found), found


def test_all_faults_are_told_at_once(data: dict[str, Any], read: Reader) -> None:
    data["cluster"]["nodes"].pop()
    data["cluster"]["ports"]["metrics"] = 15671
    data["users"].append({"name": "guest"})
    _orders(data)["bindings"][0]["source"] = "none"
    text = "\n".join(str(fault) for fault in _refused(read, data))
    for part in ("an even number", "is taken by", "tries first", "no exchange 'none'"):
        assert part in text


def test_faults_of_form_come_before_faults_of_meaning(data: dict[str, Any], read: Reader) -> None:
    data["cluster"]["nodes"].pop()
    data["cluster"]["nmae"] = "x"
    assert [fault.where for fault in _refused(read, data)] == ["topology.yml:cluster.nmae"]


# -- fuzzing -----------------------------------------------------------------------------------------------

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.dates(),
    st.sampled_from(["^(", "amq.x", "warren.x", "guest", "at-least-once", "#.#.#", "/orders", "orders.work"]),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inside for place in _places(item, (*path, key)))]


def _replace(data: dict[str, Any], place: tuple[Any, ...], value: Any) -> None:
    target: Any = data
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value


_FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[Health.function_scoped_fixture, Health.too_slow]
)


@_FUZZ
@given(drawn=st.data())
def test_random_edits_are_read_or_refused_by_name(data: dict[str, Any], drawn: st.DataObject) -> None:
    edited = {**data, "vhosts": [_named(data["vhosts"], "/users")], "waivers": data["waivers"][:1]}
    edited = copy.deepcopy(edited)
    for _ in range(drawn.draw(st.integers(1, 3))):
        place = drawn.draw(st.sampled_from(_places(edited)[1:]))
        _replace(edited, place, drawn.draw(_VALUES))
    _read_or_refuse(yaml.safe_dump(edited, sort_keys=False))


@_FUZZ
@given(value=_VALUES)
def test_random_documents_are_refused_by_name(value: Any) -> None:
    _read_or_refuse(yaml.safe_dump(value))


def _read_or_refuse(text: str) -> None:
    try:
        loads(text, "topology.yml")
    except BadInputError as error:
        refused = error
    else:
        return
    for fault in getattr(refused, "faults", (refused,)):
        assert fault.where.startswith("topology.yml")
        assert fault.what
