"""Each assertion holds on a good cluster and is caught when its own thing is broken."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from warren import definitions
from warren.assertions import verify
from warren.assertions.configuration import keys
from warren.assertions.facts import Around, Facts, FileFacts, ListenerFacts, NodeFacts, ServiceFacts
from warren.assertions.gather import listening
from warren.assertions.model import AssertionResult
from warren.errors import BadInputsError
from warren.management_facts import HealthCheck, Listener, NodeInfo, Overview, QueueInfo
from warren.objects.found import from_definitions
from warren.plan import plan
from warren.routing import effective, matching_policies
from warren.runtime.units import BROKER
from warren.topology import Topology, Waiver
from warren.wait import Clock

Edit = Callable[[Facts], Facts]
GIB = 1024**3


def _member(topology: Topology, name: str) -> NodeInfo:
    limit = int(topology.broker.memory_limit_mib * 1024**2 * topology.broker.memory_watermark)
    return NodeInfo(
        name=f"rabbit@{name}",
        running=True,
        being_drained=False,
        mem_used_bytes=1,
        mem_limit_bytes=limit,
        mem_alarm=False,
        disk_free_bytes=9 * GIB,
        disk_free_limit_bytes=topology.broker.disk_free_limit_mib * 1024**2,
        disk_alarm=False,
        fd_total=65536,
        proc_used=1,
        processors=4,
        uptime_ms=1,
        partitions=(),
        enabled_plugins=(),
        auth_mechanisms=("PLAIN",),
        config_files=(),
        net_ticktime_s=60,
    )


def _node(topology: Topology) -> NodeFacts:
    ports = topology.ports
    environment = {
        "rabbit.auth_mechanisms": "['PLAIN']",
        "rabbit.anonymous_login_user": "none",
        "rabbit.queue_leader_locator": '<<"balanced">>',
        "rabbit.default_queue_type": "rabbit_quorum_queue",
        "rabbit.quorum_membership_reconciliation_enabled": "true",
        "rabbit.quorum_membership_reconciliation_target_group_size": "3",
        "rabbit.cluster_formation": "[{target_cluster_size_hint,3}]",
        "rabbit.prevent_startup_if_node_was_reset": "true",
        "rabbit.consumer_timeout": str(topology.broker.consumer_timeout_ms),
        "rabbit.channel_max": str(topology.broker.channel_max),
        "rabbit.max_message_size": str(topology.broker.max_message_bytes),
        "rabbit.definitions": "[{skip_if_unchanged,true}]",
        "kernel.net_ticktime": str(topology.broker.net_ticktime_s),
    }
    return NodeFacts(
        otp_release="27",
        total_memory_bytes=4 * GIB,
        cookie_hash="hash",
        proto_dist='{ok,[["inet_tls"]]}',
        inter_node_options="[{server,[{verify,verify_peer}]},{client,[{verify,verify_peer}]}]",
        inter_node_without_certificate="{error,{tls_alert,{certificate_required,[]}}}",
        inter_node_with_certificate="{error,timeout}",
        environment=environment,
        configuration="listeners.tcp = none\n",
        default_files=(),
        files={
            "/var/lib/rabbitmq/.erlang.cookie": FileFacts(mode="400", owner=999),
            "/etc/rabbitmq/tls/server.key": FileFacts(mode="400", owner=999),
            "/etc/rabbitmq/tls/ca.pem": FileFacts(mode="444", owner=999),
        },
        ports=(ports.amqps, ports.management, ports.metrics, ports.streams, ports.inter_node, ports.epmd),
        user=999,
        command_lines="beam.smp -s rabbit boot",
    )


def _container(name: str, topology: Topology) -> dict[str, Any]:
    labels = {"warren.node": name} if name.startswith("rmq") else {}
    return {
        "Name": f"/warren-{name}",
        "Path": "docker-entrypoint.sh",
        "Args": [],
        "Mounts": [{"Source": f"/v/{name}-data/_data", "Destination": "/var/lib/rabbitmq"}],
        "Config": {"User": "999:999", "Env": ["HOME=/"], "Labels": labels},
        "HostConfig": {
            "ReadonlyRootfs": True,
            "Privileged": False,
            "CapDrop": ["ALL"],
            "CapAdd": None,
            "SecurityOpt": ["no-new-privileges:true"],
            "Memory": topology.broker.memory_limit_mib * 1024**2,
            "PidsLimit": 100,
            "PortBindings": {"5671/tcp": [{"HostIp": "127.0.0.1", "HostPort": "15610"}]},
        },
    }


def _queues(topology: Topology) -> tuple[QueueInfo, ...]:
    nodes = [node.erlang_name for node in topology.nodes]
    found = []
    for vhost in topology.vhosts:
        for queue in vhost.queues:
            policy, guard = matching_policies(vhost, queue)
            found.append(
                QueueInfo(
                    vhost=vhost.name,
                    name=queue.name,
                    type=queue.type,
                    state="running",
                    durable=True,
                    exclusive=False,
                    auto_delete=False,
                    arguments=queue.arguments,
                    leader=nodes[len(found) % 3],
                    members=tuple(nodes),
                    online=tuple(nodes),
                    messages=0,
                    messages_ready=0,
                    messages_unacked=0,
                    messages_dlx=0,
                    message_bytes=0,
                    consumers=0,
                    policy=policy.name if policy else None,
                    operator_policy=guard.name if guard else None,
                    effective_policy={
                        key: value
                        for key, value in effective(vhost, queue).items()
                        if f"x-{key}" not in queue.arguments
                    },
                )
            )
    return tuple(found)


@pytest.fixture
def good(deployed: Topology) -> Facts:
    """What a cluster says on which everything holds."""
    topology = replace(deployed, waivers=())
    names = [node.name for node in topology.nodes]
    passwords = {user.name: f"password-of-{user.name}" for user in topology.users}
    document = definitions.document(topology, definitions.password_hashes(passwords))
    overview = Overview(
        cluster_name="warren",
        node="rabbit@rmq1",
        rabbitmq_version=topology.broker.version,
        erlang_version="27.3",
        listeners=(Listener(node="rabbit@rmq1", protocol="https", ip_address="::", port=15671, tls=True),),
        queues=15,
        connections=0,
    )
    seen = ListenerFacts(
        verified="", old_versions_refused="", without_certificate="", status_without_credentials=401
    )
    return Facts(
        topology=topology,
        overview=overview,
        members=tuple(_member(topology, name) for name in names),
        queues=_queues(topology),
        users=tuple(document["users"]),
        vhosts=tuple({**each, "default_queue_type": "quorum"} for each in document["vhosts"]),
        permissions=tuple(document["permissions"]),
        feature_flags=({"name": "khepri_db", "state": "enabled", "stability": "stable"},),
        deprecated_in_use=(),
        certificates=(HealthCheck(node="rmq1", check="certificate-expiration", passed=True, reason=""),),
        plan=plan(topology, from_definitions(document), passwords),
        nodes={name: _node(topology) for name in names},
        listeners={(name, port): seen for name in names for port in topology.node_ports},
        around=Around(
            kind="containers",
            clocks={"this machine": True},
            data_directories={name: f"{name}-data" for name in names},
            containers=tuple(_container(name, topology) for name in (*names, "prometheus")),
        ),
        secret_values=passwords,
    )


@pytest.fixture
def good_hosts(good: Facts) -> Facts:
    """The same cluster as services of hosts, Prometheus beside the second node."""
    names = [node.name for node in good.topology.nodes]
    services = [(name, BROKER) for name in names] + [("rmq2", "prometheus.service")]
    around = Around(
        kind="hosts",
        clocks=dict.fromkeys(names, True),
        data_directories={name: f"65024:{place} since boot 1" for place, name in enumerate(names)},
        services=tuple(
            ServiceFacts(
                host=host,
                unit=unit,
                is_node=unit == BROKER,
                user=101,
                capabilities="0000000000000000",
                no_new_privileges=True,
                root="ro",
                memory_bytes=good.topology.broker.memory_limit_mib * 1024**2,
                processes=100,
                shown="Environment=LANG=C.UTF-8",
            )
            for host, unit in services
        ),
        guarded=dict.fromkeys(names, frozenset({4369, 15691, 25672})),
    )
    return replace(good, around=around)


def _on_a_node(**changes: Any) -> Edit:
    return lambda facts: replace(
        facts, nodes={**facts.nodes, "rmq2": replace(facts.nodes["rmq2"], **changes)}
    )


def _environment(key: str, value: str) -> Edit:
    def edit(facts: Facts) -> Facts:
        environment = {**facts.nodes["rmq2"].environment, key: value}
        return _on_a_node(environment=environment)(facts)

    return edit


def _member_has(**changes: Any) -> Edit:
    return lambda facts: replace(facts, members=(replace(facts.members[0], **changes), *facts.members[1:]))


def _queue_has(**changes: Any) -> Edit:
    return lambda facts: replace(facts, queues=(replace(facts.queues[0], **changes), *facts.queues[1:]))


def _around_has(**changes: Any) -> Edit:
    return lambda facts: replace(facts, around=replace(facts.around, **changes))


def _container_has(part: str, **changes: Any) -> Edit:
    def edit(facts: Facts) -> Facts:
        first, second, *others = facts.around.containers
        changed = copy.deepcopy(second)
        changed[part].update(changes)  # type: ignore[index]
        return _around_has(containers=(first, changed, *others))(facts)

    return edit


def _service_has(**changes: Any) -> Edit:
    def edit(facts: Facts) -> Facts:
        first, second, *others = facts.around.services
        return _around_has(services=(first, replace(second, **changes), *others))(facts)

    return edit


def _listener_has(port: str = "amqps", **changes: Any) -> Edit:
    def edit(facts: Facts) -> Facts:
        changed = replace(facts.listeners["rmq3", port], **changes)
        return replace(facts, listeners={**facts.listeners, ("rmq3", port): changed})

    return edit


def _row(table: str, place: int, /, **changes: Any) -> Edit:
    def edit(facts: Facts) -> Facts:
        rows = list(getattr(facts, table))
        rows[place] = {**rows[place], **changes}
        return replace(facts, **{table: tuple(rows)})

    return edit


def _running(version: str) -> Edit:
    return lambda facts: replace(facts, overview=replace(facts.overview, rabbitmq_version=version))


def _permission(user: str, **changes: str) -> Edit:
    def edit(facts: Facts) -> Facts:
        place = next(n for n, row in enumerate(facts.permissions) if row["user"] == user)
        return _row("permissions", place, **changes)(facts)

    return edit


def _second_vhost(facts: Facts) -> Facts:
    row = {"user": "orders-shop", "vhost": "/users", "configure": "^$", "write": "^$", "read": "^$"}
    return replace(facts, permissions=(*facts.permissions, row))


def _plain_listener(facts: Facts) -> Facts:
    plain = Listener(node="rabbit@rmq2", protocol="http/prometheus", ip_address="::", port=15692, tls=False)
    return replace(facts, overview=replace(facts.overview, listeners=(plain,)))


def _monitoring_may_read(facts: Facts) -> Facts:
    row = {"user": "monitoring", "vhost": "/users", "configure": "^$", "write": "^$", "read": ".*"}
    return replace(facts, permissions=(*facts.permissions, row))


def _canary_may_read_all(facts: Facts) -> Facts:
    row = {"user": "canary", "vhost": "/", "configure": "^$", "write": "^$", "read": ".*"}
    return replace(facts, permissions=(*facts.permissions, row))


def _out_of_sync(facts: Facts) -> Facts:
    passwords = dict(facts.secret_values)
    empty = from_definitions({name: [] for name in ("users", "vhosts", "queues", "bindings", "exchanges")})
    return replace(facts, plan=plan(facts.topology, empty, passwords))


def _one_member_less(facts: Facts) -> Facts:
    return replace(facts, members=(replace(facts.members[0], running=False), *facts.members[1:]))


def _certificates_wanted(facts: Facts) -> Facts:
    tls = replace(facts.topology.tls, client_certificate="required")
    return replace(facts, topology=replace(facts.topology, tls=tls))


def _all_leaders_on_one(facts: Facts) -> Facts:
    return replace(facts, queues=tuple(replace(queue, leader="rabbit@rmq1") for queue in facts.queues))


BROKEN: dict[str, Edit] = {
    "broker-version": _running("4.3.7"),
    "broker-mended": _running("4.3.4"),
    "erlang-supported": _on_a_node(otp_release="29"),
    "erlang-same": _on_a_node(otp_release="28"),
    "all-members": _one_member_less,
    "open-files": _member_has(fd_total=1024),
    "cores": _member_has(processors=2),
    "memory": _on_a_node(total_memory_bytes=GIB),
    "clock-synchronised": _around_has(clocks={"this machine": None}),
    "data-directory-own": _around_has(data_directories={"rmq1": "a", "rmq2": "b", "rmq3": "a"}),
    "memory-watermark": _member_has(mem_limit_bytes=15 * GIB),
    "disk-free-limit": _member_has(disk_free_limit_bytes=50_000_000),
    "no-dead-keys": _on_a_node(configuration="cluster_partition_handling = pause_minority\n"),
    "image-defaults-masked": _on_a_node(default_files=("/etc/rabbitmq/conf.d/10-defaults.conf",)),
    "leader-locator-balanced": _environment("rabbit.queue_leader_locator", '<<"client-local">>'),
    "default-queue-quorum": _environment("rabbit.default_queue_type", "rabbit_classic_queue"),
    "membership-reconciled": _environment("rabbit.quorum_membership_reconciliation_enabled", "false"),
    "membership-target": _environment("rabbit.quorum_membership_reconciliation_target_group_size", "1"),
    "cluster-size-hint": _environment("rabbit.cluster_formation", "[]"),
    "lost-volume-guard": _environment("rabbit.prevent_startup_if_node_was_reset", "false"),
    "consumer-timeout": _environment("rabbit.consumer_timeout", "unset"),
    "channel-limit": _environment("rabbit.channel_max", "2047"),
    "message-size-limit": _environment("rabbit.max_message_size", "1"),
    "net-ticktime": _environment("kernel.net_ticktime", "5"),
    "definitions-once": _environment("rabbit.definitions", "[]"),
    "no-deprecated-features": lambda facts: replace(facts, deprecated_in_use=({"name": "global_qos"},)),
    "feature-flags-on": _row("feature_flags", 0, state="disabled"),
    "guest-absent": _row("users", 0, name="guest"),
    "anonymous-off": _environment("rabbit.auth_mechanisms", "['PLAIN','ANONYMOUS']"),
    "ports-expected": _on_a_node(ports=(5671, 15692)),
    "listeners-tls": _plain_listener,
    "cookie-private": _on_a_node(
        files={"/var/lib/rabbitmq/.erlang.cookie": FileFacts(mode="444", owner=999)}
    ),
    "cookie-equal": _on_a_node(cookie_hash="another"),
    "keys-private": _on_a_node(files={"/etc/rabbitmq/tls/server.key": FileFacts(mode="440", owner=999)}),
    "inter-node-tls": _on_a_node(proto_dist="error"),
    "inter-node-verified": _on_a_node(inter_node_without_certificate="{error,timeout}"),
    "certificates-verify": _listener_has(verified="self-signed certificate"),
    "old-tls-refused": _listener_has(old_versions_refused="TLSv1_1 is accepted"),
    "client-certificates": _certificates_wanted,
    "credentials-asked": _listener_has("metrics", status_without_credentials=200),
    "password-hashes": _row("users", 1, hashing_algorithm="rabbit_password_hashing_md5"),
    "monitoring-powerless": _monitoring_may_read,
    "canary-confined": _canary_may_read_all,
    "certificates-lasting": lambda facts: replace(
        facts, certificates=(HealthCheck(node="rmq1", check="c", passed=False, reason="expiring"),)
    ),
    "account-per-application": _second_vhost,
    "least-privilege": _permission("orders-shop", configure=".*"),
    "vhosts-protected": _row("vhosts", 0, metadata={"protected_from_deletion": False}),
    "default-queue-types": _row("vhosts", 0, default_queue_type="classic"),
    "queue-types": _queue_has(type="classic"),
    "queue-replicas": _queue_has(online=("rabbit@rmq1",)),
    "leaders-balanced": _all_leaders_on_one,
    "policies-effective": _queue_has(policy=None),
    "dead-lettering-safe": _queue_has(effective_policy={"dead-letter-strategy": "at-least-once"}),
    "objects-in-sync": _out_of_sync,
    "container-not-root": _container_has("Config", User=""),
    "node-not-root": _on_a_node(user=0),
    "container-read-only": _container_has("HostConfig", ReadonlyRootfs=False),
    "container-no-capabilities": _container_has("HostConfig", CapAdd=["NET_ADMIN"]),
    "container-no-new-privileges": _container_has("HostConfig", SecurityOpt=[]),
    "container-memory-limit": _container_has("HostConfig", Memory=0),
    "container-processes-limit": _container_has("HostConfig", PidsLimit=None),
    "node-memory-limit": _container_has("HostConfig", Memory=GIB * 9),
    "ports-loopback": _container_has(
        "HostConfig", PortBindings={"5671/tcp": [{"HostIp": "", "HostPort": "1"}]}
    ),
    "container-no-engine-socket": lambda facts: _around_has(
        containers=(
            {**facts.around.containers[0], "Mounts": [{"Source": "/run/docker.sock", "Destination": "/s"}]},
        ),
    )(facts),
    "no-secret-shown": _container_has("Config", Env=["PASSWORD=password-of-operator"]),
}


#: The same where nodes are services of hosts: what is asked of hosts alone, and what is read there otherwise.
BROKEN_ON_HOSTS: dict[str, Edit] = {
    "service-not-root": _service_has(user=0),
    "service-read-only": _service_has(root="rw"),
    "service-no-capabilities": _service_has(capabilities="000001ffffffffff"),
    "service-no-new-privileges": _service_has(no_new_privileges=False),
    "service-memory-limit": _service_has(memory_bytes=None),
    "service-processes-limit": _service_has(processes=None),
    "ports-guarded": _around_has(guarded={"rmq1": frozenset({4369, 25672}), "rmq2": frozenset({4369})}),
    "node-memory-limit": _service_has(memory_bytes=GIB * 9),
    "no-secret-shown": _service_has(shown="Environment=PASSWORD=password-of-operator"),
    "clock-synchronised": _around_has(clocks={"rmq1": True, "rmq2": False, "rmq3": True}),
    "data-directory-own": _around_has(data_directories={"rmq1": "nas:/x (nfs4)", "rmq2": "nas:/x (nfs4)"}),
}


def _verdicts(facts: Facts) -> dict[str, str]:
    return {result.id: result.verdict for result in verify.judge(facts)}


@pytest.mark.parametrize("place", ["good", "good_hosts"])
def test_everything_holds_on_a_good_cluster(place: str, request: pytest.FixtureRequest) -> None:
    results = verify.judge(request.getfixturevalue(place))
    assert [result for result in results if result.verdict != "passed"] == []
    assert verify.passed(results)


def test_every_assertion_is_broken_once_below() -> None:
    ids = [assertion.id for assertion in verify.ASSERTIONS]
    assert len(ids) == len(set(ids))
    on_hosts = {each.id for each in verify.ASSERTIONS if each.on == "hosts"}
    assert set(BROKEN) == set(ids) - on_hosts
    assert set(BROKEN_ON_HOSTS) >= on_hosts


def test_what_cannot_be_asked_of_such_nodes_is_left_out_and_counted(good: Facts, good_hosts: Facts) -> None:
    for facts, other in ((good, "hosts"), (good_hosts, "containers")):
        results = verify.judge(facts)
        left = {each.id for each in verify.ASSERTIONS} - {result.id for result in results}
        assert left == {each.id for each in verify.ASSERTIONS if each.on == other}
        assert f"{len(left)} are for another kind of nodes" in verify.text(results)


@pytest.mark.parametrize("name", BROKEN_ON_HOSTS)
def test_broken_thing_is_caught_on_hosts_too(good_hosts: Facts, name: str) -> None:
    results = {result.id: result for result in verify.judge(BROKEN_ON_HOSTS[name](good_hosts))}
    assert results[name].verdict == "failed"
    assert any(node in results[name].evidence for node in ("rmq1", "rmq2"))


def test_a_host_whose_broker_has_no_service_does_not_pass(good_hosts: Facts) -> None:
    without = _around_has(services=good_hosts.around.services[1:])(good_hosts)
    failed = {result.id for result in verify.judge(without) if result.verdict == "failed"}
    assert failed >= {"service-not-root", "service-no-capabilities", "node-memory-limit"}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_thing_is_caught_with_evidence(good: Facts, name: str) -> None:
    results = {result.id: result for result in verify.judge(BROKEN[name](good))}
    assert results[name].verdict == "failed"
    assert results[name].evidence
    assert not verify.passed(list(results.values()))


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("client-certificates", _listener_has("streams", without_certificate="handshake failure")),
        ("ports-expected", _on_a_node(ports=(5671, 5552))),
        ("ports-expected", lambda facts: replace(facts, topology=_without_streams(facts.topology))),
    ],
)
def test_the_port_of_streams_is_judged_like_the_others(good: Facts, name: str, edit: Edit) -> None:
    assert _verdicts(edit(good))[name] == "failed"
    assert _verdicts(_listener_has("streams", status_without_credentials=None)(good))[
        "credentials-asked"
    ] == ("passed")


def test_who_watches_for_drift_is_no_application(good: Facts) -> None:
    watching = replace(good.topology.users[-1], name="drift", role="application", tags=("administrator",))
    users = (*good.topology.users, watching)
    facts = replace(good, topology=replace(good.topology, users=users))
    assert _verdicts(facts)["account-per-application"] == "failed"
    told = replace(facts, topology=replace(facts.topology, drift_user="drift"))
    assert _verdicts(told)["account-per-application"] == "passed"


def _without_streams(topology: Topology) -> Topology:
    return replace(topology, broker=replace(topology.broker, plugins=("rabbitmq_management",)))


def test_evidence_never_shows_a_secret(good: Facts) -> None:
    shown = verify.text(verify.judge(BROKEN["no-secret-shown"](good)))
    assert "secret of operator" in shown
    assert "password-of" not in shown
    assert "password-of" not in repr(good)


def _waiving(facts: Facts, name: str) -> Facts:
    return replace(facts, topology=replace(facts.topology, waivers=(Waiver(assertion=name, reason="lab"),)))


def test_waiver_counts_only_where_its_assertion_fails(good: Facts) -> None:
    assert _verdicts(_waiving(good, "cores"))["cores"] == "passed"
    (waived,) = [
        each for each in verify.judge(_waiving(BROKEN["cores"](good), "cores")) if each.id == "cores"
    ]
    assert (waived.verdict, waived.reason) == ("waived", "lab")
    assert "waived: lab" in verify.text([waived])
    assert verify.passed([waived])


def test_waiver_of_what_must_hold_does_not_count_and_is_refused(good: Facts) -> None:
    facts = _waiving(BROKEN["guest-absent"](good), "guest-absent")
    assert _verdicts(facts)["guest-absent"] == "failed"
    with pytest.raises(BadInputsError, match="must hold everywhere") as raised:
        verify.check_waivers(facts.topology)
    assert raised.value.exit_code == 2


def test_waiver_of_an_unknown_assertion_names_those_that_can_be_waived(good: Facts) -> None:
    with pytest.raises(BadInputsError, match="no such assertion") as raised:
        verify.check_waivers(_waiving(good, "coers").topology)
    assert "cores" in raised.value.remedy


def test_waivers_of_the_deployed_topology_are_all_known(deployed: Topology) -> None:
    verify.check_waivers(deployed)


def test_result_for_machines_says_verdict_and_evidence(good: Facts) -> None:
    result = verify.as_result(verify.judge(BROKEN["cores"](good)))
    assert result["verdict"] == "failed"
    assert {"id", "level", "title", "verdict", "evidence", "reason"} <= set(result["assertions"][0])


@pytest.mark.parametrize(
    ("line", "dead"),
    [
        ("cluster_formation.randomized_startup_delay_range.min = 1", True),
        ("management.tcp.port = 15672", True),
        ("prometheus.tcp.listener = none", False),
        ("max_channels_per_connection = 5", False),
        ("max_channels = 5", True),
        ("# queue_master_locator = min-masters", False),
        ("queue_master_locator = min-masters", True),
    ],
)
def test_dead_keys(good: Facts, line: str, dead: bool) -> None:
    facts = _on_a_node(configuration=f"{line}\n")(good)
    assert (_verdicts(facts)["no-dead-keys"] == "failed") is dead


@pytest.mark.parametrize(("version", "dead"), [("4.0.5", False), ("4.2.9", False), ("4.3.0", True)])
def test_keys_of_mnesia_are_dead_only_where_there_is_none(good: Facts, version: str, dead: bool) -> None:
    facts = _on_a_node(configuration="cluster_partition_handling = pause_minority\n")(good)
    broker = replace(facts.topology.broker, version=version)
    old = replace(facts, topology=replace(facts.topology, broker=broker))
    assert (_verdicts(old)["no-dead-keys"] == "failed") is dead


def test_keys_are_read_without_comments() -> None:
    assert keys("a.b = c # why\n# d = e\n\nf=g=h\n") == {"a.b": "c", "f": "g=h"}


def test_listening_ports_leave_out_loopback_and_connections() -> None:
    table = """
  sl  local_address rem_address   st tx_queue
   0: 00000000:1111 00000000:0000 0A 00000000:00000000
   1: 0B00007F:8291 00000000:0000 0A 00000000:00000000
   2: 06B3D50A:3D37 01B3D50A:A706 01 00000000:00000000
   3: 00000000000000000000000000000000:1627 00000000000000000000000000000000:0000 0A 0
   4: 00000000000000000000000001000000:2222 00000000000000000000000000000000:0000 0A 0
