"""Tries of the permission matrix at a broker, over AMQP: see permission_matrix.py for why none has an
effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker, ConnectionClosedByBroker

from warren.connection import Credentials, Endpoint, parameters

from .attack import PATIENCE_S, Port, Target, client_context
from .permission_matrix import UNBOUND, Try

#: Nobody's account: the broker refuses a message in its name from everybody.
_SOMEBODY = "warren.attack.somebody"


def connect(
    target: Target, port: Port, user: str, vhost: str, *, password: str | None = None
) -> pika.BlockingConnection:
    """As ``user``, with its own password where no other is given."""
    wanted = parameters(
        Endpoint(name=port.owner, host=port.host, port=port.port),
        vhost=vhost,
        credentials=Credentials(
            username=user, password=target.password(user) if password is None else password
        ),
        tls=client_context(target, target.client_pair(port)),
        connection_name="attack",
        connect_timeout_s=PATIENCE_S,
    )
    return pika.BlockingConnection(wanted)


def reason(error: Exception) -> str:
    """What the broker said, through pika's own wrappings."""
    return str(error) or repr(error)


def may_enter(target: Target, port: Port, user: str, vhost: str) -> bool:
    try:
        connect(target, port, user, vhost).close()
    except (AMQPConnectionError, ConnectionClosedByBroker):
        return False
    return True


def code(connection: pika.BlockingConnection, each: Try) -> int:
    """The code with which the broker refuses ``each``; 0 where it took it."""
    channel = connection.channel()
    try:
        _ACTS[each.operation, each.kind](channel, each)
        channel.close()
    except ChannelClosedByBroker as refused:
        return int(refused.reply_code)
    return 0


def _declare_exchange(channel: BlockingChannel, each: Try) -> None:
    """Of a type that there is not: where a name is free nothing is declared either."""
    channel.exchange_declare(
        each.name, exchange_type="headers", durable=False, internal=True, arguments={"x": 1}
    )


def _declare_queue(channel: BlockingChannel, each: Try) -> None:
    channel.queue_declare(
        each.name, durable=True, arguments={"x-max-length": "none", "x-queue-type": "quorum"}
    )


def _publish(channel: BlockingChannel, each: Try) -> None:
    channel.confirm_delivery()
    channel.basic_publish(each.name, each.other, b"", pika.BasicProperties(user_id=_SOMEBODY))


def _consume(channel: BlockingChannel, each: Try) -> None:
    channel.basic_consume(each.name, lambda *_: None, arguments={"x-priority": "none"})


def _unbind(channel: BlockingChannel, each: Try) -> None:
    channel.queue_unbind(each.other, each.name, UNBOUND)


_ACTS: Mapping[tuple[str, str], Callable[[BlockingChannel, Try], None]] = {
    ("configure", "exchange"): _declare_exchange,
    ("configure", "queue"): _declare_queue,
    ("publish", "exchange"): _publish,
    ("read", "queue"): _consume,
    ("bind", "exchange"): _unbind,
}
