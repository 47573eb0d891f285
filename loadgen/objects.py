"""The profile's own exchanges, queues and bindings: declared before a run, deleted after it, over AMQP.

So a profile runs on any cluster on which its account may declare them. Their names are reserved
(`warren.topology.RESERVED_PREFIX`), so nobody else's can be met; what a killed run left is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import pika
from pika import exceptions
from pika.adapters.blocking_connection import BlockingChannel

from loadgen.roles import Objects
from loadgen.spec import LoadSpec
from warren.connection import TlsMaterial, parameters, tls_context
from warren.connection_errors import describe
from warren.errors import NotReadyError
from warren.topology import RESERVED_PREFIX, Queue
from warren.wait import until

#: A virtual host that was just made comes up on every node within this, a quorum queue elects its leader.
_DEADLINE_S = 30.0
_NOT_FOUND = 404
#: Answers that stay the same however often one asks: the account, its rights, arguments that do not fit.
_FOR_GOOD = (
    exceptions.ProbableAuthenticationError,
    exceptions.ProbableAccessDeniedError,
    exceptions.ChannelClosedByBroker,
)

Connect = Callable[[], pika.BlockingConnection]


@contextmanager
def declared(spec: LoadSpec, *, connect: Connect | None = None) -> Iterator[None]:
    """The objects of ``spec`` for as long as the context lasts; nothing where it has none.

    Raises NotReadyError, with the broker's reason, when they cannot be declared or somebody consumes
    from a queue of these names.
    """
    if spec.objects is None:
        yield
        return
    objects, dial = spec.objects, connect or (lambda: _connect(spec))
    refused = until(
        lambda: _attempt(dial, objects),
        what="the profile's queues to be declared",
        deadline_s=_DEADLINE_S,
        every_s=1.0,
    )
    if refused is not None:
        raise refused
    try:
        yield
    finally:
        if not spec.keep_objects:
            with suppress(NotReadyError):
                _with(dial, lambda channels: delete(channels, objects))


def connections(spec: LoadSpec) -> int:
    """How many connections `declared` opens in all."""
    return 0 if spec.objects is None else 1 if spec.keep_objects else 2


def declare(connection: pika.BlockingConnection, objects: Objects) -> None:
    """Declare everything anew and wait until each queue answers."""
    for queue in objects.queues:
        _refuse_strangers(connection, queue)
    delete(connection, objects)
    channel = connection.channel()
    for exchange in objects.exchanges:
        channel.exchange_declare(
            exchange.name,
            exchange_type=exchange.type,
            durable=exchange.durable,
            internal=exchange.internal,
            arguments=dict(exchange.arguments),
        )
    for queue in objects.queues:
        arguments = {"x-queue-type": queue.type, **queue.arguments}
        channel.queue_declare(queue.name, durable=queue.durable, arguments=arguments)
    for binding in objects.bindings:
        bind = channel.queue_bind if binding.destination_type == "queue" else channel.exchange_bind
        bind(
            binding.destination,
            binding.source,
            routing_key=binding.routing_key,
            arguments=dict(binding.arguments),
        )
    for queue in objects.queues:
        channel.queue_declare(queue.name, passive=True)
    channel.close()


def delete(connection: pika.BlockingConnection, objects: Objects) -> None:
    """Delete everything; what is not there is no fault (https://www.rabbitmq.com/docs/specification)."""
    channel = connection.channel()
    for queue in objects.queues:
        channel.queue_delete(_reserved(queue.name))
    for exchange in objects.exchanges:
        channel.exchange_delete(_reserved(exchange.name))
    channel.close()


def _reserved(name: str) -> str:
    """``name``, which must be the profile's own: nothing else is ever deleted."""
    if not name.startswith(RESERVED_PREFIX):
        raise ValueError(f"{name} is not the profile's own")
    return name


def _refuse_strangers(connection: pika.BlockingConnection, queue: Queue) -> None:
    """A queue that somebody consumes belongs to a run that still lasts."""
    channel: BlockingChannel = connection.channel()
    try:
        found = channel.queue_declare(queue.name, passive=True)
    except exceptions.ChannelClosedByBroker as error:
        if error.reply_code == _NOT_FOUND:
            return
        raise
    consumers = int(found.method.consumer_count)
    channel.close()
    if consumers:
        raise NotReadyError(
            f"queue {queue.name}", f"has {consumers} consumers: another run uses it", "end that"
        )


def _attempt(connect: Connect, objects: Objects) -> NotReadyError | None:
    """Declare; returns what no second attempt would mend, raises NotReadyError for the rest."""
    try:
        _with(connect, lambda connection: declare(connection, objects))
    except NotReadyError as error:
        if isinstance(error.__cause__, _FOR_GOOD):
            return error
        raise
    return None


def _with(connect: Connect, act: Callable[[pika.BlockingConnection], None]) -> None:
    """Do ``act`` on a connection of its own; raises NotReadyError with the innermost reason."""
    try:
        connection = connect()
        try:
            act(connection)
        finally:
            with suppress(exceptions.AMQPError):
                connection.close()
    except (exceptions.AMQPError, OSError) as error:
        raise NotReadyError(
            "the profile's objects", describe(error), "see that the account may declare"
        ) from error


def _connect(spec: LoadSpec) -> pika.BlockingConnection:
    """A connection as the account that declares, to the first node that answers."""
    assert spec.objects is not None  # noqa: S101 - asked by the caller
    credentials = spec.credentials(spec.objects.user)
    tls = None
    if spec.ca_pem is not None:
        tls = tls_context(TlsMaterial(ca_pem=spec.ca_pem or None, client_pem=credentials.client_pem))
    ways: Sequence[pika.ConnectionParameters] = [
        parameters(
            endpoint,
            vhost=spec.vhost,
            credentials=credentials,
            tls=tls,
            connection_name=f"warren-load {spec.run_id} objects",
            blocked_timeout_s=_DEADLINE_S,
        )
        for endpoint in spec.endpoints
    ]
    return pika.BlockingConnection(ways)
