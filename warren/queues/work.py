"""Wires the parts of the queue commands to one cluster: who asks, over what, and as whom."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from warren import connection
from warren.context import Context
from warren.errors import BadInputError, NotReadyError, RefusedError, WarrenError
from warren.management import QueueInfo
from warren.nearest import meant
from warren.queues import listing, looking, redrive
from warren.queues.choice import Choice
from warren.queues.message import Message
from warren.queues.origin import Way, view
from warren.queues.wire import AmqpHands, Hands, Taken
from warren.topology import Node

#: A connection that the broker blocks (an alarm) is given up after this.
_BLOCKED_S = 30.0
#: From this version on ``basic.nack`` does not count against the delivery limit.
_NACK_IS_FREE = (4, 3)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One queue of one cluster, and what can be done with it."""

    context: Context
    info: QueueInfo
    now: Callable[[], float] = time.time

    @property
    def title(self) -> str:
        return f"{self.info.vhost}:{self.info.name}"

    @cached_property
    def user(self) -> str:
        return self.context.topology.account("operator").name

    @property
    def looks_freely(self) -> bool:
        """Whether it can be looked into without taking anything out."""
        return self.info.type == "quorum"

    def look(self, first: int, count: int, *, bytes_shown: int = looking.NO_BODY) -> tuple[Message, ...]:
        """The messages at positions ``first`` to ``first + count - 1``; those of a classic queue are taken
        and put back."""
        last = first + count - 1
        if self.looks_freely:
            return looking.look(
                self.context.nodes,
                vhost=self.info.vhost,
                queue=self.info.name,
                first=first,
                last=last,
                bytes_shown=bytes_shown,
            )
        with self.hands() as hands:
            return look_by_taking(hands, first, last)

    def order(
        self,
        choice: Choice,
        *,
        way: Way,
        to_queue: str,
        limit: int | None,
        rate: float | None,
        most: int | None,
    ) -> redrive.Order:
        """An order over the virtual host as it is now. Raises BadInputError where ``to_queue`` is not
        there."""
        client, vhost = self.context.management, self.info.vhost
        queues = client.queues(vhost)
        if to_queue and all(each.name != to_queue for each in queues):
            remedy = meant(to_queue, {each.name for each in queues}, "warren queue list names them")
            raise BadInputError("--to-queue", f"no queue '{to_queue}' in {vhost}", remedy)
        if to_queue == self.info.name:
            raise BadInputError("--to-queue", "names the queue that is to be emptied", "name another")
        seen = view(vhost, client.rows("exchanges", vhost), queues, client.rows("bindings", vhost))
        return redrive.Order(
            vhost=seen,
            queue=self.info.name,
            choice=choice,
            user=self.user,
            way=way,
            to_queue=to_queue,
            limit=limit,
            rate=rate,
            most=most,
        )

    def survey(self, order: redrive.Order) -> redrive.Survey:
        """What ``order`` would do, of the head of the queue."""
        most = looking.MOST if order.most is None else min(order.most, looking.MOST)
        messages = self.look(1, most)
        waiting = self.context.management.queue(self.info.vhost, self.info.name).messages_ready
        return redrive.survey(order, messages, waiting=max(waiting or 0, len(messages)), now=self.now())

    def move(self, order: redrive.Order, *, stopped: Callable[[], bool]) -> redrive.Moved:
        """Do what ``order`` says."""
        with self.hands() as hands:
            return redrive.move(
                hands,
                order,
                now=self.now,
                say=self.context.say,
                clock=self.context.clock,
                stopped=stopped,
                ahead=self._refuse_fragile,
            )

    def _refuse_fragile(self, count: int) -> None:
        """Look at the next ``count`` messages before they are taken, where holding one could lose it."""
        limit = listing.delivery_limit(self.info)
        if limit is None:
            return
        redrive.refuse_fragile(
            self.look(1, count),
            limit,
            where=f"queue {self.title}",
            counts_returns=self.context.topology.broker.series < _NACK_IS_FREE,
        )

    @contextmanager
    def hands(self) -> Iterator[AmqpHands]:
        """A connection for this queue, to the first node that takes one."""
        hands = self._first_that_opens()
        try:
            yield hands
        finally:
            hands.close()

    def _first_that_opens(self) -> AmqpHands:
        last: WarrenError = NotReadyError("the cluster", "has no node")
        for node in self.context.topology.nodes:
            hands = self._hands_on(node)
            try:
                hands.open()
            except RefusedError:
                hands.close()
                raise
            except NotReadyError as error:
                hands.close()
                last = error
            else:
                return hands
        raise last

    def _hands_on(self, node: Node) -> AmqpHands:
        context = self.context
        pair = context.pki.leaf("clients", self.user)
        tls = connection.tls_context(
            connection.TlsMaterial(
                ca_path=context.cluster_ca, client_cert_path=pair.certificate, client_key_path=pair.key
            )
        )
        port = context.topology.published_node(node.name, "amqps")
        wanted = connection.parameters(
            connection.Endpoint(name=node.name, host="127.0.0.1", port=port),
            vhost=self.info.vhost,
            credentials=connection.Credentials(username=self.user, password=context.secrets.read(self.user)),
            tls=tls,
            connection_name=f"warren queue ({self.info.name})",
            blocked_timeout_s=_BLOCKED_S,
        )
        return AmqpHands(wanted, self.info.name)


def look_by_taking(hands: Hands, first: int, last: int) -> tuple[Message, ...]:
    """What stands at these positions, all of it taken from the head on and put back in its order."""
    taken: list[Taken] = []
    while len(taken) < last and (one := hands.take()) is not None:
        taken.append(one)
    hands.give_back([one.tag for one in taken])
    return tuple(one.message for one in taken[first - 1 :])


def desk(context: Context, given: str) -> Desk:
    """The queue called exactly ``given`` (``name`` or ``vhost:name``); raises BadInputError where there is
    none. A stream is refused: nothing can be taken out of it."""
    info = listing.exactly(context.management.queues(), given)
    if info.type == "stream":
        raise BadInputError(
            "QUEUE", f"'{given}' is a stream: it is read from an offset on, and nothing is taken out of it",
            "warren load run stream shows how a stream is read",
        )  # fmt: skip
    return Desk(context=context, info=info)


def purge(found: Desk, *, agreed: bool) -> int:
    """Remove every message of the queue that is ready, for ever; returns how many the broker removed. Those
    that consumers hold stay. Raises RefusedError where there are any and nobody ``agreed``: then none is
    removed either of what comes in this moment."""
    with found.hands() as hands:
        if agreed:
            return hands.purge()
        if waiting := hands.waiting():
            raise RefusedError(
                f"queue {found.title}",
                f"holds {waiting:,} messages, which would be gone for ever",
                f"warren queue peek {found.title} shows them; to remove them: warren queue purge "
                f"{found.title} --yes",
            )
        return 0
