"""Causes that lie in nodes, clients and the monitoring itself. See provocations.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from loadgen.acting import MemoryAlarm
from warren import alarms, service_bundle
from warren import cluster as cluster_engine
from warren.bundle import Volume

from .provoking import (
    chaos,
    connection,
    container,
    docker,
    end_load,
    evaluate,
    heal,
    log_in_wrongly,
    now_s,
    publish,
    repeating,
    series,
    tool,
    without,
)

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

Began = Iterator[float]
_MIB = 1024 * 1024
_FILL = "/var/lib/rabbitmq/warren-alerts-fill"


@contextmanager
def a_node_is_killed(cluster: ClusterUnderTest) -> Began:
    began = now_s()
    chaos(cluster, "kill", cluster.topology.nodes[-1].name)
    try:
        yield began
    finally:
        heal(cluster)


@contextmanager
def a_node_is_restarted(cluster: ClusterUnderTest) -> Began:
    """At once, so that the alert on a node that is down has hardly the time."""
    node = cluster.topology.nodes[-1].name
    began = now_s()
    cluster.runtime.kill(node)
    cluster.runtime.start(node)
    try:
        yield began
    finally:
        cluster.wait_ready()


@contextmanager
def two_nodes_refuse_each_other(cluster: ClusterUnderTest) -> Began:
    """The first node has a wrong cookie for the second, so that neither gets through to the other."""
    one, two = (node.name for node in cluster.topology.nodes[:2])
    name = f"'{cluster.topology.nodes[1].erlang_name}'"
    began = now_s()
    evaluate(cluster, one, f"erlang:set_cookie({name}, wrong), erlang:disconnect_node({name}).")
    try:
        yield began
    finally:
        evaluate(cluster, one, f"erlang:set_cookie({name}, erlang:get_cookie()), net_adm:ping({name}).")
        cluster.wait_for(
            lambda: "rabbit@" + one in evaluate(cluster, two, "nodes()."), "the two to meet", 120
        )
        cluster.wait_ready()


@contextmanager
def the_majority_is_gone(cluster: ClusterUnderTest) -> Began:
    chaos(cluster, "kill", cluster.topology.nodes[2].name)
    began = now_s()
    chaos(cluster, "kill", cluster.topology.nodes[1].name, "--majority-loss")
    try:
        yield began
    finally:
        heal(cluster)


@contextmanager
def one_node_leads_all(cluster: ClusterUnderTest) -> Began:
    node = cluster.topology.nodes[0]
    lead = (
        "[ra:transfer_leadership(amqqueue:get_pid(Q), {element(1, amqqueue:get_pid(Q)), "
        f"'{node.erlang_name}'}}) || Q <- rabbit_amqqueue:list(), "
        "amqqueue:get_type(Q) =:= rabbit_quorum_queue]."
    )
    began = now_s()
    evaluate(cluster, node.name, lead)
    try:
        yield began
    finally:
        cluster_engine.balance_leaders(cluster.context)


@contextmanager
def memory_is_almost_at_the_watermark(cluster: ClusterUnderTest) -> Began:
    node = cluster.topology.nodes[0].name
    used = series(cluster, f'rabbitmq_process_resident_memory_bytes{{job="rabbitmq",node="{node}"}}')
    began = now_s()
    tool(cluster, node, "rabbitmqctl", "set_vm_memory_high_watermark", "absolute", str(int(used / 0.92)))
    try:
        yield began
    finally:
        MemoryAlarm(cluster.runtime, cluster.topology).undo()


@contextmanager
def memory_alarm_under_load(cluster: ClusterUnderTest) -> Began:
    alarm = MemoryAlarm(cluster.runtime, cluster.topology)
    with TemporaryDirectory() as folder:
        run, _ = cluster.begin_load(["work", "--rate", "20", "--duration", "10m", "--purge"], Path(folder))
        began = now_s()
        try:
            alarm.start()
            yield began
        finally:
            alarm.undo()
            end_load(run)


@contextmanager
def disk_alarm(cluster: ClusterUnderTest) -> Began:
    node = cluster.topology.nodes[0].name
    began = now_s()
    alarms.provoke(cluster.runtime, node, "disk")
    try:
        yield began
    finally:
        alarms.lift(cluster.runtime, cluster.topology, node, "disk")


@contextmanager
def a_disk_fills(cluster: ClusterUnderTest, node: str = "rmq1") -> Began:
    """Ten megabytes every five seconds, towards a limit that is raised to just below what is free."""
    free = series(cluster, f'rabbitmq_disk_space_available_bytes{{job="rabbitmq",node="{node}"}}')
    ended = threading.Event()
    more = f"dd if=/dev/zero bs=1M count=10 oflag=append conv=notrunc of={_FILL} 2>/dev/null"
    began = now_s()
    tool(cluster, node, "rabbitmqctl", "set_disk_free_limit", str(int(free) - 3000 * _MIB))
    try:
        with repeating(lambda: str(tool(cluster, node, "sh", "-c", more)), ended, every_s=5):
            yield began
    finally:
        tool(cluster, node, "rm", "-f", _FILL)
        alarms.lift(cluster.runtime, cluster.topology, node, "disk")


@contextmanager
def the_disk_of_a_second_node_fills(cluster: ClusterUnderTest) -> Began:
    with a_disk_fills(cluster, "rmq2") as began:
        yield began


@contextmanager
def nobody_takes_what_is_published(cluster: ClusterUnderTest) -> Began:
    began = now_s()
    publish(cluster, "/orders", "orders.direct", "nobody.binds.this", 3)
    yield began


@contextmanager
def clients_that_do_not_stay(cluster: ClusterUnderTest) -> Began:
    with TemporaryDirectory() as folder:
        began = now_s()
        run, _ = cluster.begin_load(["churn", "--rate", "400", "--duration", "5m"], Path(folder))
        try:
            yield began
        finally:
            end_load(run)


@contextmanager
def as_many_connections_as_may_be(cluster: ClusterUnderTest) -> Began:
    """Held first, then allowed no more than these: a lower limit closes nobody's."""
    vhost, held = cluster.topology.vhost("/users"), 4
    limit = ("vhost-limits", vhost.name, "max-connections")
    with ExitStack() as stack:
        for _ in range(held):
            stack.enter_context(connection(cluster, vhost.name))
        began = now_s()
        cluster.management.put(*limit, body={"value": held})
        try:
            yield began
        finally:
            cluster.management.delete(*limit)  # the topology has none: docs/adr/0018-one-counted-limit.md


