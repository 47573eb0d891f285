"""Causes that lie in queues, their messages and their consumers. See provocations.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from .provoking import (
    chaos,
    consumer,
    end_load,
    evaluate,
    get,
    heal,
    now_s,
    policy,
    publish,
    purge,
    repeating,
    scratch_queue,
    series,
    tool,
)

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

Began = Iterator[float]
USERS, ORDERS = "/users", "/orders"
SCRATCH = "warren.alerts"
EMAIL, REPORT, CONFIRMATION = "users.email", "users.report", "users.payment-confirmation"
#: Queues with a short promise, by virtual host: left alone, all are late within a minute.
PROMPT = {
    ORDERS: ("orders.work", "payments.work", "orders.priority", "orders.notifications"),
    USERS: (CONFIRMATION, EMAIL),
}


@contextmanager
def _left_there(cluster: ClusterUnderTest, exchange: str, key: str, count: int, queue: str) -> Began:
    """So many messages to the queue of /users that ``exchange`` and ``key`` lead to, and gone after."""
    began = now_s()
    publish(cluster, USERS, exchange, key, count)
    try:
        yield began
    finally:
        purge(cluster, USERS, queue)


def a_queue_without_consumers(cluster: ClusterUnderTest) -> AbstractContextManager[float]:
    return _left_there(cluster, "users.direct", "user.email", 1, EMAIL)


@contextmanager
def an_almost_full_queue(cluster: ClusterUnderTest) -> Began:
    full = scratch_queue(cluster, USERS, SCRATCH, max_length=10, overflow="reject-publish")
    with full, _left_there(cluster, "", SCRATCH, 9, SCRATCH) as began:
        yield began


def more_than_is_promised(cluster: ClusterUnderTest) -> AbstractContextManager[float]:
    promised = cluster.topology.vhost(USERS).queue(REPORT).objective
    assert promised is not None
    assert promised.depth is not None
    return _left_there(cluster, "users.direct", "user.report", promised.depth + 1, REPORT)


def a_message_waits(cluster: ClusterUnderTest) -> AbstractContextManager[float]:
    return _left_there(cluster, "users.direct", "user.payment-confirmed", 1, CONFIRMATION)


@contextmanager
def a_queue_grows(cluster: ClusterUnderTest) -> Began:
    """By about four a second: in half an hour seven times what is promised, in two minutes half of it."""
    began = now_s()
    grow = repeating(
        lambda: publish(cluster, USERS, "users.direct", "user.report", 4), threading.Event(), every_s=1
    )
    with grow:
        yield began
    purge(cluster, USERS, REPORT)


@contextmanager
def a_backlog_drains_ever_slower(cluster: ClusterUnderTest) -> Began:
    """Twenty a second at first, then half of that every twenty seconds."""
    publish(cluster, USERS, "users.direct", "user.payment-confirmed", 2000)
    began = now_s()

    def take() -> None:
        get(
            cluster,
            USERS,
            CONFIRMATION,
            max(1, round(20 / 2 ** ((now_s() - began) / 20))),
            "ack_requeue_false",
        )

    with repeating(take, threading.Event(), every_s=1):
        yield began
    purge(cluster, USERS, CONFIRMATION)


@contextmanager
def consumers_hold_messages_for_long(cluster: ClusterUnderTest) -> Began:
    """Twenty messages in hand and one done each second: held for twenty seconds, of thirty promised."""
    publish(cluster, ORDERS, "orders.direct", "order.created", 400)
    began = now_s()
    with consumer(cluster, ORDERS, "orders.work", prefetch=20, holds_s=1.0):
        yield began
    purge(cluster, ORDERS, "orders.work")


@contextmanager
def a_consumer_hangs(cluster: ClusterUnderTest) -> Began:
    publish(cluster, USERS, "users.direct", "user.email", 5)
    began = now_s()
    with consumer(cluster, USERS, EMAIL, prefetch=5, holds_s=None):
        yield began
    purge(cluster, USERS, EMAIL)


@contextmanager
def a_member_is_taken_away(cluster: ClusterUnderTest) -> Began:
    first, last = cluster.topology.nodes[0].name, cluster.topology.nodes[-1].erlang_name
    arguments = (REPORT, last, "--vhost", USERS)
    began = now_s()
    tool(cluster, first, "rabbitmq-queues", "delete_member", *arguments)
    try:
        yield began
    finally:
        tool(cluster, first, "rabbitmq-queues", "add_member", *arguments)
        cluster.wait_ready()


@contextmanager
def leaders_change_again_and_again(cluster: ClusterUnderTest) -> Began:
    """Each handing over of the leadership is an election, and raises the term."""
    nodes = [f"'{node.erlang_name}'" for node in cluster.topology.nodes]
    began = now_s()
    for round_ in range(6):
        evaluate(
            cluster,
            cluster.topology.nodes[0].name,
            f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{USERS}">>, queue, <<"{REPORT}">>)), '
            f"{{Name, _}} = amqqueue:get_pid(Q), {{ok, _, Leader}} = ra:members({{Name, node()}}), "
            f"Others = [N || N <- [{', '.join(nodes)}], N =/= element(2, Leader)], "
            f"ra:transfer_leadership(Leader, {{Name, lists:nth({round_ % 2 + 1}, Others)}}).",
        )
    try:
        yield began
    finally:
        cluster.wait_ready()


@contextmanager
def commits_are_slow(cluster: ClusterUnderTest) -> Began:
    """Under load, with every packet between two nodes and the others held, so that no majority is quick."""
    with TemporaryDirectory() as folder:
        run, _ = cluster.begin_load(["work", "--rate", "100", "--duration", "10m", "--purge"], Path(folder))
        began = now_s()
        try:
            for node in cluster.topology.nodes[1:]:
                chaos(cluster, "latency", node.name, "--set", "delay_ms=600", "--majority-loss")
            yield began
        finally:
            end_load(run)
            heal(cluster)


@contextmanager
def a_message_is_put_back_too_often(cluster: ClusterUnderTest) -> Began:
    with scratch_queue(cluster, USERS, SCRATCH, delivery_limit=1):
        publish(cluster, USERS, "", SCRATCH, 2)
        began = now_s()
        while get(cluster, USERS, SCRATCH, 2, "reject_requeue_true"):
            assert now_s() - began < 30, "messages came back for good"
        yield began


@contextmanager
def a_message_is_thrown_away(cluster: ClusterUnderTest) -> Began:
    with scratch_queue(cluster, USERS, SCRATCH):
        publish(cluster, USERS, "", SCRATCH, 3)
        began = now_s()
        assert get(cluster, USERS, SCRATCH, 3, "reject_requeue_false") == 3
        yield began


def a_failed_queue_fills(cluster: ClusterUnderTest) -> AbstractContextManager[float]:
    return _left_there(cluster, "users.dlx", "", 40, "users.failed")


@contextmanager
def dead_letters_find_no_room(cluster: ClusterUnderTest) -> Began:
    """Their target is full, so that at-least-once dead-lettering waits for good."""
    with policy(cluster, USERS, r"^users\.failed$", {"max-length": 1, "overflow": "reject-publish"}):
        # A queue says that it is full a moment after it is: twenty dead letters at once could still get in.
        assert any(publish(cluster, USERS, "users.dlx", "", 1) for _ in range(30)), "it never was full"
        publish(cluster, USERS, "users.direct", "user.report", 20)
        began = now_s()
        assert get(cluster, USERS, REPORT, 20, "reject_requeue_false") == 20
        yield began
    waiting = f'warren_queue_messages_dead_lettering{{vhost="{USERS}",queue="{REPORT}"}}'
    # Refused once, a dead letter is sent again after its settle timeout of three minutes.
    cluster.wait_for(lambda: series(cluster, waiting) == 0, "the dead letters to find room", 240)
    purge(cluster, USERS, "users.failed")


@contextmanager
def publishes_are_refused(cluster: ClusterUnderTest) -> Began:
    """Enough to show among all that was published in a scaled day, which is half an hour of tests."""

    def refuse() -> None:
        assert publish(cluster, USERS, "", SCRATCH, 50) > 25, "a full queue takes what it is given"

    with scratch_queue(cluster, USERS, SCRATCH, max_length=1, overflow="reject-publish"):
        publish(cluster, USERS, "", SCRATCH, 5)
        began = now_s()
        with repeating(refuse, threading.Event(), every_s=1):
            yield began


@contextmanager
def many_queues_are_late(cluster: ClusterUnderTest) -> Began:
    began = now_s()
    with ExitStack() as stack:
        for vhost, queues in PROMPT.items():
            stack.callback(purge, cluster, vhost, *queues)
            for queue in queues:
                publish(cluster, vhost, "", queue, 1)
        yield began
