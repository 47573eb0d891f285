"""Limits hold against who wants more: connections and channels of a user, queues and connections of a vhost,
the length of a queue, the size of a message, and what an operator policy bounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pika
import pytest
from pika.exceptions import AMQPError, ChannelClosedByBroker, NackError

from warren.connection import HEARTBEAT_S
from warren.topology import User

from . import attack, trying
from .attack import Port, Target

PREFIX = "warren.attack"


def _scarcest(target: Target, kind: str) -> tuple[User, str]:
    """The application's account with the fewest connections or channels, and a vhost that it may enter."""
    users = [user for user in target.topology.users if getattr(user, kind) and user.role == "application"]
    found = [
        (user, vhost.name)
        for user in users
        for vhost in target.topology.vhosts
        if any(row.user == user.name for row in vhost.permissions)
    ]
    if not found:
        pytest.skip(f"the topology limits nobody's {kind}")
    return min(found, key=lambda pair: (getattr(pair[0], kind), pair[0].name))


@contextmanager
def _many(target: Target, user: str, vhost: str) -> Iterator[list[pika.BlockingConnection]]:
    opened: list[pika.BlockingConnection] = []
    try:
        yield opened
    finally:
        for each in opened:
            with suppress(AMQPError):
                each.close()


def test_user_has_no_more_connections_than_it_may(target: Target) -> None:
    """Over all nodes together; one that is closed can be had again, if not at once."""
    user, vhost = _scarcest(target, "max_connections")
    most, ports = user.max_connections or 0, target.of("amqps")
    with _many(target, user.name, vhost) as opened:
        for place in range(most):
            opened.append(_connected(target, ports[place % len(ports)], user.name, vhost))
        for port in ports:
            with pytest.raises(AMQPError):
                trying.connect(target, port, user.name, vhost)
        opened.pop().close()
        opened.append(_connected(target, ports[-1], user.name, vhost))


def _connected(target: Target, port: Port, user: str, vhost: str) -> pika.BlockingConnection:
    """The connection, asked for again until nothing that was closed before it can be counted any more.

    Some of those that a client closes in order are counted until their heartbeat runs out: Erlang does not
    always tell the broker that a TLS connection has ended (docs/surprises.md).
    """
    end_s = time.monotonic() + 2 * HEARTBEAT_S + attack.PATIENCE_S
    while True:
        try:
            return trying.connect(target, port, user, vhost)
        except AMQPError:
            if time.monotonic() > end_s:
                raise
        time.sleep(0.2)


def test_user_has_no_more_channels_than_it_may(target: Target) -> None:
    """Of all its connections together."""
    user, vhost = _scarcest(target, "max_channels")
    most = user.max_channels or 0
    with _many(target, user.name, vhost) as opened:
        opened += [trying.connect(target, port, user.name, vhost) for port in target.of("amqps")[:2]]
        for place in range(most):
            opened[place % len(opened)].channel()
        with pytest.raises(AMQPError):
            opened[-1].channel()


def test_connection_is_told_how_many_channels_it_may_have(target: Target) -> None:
    operator, vhost = target.topology.account("operator").name, target.topology.vhosts[0].name
    connection = trying.connect(target, target.one("amqps"), operator, vhost)
    try:
        assert connection._impl.params.channel_max == target.topology.broker.channel_max
    finally:
        connection.close()


@contextmanager
def _channel(
    target: Target, port: Port | None = None
) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    """As the operator, who may declare what is needed; its queues are its connection's own and go with it."""
    operator, vhost = target.topology.account("operator").name, target.topology.vhosts[0].name
    connection = trying.connect(target, port or target.one("amqps"), operator, vhost)
    try:
        yield connection.channel()
    finally:
        with suppress(AMQPError):
            connection.close()


def test_full_queue_takes_no_more(target: Target) -> None:
    """As the topology's own queues do: overflow is reject-publish, and a publisher is told."""
    with _channel(target) as channel:
        arguments = {"x-queue-type": "classic", "x-max-length": 5, "x-overflow": "reject-publish"}
        channel.queue_declare(f"{PREFIX}.length", exclusive=True, arguments=arguments)
        channel.confirm_delivery()
        for _ in range(5):
            channel.basic_publish("", f"{PREFIX}.length", b"x")
        with pytest.raises(NackError):
            channel.basic_publish("", f"{PREFIX}.length", b"x")
        assert channel.queue_declare(f"{PREFIX}.length", passive=True).method.message_count == 5


def _soon(look: Callable[[], object]) -> object:
    """What ``look`` sees once it sees something: the API's figures are up to one statistics interval old."""
    end_s = time.monotonic() + 20
    while not (found := look()) and time.monotonic() < end_s:
        time.sleep(0.5)
    return found


def test_message_that_is_too_big_is_refused(target: Target) -> None:
    with _channel(target) as channel:
        channel.queue_declare(f"{PREFIX}.big", exclusive=True, arguments={"x-queue-type": "classic"})
        channel.confirm_delivery()
        with pytest.raises(ChannelClosedByBroker) as refused:
            channel.basic_publish("", f"{PREFIX}.big", bytes(target.topology.broker.max_message_bytes + 1))
        assert refused.value.reply_code == 406


def test_operator_policy_bounds_what_a_client_asks_for(target: Target) -> None:
    """The deployed one: whoever declares a quorum queue with a higher limit does not get it."""
    vhost = target.topology.vhosts[0]
    policy = next((each for each in vhost.operator_policies if "delivery-limit" in each.definition), None)
    if policy is None:
        pytest.skip("the topology has no operator policy with a delivery limit")
    name = f"{PREFIX}.guarded"
    operator = target.topology.account("operator").name
    path = f"/api/queues/{vhost.name.replace('/', '%2F')}/{name}"

    def seen() -> dict[str, object]:
        login = (operator, target.password(operator))
        return dict(attack.http(target, target.one("management"), "GET", path, login=login).json())

    with _channel(target) as channel:
        channel.queue_declare(
            name, durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
        )
        try:
            definition = _soon(lambda: seen().get("effective_policy_definition"))
            assert isinstance(definition, dict)
            assert definition["delivery-limit"] == policy.definition["delivery-limit"]
        finally:
            channel.queue_delete(name)


@pytest.mark.full
def test_vhost_has_no_more_queues_than_it_may(target: Target) -> None:
    """Filled up with queues that go with their connection; the one too many is refused."""
    vhost = target.topology.vhosts[0]
    most = vhost.limits.get("max-queues")
    if not most or most > 500:
        pytest.skip("the topology's first vhost has no limit of queues, or one beyond what a test may fill")
    with _channel(target) as channel:
        arguments = {"x-queue-type": "classic"}

        def fill() -> None:
            for place in range(most + 1):
                channel.queue_declare(f"{PREFIX}.{place}", exclusive=True, arguments=arguments)

        with pytest.raises(ChannelClosedByBroker) as refused:
            fill()
        assert "queue limit" in str(refused.value)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_vhost_has_no_more_connections_than_it_may(target: Target) -> None:
    vhost, operator = target.topology.vhosts[0], target.topology.account("operator").name
    most = vhost.limits.get("max-connections")
    if not most or most > 500:
        pytest.skip("the topology's first vhost has no limit of connections, or one that a test may not fill")
    ports = target.of("amqps")
    with _many(target, operator, vhost.name) as opened:

        def fill() -> None:
            for place in range(most + 1):
                opened.append(trying.connect(target, ports[place % len(ports)], operator, vhost.name))

        with pytest.raises(AMQPError):
            fill()