@contextmanager
def logins_fail(cluster: ClusterUnderTest) -> Began:
    began = now_s()
    with repeating(lambda: log_in_wrongly(cluster), threading.Event(), every_s=1):
        yield began


@contextmanager
def the_exporter_is_gone(cluster: ClusterUnderTest) -> Began:
    began = now_s()
    with without(cluster, "exporter"):
        yield began


@contextmanager
def alertmanager_is_gone(cluster: ClusterUnderTest) -> Began:
    began = now_s()
    with without(cluster, "alertmanager"):
        yield began


@contextmanager
def prometheus_stands_still(cluster: ClusterUnderTest) -> Began:
    """For two evaluations and a bit, but not for as long as the window in which they are missed."""
    name = container(cluster, "prometheus")
    began = now_s()
    docker(cluster, "pause", name)
    try:
        threading.Event().wait(12)
    finally:
        docker(cluster, "unpause", name)
    yield began


@contextmanager
def a_configuration_is_broken(cluster: ClusterUnderTest) -> Began:
    """Of Alertmanager, in its volume; it goes on with the one that it has read."""
    (whole,) = (
        each
        for each in service_bundle.volumes(cluster.context.material, grafana=False)
        if each.name == "alertmanager-config"
    )
    broken = Volume(
        name=whole.name,
        uid=whole.uid,
        gid=whole.gid,
        files={**whole.files, "alertmanager.yml": (b"route: [\n", 0o400)},
    )
    name = container(cluster, "alertmanager")
    image = docker(cluster, "inspect", "--format", "{{.Image}}", container(cluster, "rmq1")).strip()
    began = now_s()
    cluster.runtime.fill([broken], image=image)
    docker(cluster, "kill", "--signal", "HUP", name)
    try:
        yield began
    finally:
        cluster.runtime.fill([whole], image=image)
        docker(cluster, "kill", "--signal", "HUP", name)
