"""Keeps a plan from deleting what somebody still needs: messages, consumers, connected users.

Quorum queues and streams refuse the ``if-empty`` and ``if-unused`` flags of a deletion (HTTP 400 from
RabbitMQ 4.3), so that the looking is done here, right before the deletion: counters may be 5 s old, so the
queue itself is asked for a message, which is put back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from warren.errors import BadInputError, RefusedError
from warren.links import objects as links
from warren.management import ApiError, ManagementClient, NotFoundError
from warren.objects.model import BrokerObject, Kind
from warren.objects.steps import Action, Step

#: Where the plugin of a link tells of its state; without the plugin nothing answers there.
_STATE_OF = {links.SHOVEL: "shovels", links.UPSTREAM: "federation-links"}
_LOOK = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto", "truncate": 1}


def declared_type(queue: BrokerObject) -> str:
    """The type that a queue object was declared with."""
    return str(queue.body["arguments"].get("x-queue-type", "classic"))


def refuse_losses(client: ManagementClient, steps: Iterable[Step]) -> None:
    """Raise RefusedError with every reason why one of ``steps`` would lose something."""
    reasons = [reason for step in steps for reason in _reasons(client, step)]
    if reasons:
        lines = "".join(f"\n    {reason}" for reason in reasons)
        raise RefusedError(
            "the running cluster",
            f"deleting would lose what is in use:{lines}",
            "drain the queues and stop who uses them, or keep the objects in the topology",
        )


def refuse_without_plugins(client: ManagementClient, steps: Iterable[Step]) -> None:
    """Raise RefusedError, before anything is written, where ``steps`` need a plugin that nodes run without:
    the broker would take some of them and refuse the others."""
    needed = {
        _STATE_OF[step.target.name[0]]
        for step in steps
        if step.action is not Action.EXTRA
        and step.target.kind is Kind.PARAMETER
        and step.target.name[0] in _STATE_OF
    }
    for path in sorted(needed):
        try:
            client.rows(path)
        except NotFoundError:
            what = f"nodes run without the plugins that {path.replace('-', ' ')} need; nothing was changed"
            remedy = "stop and start with them, messages are kept: make cluster-down cluster-up"
            raise RefusedError("the running cluster", what, remedy) from None


def refuse_loss(client: ManagementClient, step: Step) -> None:
    """`refuse_losses` of one step, asked again right before it is done."""
    refuse_losses(client, (step,))


def _reasons(client: ManagementClient, step: Step) -> Iterator[str]:
    if step.action not in (Action.EXTRA, Action.RECREATE):
        return
    one = step.target
    if one.kind is Kind.QUEUE:
        yield from _queue(client, one.vhost, one.name[0])
    elif one.kind is Kind.VHOST:
        yield from _vhost(client, one)
    elif one.kind is Kind.USER:
        yield from _user(client, one.name[0])


def _vhost(client: ManagementClient, one: BrokerObject) -> Iterator[str]:
    if one.body.get("protected_from_deletion"):
        yield f"{one.title}: it is protected from deletion"
        return
    for queue in client.queues(one.vhost):
        yield from _queue(client, queue.vhost, queue.name)


def _queue(client: ManagementClient, vhost: str, name: str) -> Iterator[str]:
    title = f"queue {name} in {vhost}"
    try:
        queue = client.queue(vhost, name)
        consumers = _consumers(client, vhost, name)
        messages = (queue.messages or 0) + (queue.messages_dlx or 0)
        if consumers:
            yield f"{title}: {consumers} consumers"
        elif messages or _has_a_message(client, vhost, name, queue.type):
            yield f"{title}: {messages or 'some'} messages"
    except NotFoundError:
        return  # gone already


def _consumers(client: ManagementClient, vhost: str, name: str) -> int:
    """Consumers by the list that the broker keeps by event, not by the counters."""
    rows = client.rows("consumers", vhost)
    return sum(1 for row in rows if (row.get("queue") or {}).get("name") == name)


def _has_a_message(client: ManagementClient, vhost: str, name: str, kind: str) -> bool:
    if kind == "stream":
        return False  # a stream has no get; its counter is all there is
    try:
        answer: Any = client.post("queues", vhost, name, "get", body=_LOOK)
    except NotFoundError:
        return False
    except (BadInputError, ApiError) as error:
        raise RefusedError(
            f"queue {name} in {vhost}",
            f"cannot be looked into before it is deleted: {error.what}",
            f"may user '{client.user}' read it?",
        ) from error
    return bool(answer)


def _user(client: ManagementClient, name: str) -> Iterator[str]:
    if name == client.user:
        yield f"user {name}: it is the one that makes this change"
        return
    connections = client.rows("connections", "username", name)
    if connections:
        yield f"user {name}: {len(connections)} open connections"