"""
    assert listening(table) == (4369, 5671)


def test_ports_of_one_user_are_told_from_those_of_a_hosts_other_services() -> None:
    table = """
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 00000000:1627 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 2 1
"""
    assert listening(table) == (22, 5671)
    assert listening(table, user=101) == (5671,)


def _looks(good: Facts, *, bad: int) -> tuple[list[float], Clock, Callable[[], list[AssertionResult]]]:
    """A clock that only sleeping moves, and looks of which the first ``bad`` show a fault."""
    now = [0.0]
    looks: list[float] = []

    def look() -> list[AssertionResult]:
        looks.append(now[0])
        facts = BROKEN["policies-effective"](good) if len(looks) <= bad else good
        return verify.judge(facts)

    def sleep(seconds: float) -> None:
        now[0] += seconds

    return looks, Clock(now=lambda: now[0], sleep=sleep), look


def test_fault_that_is_only_an_old_statistic_is_looked_at_again(good: Facts) -> None:
    looks, clock, look = _looks(good, bad=1)
    assert verify.passed(verify.settled(look, clock))
    assert looks == [0.0, 5.0]


def test_fault_that_stays_fails_after_a_few_looks(good: Facts) -> None:
    looks, clock, look = _looks(good, bad=99)
    assert not verify.passed(verify.settled(look, clock))
    assert looks == [0.0, 5.0, 10.0, 15.0]


def test_sound_cluster_is_looked_at_once(good: Facts) -> None:
    looks, clock, look = _looks(good, bad=0)
    verify.settled(look, clock)
    assert looks == [0.0]
