"""Drift against the answers of a live 4.3.6: what is changed is seen under its kind, and named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tests.drift_cluster import RecordedCluster
from tests.unit.warren.test_plan import passwords
from warren.drift import page
from warren.drift.compare import compare
from warren.drift.model import DriftKind, Report
from warren.drift.reading import NEEDS, read
from warren.errors import NotReadyError
from warren.management_errors import UnreachableError
from warren.topology import STREAM_PLUGIN, Topology

#: What a user tagged monitoring is refused.
ADMINISTRATORS = {
    DriftKind.USER, DriftKind.USER_LIMIT, DriftKind.PERMISSION, DriftKind.TOPIC_PERMISSION,
    DriftKind.PARAMETER,
}  # fmt: skip
ENTERED = {
    DriftKind.POLICY, DriftKind.OPERATOR_POLICY, DriftKind.PARAMETER, DriftKind.EXCHANGE, DriftKind.QUEUE,
    DriftKind.BINDING,
}  # fmt: skip


def looked(cluster: RecordedCluster, topology: Topology, *kinds: DriftKind) -> Report:
    asked = kinds or tuple(DriftKind)
    return compare(topology, read(cluster, topology, asked), passwords=passwords(topology), kinds=asked)


def lines(report: Report) -> list[str]:
    return [f"{each.kind.value}: {each.line}" for each in report.differences]


def test_a_cluster_that_has_what_the_topology_asks_for_does_not_differ(deployed: Topology) -> None:
    report = looked(RecordedCluster(deployed), deployed)
    assert lines(report) == []
    assert report.unread == {}
    assert (report.in_sync, report.exit_code) == (True, 0)
    assert page.text(report) == f"the broker has what the topology asks for ({len(DriftKind)} kinds compared)"


def test_every_kind_says_what_it_needs() -> None:
    assert set(NEEDS) == set(DriftKind)


Edit = Callable[[RecordedCluster], Any]


def _gone(table: str, **match: Any) -> Edit:
    return lambda cluster: cluster.tables[table].remove(cluster.row(table, **match))


def _added(table: str, **row: Any) -> Edit:
    return lambda cluster: cluster.tables[table].append(row)


def _set(table: str, changes: dict[str, Any], **match: Any) -> Edit:
    return lambda cluster: cluster.row(table, **match).update(changes)


def _opened(**row: Any) -> Edit:
    return lambda cluster: cluster.tables["overview"]["listeners"].append(row)


def _closed(node: str, protocol: str) -> Edit:
    return lambda cluster: cluster.tables["overview"]["listeners"].remove(cluster.listener(node, protocol))


def _options(node: str, protocol: str, **changes: Any) -> Edit:
    def edit(cluster: RecordedCluster) -> None:
        shown = cluster.listener(node, protocol)["socket_opts"]
        shown.get("ssl_opts", shown).update(changes)

    return edit


RMQ1, RMQ2, RMQ3 = "rabbit@rmq1", "rabbit@rmq2", "rabbit@rmq3"
HAND = {"durable": True, "auto_delete": False, "arguments": {}}

EDITS: dict[str, tuple[Edit, str]] = {
    "a node that is no member": (_gone("nodes", name=RMQ2), "node: node rmq2: missing"),
    "a node that is down": (
        _set("nodes", {"running": False}, name=RMQ2),
        "node: node rmq2: state is down, wanted running",
    ),
    "a node that nobody knows": (
        _added("nodes", name="rabbit@rmq9", running=True),
        "node: node rabbit@rmq9: a member, and nobody asked for it",
    ),
    "the cluster's name": (
        lambda cluster: cluster.tables["overview"].update(cluster_name="other"),
        "setting: the cluster: name is other, wanted warren",
    ),
    "a version": (
        _set("nodes", {"rabbitmq_version": "4.3.5"}, name=RMQ3),
        "setting: rmq3: RabbitMQ version is 4.3.5, wanted 4.3.6",
    ),
    "net tick time": (
        _set("nodes", {"net_ticktime": 120}, name=RMQ1),
        "setting: rmq1: net tick time in seconds is 120, wanted 60",
    ),
    "the memory watermark, set by hand": (
        _set("nodes", {"mem_limit": 322122547}, name=RMQ1),
        "setting: rmq1: memory limit in bytes is 322122547, wanted 644245094",
    ),
    "the disk limit, set by hand": (
        _set("nodes", {"disk_free_limit": 50000000}, name=RMQ1),
        "setting: rmq1: disk limit in bytes is 50000000, wanted 751828992",
    ),
    "the rates mode": (
        _set("nodes", {"rates_mode": "detailed"}, name=RMQ1),
        "setting: rmq1: rates mode is detailed, wanted basic",
    ),
    "another way to log in": (
        lambda c: [way.update(enabled=True) for way in c.row("nodes", name=RMQ1)["auth_mechanisms"]],
        "setting: rmq1: authentication is AMQPLAIN, ANONYMOUS, PLAIN, RABBIT-CR-DEMO, wanted PLAIN",
    ),
    "a configuration file more": (
        lambda cluster: cluster.row("nodes", name=RMQ1)["config_files"].append("/etc/conf.d/10.conf"),
        "setting: rmq1: configuration is rabbitmq.conf, 10.conf, wanted rabbitmq.conf",
    ),
    "a plugin more": (
        lambda cluster: cluster.row("nodes", name=RMQ1)["enabled_plugins"].append("rabbitmq_mqtt"),
        "setting: plugin rabbitmq_mqtt on rmq1: enabled, and nobody asked for it",
    ),
    "a plugin less": (
        lambda cluster: cluster.row("nodes", name=RMQ1)["enabled_plugins"].remove("rabbitmq_prometheus"),
        "setting: plugin rabbitmq_prometheus on rmq1: missing",
    ),
    "a plugin that does not run": (
        lambda cluster: cluster.row("nodes", name=RMQ1).update(applications=[{"name": "rabbit"}]),
        "setting: plugin rabbitmq_stream on rmq1: state is enabled and not running, wanted running",
    ),
    "another Erlang on one node": (
        _set("nodes", {"erlang_version": "28.2"}, name=RMQ3),
        "setting: the nodes: Erlang version is 29.1.1 on rmq1, 29.1.1 on rmq2, 28.2 on rmq3, "
        "wanted the same on all",
    ),
    "tracing": (
        _set("vhosts", {"tracing": True}, name="/orders"),
        "setting: vhost /orders: tracing is on, wanted off",
    ),
    "a plain listener": (
        _opened(node=RMQ2, protocol="amqp", port=5672, tls=False, socket_opts={}),
        "listener: listener amqp 5672 of rmq2: open without TLS, and nobody asked for it",
    ),
    "a listener more": (
        _opened(node=RMQ2, protocol="mqtt/ssl", port=8883, tls=True, socket_opts={}),
        "listener: listener mqtt/ssl 8883 of rmq2: open, and nobody asked for it",
    ),
    "a listener less": (
        _closed(RMQ2, "https/prometheus"),
        "listener: listener https/prometheus 15691 of rmq2: missing",
    ),
    "nodes that talk without TLS": (
        lambda cluster: cluster.listener(RMQ1, "clustering/ssl").update(protocol="clustering", tls=False),
        "listener: listener clustering 25672 of rmq1: open without TLS, and nobody asked for it",
    ),
    "an old TLS version for clients": (
        _options(RMQ1, "amqp/ssl", versions=["tlsv1.2", "tlsv1.1"]),
        "listener: listener amqp/ssl 5671 of rmq1: versions is tlsv1.1, tlsv1.2, wanted tlsv1.2, tlsv1.3",
    ),
    "an old TLS version for operators": (
        _options(RMQ1, "https", versions=["tlsv1.1"]),
        "listener: listener https 15671 of rmq1: versions is tlsv1.1, wanted tlsv1.2, tlsv1.3",
    ),
    "certificates of clients asked for": (
        _options(RMQ1, "stream/ssl", fail_if_no_peer_cert=True),
        "listener: listener stream/ssl 5551 of rmq1: fail_if_no_peer_cert is true, wanted false",
    ),
    "certificates of clients not verified": (
        _options(RMQ1, "amqp/ssl", verify="verify_none"),
        "listener: listener amqp/ssl 5671 of rmq1: verify is verify_none, wanted verify_peer",
    ),
    "a feature flag that is off": (
        _set("feature-flags", {"state": "disabled"}, name="track_qq_members_uids"),
        "feature_flag: feature flag track_qq_members_uids: state is disabled, wanted enabled",
    ),
    "a feature flag of an older release": (
        _gone("feature-flags", name="rabbitmq_4.3.0"),
        "feature_flag: feature flag rabbitmq_4.3.0: missing",
    ),
    "a deprecated feature in use": (
        lambda cluster: cluster.tables["deprecated-features/used"].append(
            cluster.row("deprecated-features", name="transient_nonexcl_queues")
        ),
        "deprecated_feature: deprecated feature transient_nonexcl_queues: in use, and nobody asked for it  "
        "[permitted by default]",
    ),
    "a vhost by hand": (
        _added("vhosts", name="/hand", metadata={}),
        "vhost: vhost /hand: there, and nobody asked for it  [0 queues, 0 messages]",
    ),
    "a vhost without protection": (
        lambda c: c.row("vhosts", name="/users")["metadata"].update(protected_from_deletion=False),
        "vhost: vhost /users: protected_from_deletion is False, wanted True",
    ),
    "a limit of a vhost": (
        lambda cluster: cluster.row("vhost-limits", vhost="/users")["value"].update({"max-queues": 9}),
        "vhost_limit: limit max-queues in /users: value is 9, wanted 200",
    ),
    "a user by hand": (
        _added("users", name="hand", tags=["administrator"], limits={}, password_hash=""),
        "user: user hand: there, and nobody asked for it",
    ),
    "a tag": (
        _set("users", {"tags": ["administrator"]}, name="orders-shop"),
        "user: user orders-shop: tags is ['administrator'], wanted []",
    ),
    "a password": (
        _set("users", {"password_hash": "AAAA"}, name="orders-shop"),
        "user: user orders-shop: password is another, wanted the one in the state folder",
    ),
    "a limit of a user": (
        _set("users", {"limits": {"max-connections": 16}}, name="orders-support"),
        "user_limit: limit max-channels of user orders-support: missing",
    ),
    "a permission widened": (
        _set("permissions", {"write": ".*"}, user="orders-worker"),
        "permission: permission of orders-worker in /orders: write is .*, wanted ^$",
    ),
    "a topic permission widened": (
        _set("topic-permissions", {"write": ".*"}, user="orders-shop"),
        r"topic_permission: topic permission of orders-shop on orders.topic in /orders: write is .*, "
        r"wanted ^order\.",
    ),
    "a policy changed": (
        lambda cluster: cluster.row("policies", name="orders-work")["definition"].update({"max-length": 7}),
        "policy: policy orders-work in /orders: definition.max-length is 7, wanted 100000",
    ),
    "a policy that lost a key": (
        lambda cluster: cluster.row("policies", name="orders-work")["definition"].pop("overflow"),
        "policy: policy orders-work in /orders: definition.overflow is not there, wanted reject-publish",
    ),
    "an operator policy": (
        _gone("operator-policies", vhost="/users", name="guard"),
        "operator_policy: operator policy guard in /users: missing",
    ),
    "a shovel": (
        _added("parameters", component="shovel", name="away", vhost="/orders", value={"src-uri": "amqp://u:secret@h"}),
        "parameter: shovel away in /orders: there, and nobody asked for it",
    ),
    "an exchange": (
        _set("exchanges", {"type": "direct"}, name="orders.events"),
        "exchange: exchange orders.events in /orders: type is direct, wanted fanout",
    ),
    "a queue by hand": (
        _added("queues", vhost="/orders", name="by.hand", type="quorum", messages=3, consumers=1, **HAND),
        "queue: queue by.hand in /orders: there, and nobody asked for it  "
        "[holds 3 messages, has 1 consumers]",
    ),
    "a binding less": (
        _gone("bindings", destination="orders.audit"),
        "binding: binding orders.topic -> queue orders.audit (order.#) in /orders: missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "line"), EDITS.values(), ids=EDITS.keys())
def test_what_is_changed_is_seen_under_its_kind_and_named(edit: Edit, line: str, deployed: Topology) -> None:
    cluster = RecordedCluster(deployed)
    edit(cluster)
    report = looked(cluster, deployed)
    assert line in lines(report)
    kind = DriftKind(line.partition(":")[0])
    assert {each.kind for each in report.differences} == {kind}
    assert report.exit_code == 1
    assert f"{kind.words} ({len(report.of(kind))}):" in page.text(report)


def test_every_kind_is_among_what_is_tried() -> None:
    assert {line.partition(":")[0] for _, line in EDITS.values()} == {kind.value for kind in DriftKind}


def test_what_runs_need_for_themselves_is_nobodys_drift(deployed: Topology) -> None:
    cluster = RecordedCluster(deployed)
    cluster.tables["vhosts"].append({"name": "/warren.bench", "metadata": {}, "tracing": True})
    cluster.tables["queues"].append({"vhost": "/warren.bench", "name": "q", "type": "quorum", **HAND})
    for name, vhost in (("warren.s", "/orders"), ("s", "/warren.bench")):
        cluster.tables["parameters"].append(
            {"component": "shovel", "name": name, "vhost": vhost, "value": {}}
        )
    assert lines(looked(cluster, deployed)) == []


def test_values_of_parameters_are_not_shown(deployed: Topology) -> None:
    cluster = RecordedCluster(deployed)
    EDITS["a shovel"][0](cluster)
    report = looked(cluster, deployed)
    assert "secret" not in page.text(report) + str(report.as_result())


def test_what_a_node_does_not_report_is_not_judged(deployed: Topology) -> None:
    cluster = RecordedCluster(deployed)
    cluster.tables["nodes"][0] = {"name": RMQ1, "running": True}
    cluster.row("nodes", name=RMQ2).update(running=False, rabbitmq_version="0", erlang_version="1")
    listening = cluster.tables["overview"]["listeners"]
    cluster.tables["overview"]["listeners"] = [row for row in listening if row["node"] == RMQ3]
    cluster.listener(RMQ3, "amqp/ssl")["socket_opts"] = []
    assert lines(looked(cluster, deployed)) == ["node: node rmq2: state is down, wanted running"]


def test_an_experimental_flag_may_be_off(deployed: Topology) -> None:
    cluster = RecordedCluster(deployed)
    cluster.tables["feature-flags"].append(
        {"name": "new_thing", "state": "disabled", "stability": "experimental"}
    )
    assert looked(cluster, deployed).in_sync


def test_listeners_follow_the_topology(deployed: Topology) -> None:
    broker = deployed.broker
    plugins = tuple(each for each in broker.plugins if each != STREAM_PLUGIN)
    without = dataclasses.replace(deployed, broker=dataclasses.replace(broker, plugins=plugins))
    found = looked(RecordedCluster(deployed), without, DriftKind.LISTENER)
    assert [each.where for each in found.differences] == [
        f"listener stream/ssl 5551 of rmq{place}" for place in (1, 2, 3)
    ]


def test_before_4_3_the_port_between_nodes_is_not_told_apart(deployed: Topology) -> None:
    older = dataclasses.replace(deployed, broker=dataclasses.replace(deployed.broker, version="4.2.0"))
    cluster = RecordedCluster(deployed)
    for node in (RMQ1, RMQ2, RMQ3):
        cluster.listener(node, "clustering/ssl").update(protocol="clustering", tls=False)
    assert looked(cluster, older, DriftKind.LISTENER).in_sync


# -- lesser credentials ------------------------------------------------------------------------------------


def test_the_monitoring_tag_sees_the_kinds_that_it_may_and_says_which_it_may_not(deployed: Topology) -> None:
    cluster = RecordedCluster(deployed, user="monitoring")
    report = looked(cluster, deployed)
    assert set(report.unread) == ADMINISTRATORS
    assert (lines(report), report.exit_code, report.in_sync) == ([], 4, False)
    text = page.text(report)
    assert "not compared (4): user, user limit, permission, topic permission\n" in text
    assert "does not let user 'monitoring' in or see this (Not administrator user)" in text
    assert text.endswith("0 differences (12 kinds compared; 5 not)")


def test_the_monitoring_tag_sees_drift_of_its_kinds(deployed: Topology) -> None:
    cluster = RecordedCluster(deployed, user="monitoring")
    EDITS["a queue by hand"][0](cluster)
    EDITS["a permission widened"][0](cluster)
    report = looked(cluster, deployed)
    assert [each.kind for each in report.differences] == [DriftKind.QUEUE]
    assert report.exit_code == 1


def test_kinds_that_may_be_read_can_be_asked_for_alone(deployed: Topology) -> None:
    cluster = RecordedCluster(deployed, user="monitoring")
    report = looked(cluster, deployed, DriftKind.QUEUE, DriftKind.POLICY)
    assert (report.kinds, report.exit_code) == ((DriftKind.POLICY, DriftKind.QUEUE), 0)
    assert "users" not in cluster.asked


@pytest.mark.parametrize("user", ["operator", "monitoring"])
def test_a_vhost_that_may_not_be_entered_is_no_empty_one(user: str, deployed: Topology) -> None:
    """The broker leaves it out of its lists without a word."""
    cluster = RecordedCluster(deployed, user=user)
    cluster.hidden = {"/orders"}
    report = looked(cluster, deployed)
    assert lines(report) == []
    assert set(report.unread) == ENTERED | (ADMINISTRATORS if user == "monitoring" else set())
    assert "may not enter /orders" in report.unread[DriftKind.QUEUE]


def test_an_extra_vhost_that_may_not_be_entered_hides_nothing_else(deployed: Topology) -> None:
    cluster = RecordedCluster(deployed)
    cluster.tables["vhosts"].append({"name": "/hand", "metadata": {}})
    cluster.hidden = {"/hand"}
    report = looked(cluster, deployed)
    assert (report.unread, [each.where for each in report.differences]) == ({}, ["vhost /hand"])


def test_a_missing_vhost_is_missing_with_all_that_is_in_it(deployed: Topology) -> None:
    cluster = RecordedCluster(deployed)
    for table in ("exchanges", "queues", "bindings", "policies", "operator-policies"):
        cluster.tables[table] = [row for row in cluster.tables[table] if row["vhost"] != "/users"]
    _gone("vhosts", name="/users")(cluster)
    report = looked(cluster, deployed)
    assert report.unread == {}
    assert "vhost: vhost /users: missing" in lines(report)
    assert "queue: queue users.email in /users: missing" in lines(report)


@pytest.mark.parametrize("tags", [["management"], ["policymaker"], []])
def test_a_user_that_sees_only_a_part_is_refused(tags: list[str], deployed: Topology) -> None:
    """It would be told of virtual hosts that it may enter only, and take the others for missing."""
    cluster = RecordedCluster(deployed)
    cluster.tables["whoami"] = {"name": "x", "tags": tags}
    with pytest.raises(NotReadyError, match="only a part") as caught:
        read(cluster, deployed)
    assert "administrator" in caught.value.remedy


@pytest.mark.parametrize("status", [404, 405, 500])
def test_a_path_that_cannot_be_read_costs_its_own_kinds(status: int, deployed: Topology) -> None:
    cluster = RecordedCluster(deployed)
    cluster.broken = {"feature-flags": status}
    report = looked(cluster, deployed)
    assert set(report.unread) == {DriftKind.FEATURE_FLAG}
    assert "/api/feature-flags" in report.unread[DriftKind.FEATURE_FLAG]
    assert report.exit_code == 4


def test_a_user_that_is_not_let_in_is_told_so(deployed: Topology) -> None:
    cluster = RecordedCluster(deployed)
    cluster.broken = {"whoami": 401}
    with pytest.raises(NotReadyError, match="does not let user 'operator' in"):
        read(cluster, deployed)


def test_a_cluster_that_does_not_answer_has_no_report(deployed: Topology) -> None:
    cluster = RecordedCluster(deployed)
    cluster.silent = True
    with pytest.raises(UnreachableError):
        read(cluster, deployed)


@pytest.mark.parametrize(("path", "answer"), [("users", {"a": 1}), ("nodes", [1]), ("overview", [])])
def test_an_answer_of_another_form_is_no_answer(path: str, answer: Any, deployed: Topology) -> None:
    cluster = RecordedCluster(deployed)
    cluster.tables[path] = answer
    with pytest.raises(UnreachableError, match="not of the form"):
        read(cluster, deployed)


def test_who_knows_no_password_compares_all_the_rest(deployed: Topology) -> None:
    cluster = RecordedCluster(deployed)
    for name in ("a password", "a tag"):
        EDITS[name][0](cluster)
    report = compare(deployed, read(cluster, deployed), passwords=None)
    assert lines(report) == ["user: user orders-shop: tags is ['administrator'], wanted []"]


def test_the_result_has_every_kind_and_the_plans_steps(deployed: Topology) -> None:
    cluster = RecordedCluster(deployed, user="monitoring")
    EDITS["a policy changed"][0](cluster)
    result = looked(cluster, deployed).as_result()
    assert (result["in_sync"], result["user"]) == (False, "monitoring")
    assert [step["title"] for step in result["steps"]] == ["policy orders-work in /orders"]
    assert set(result["kinds"]) == {kind.value for kind in DriftKind}
    assert result["kinds"]["user"]["read"] is False
    assert "Not administrator" in result["kinds"]["user"]["reason"]
    assert result["kinds"]["policy"]["differences"][0]["found"] == "7"
