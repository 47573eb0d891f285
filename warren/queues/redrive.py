"""Moves messages out of a failed queue, each at most once per run: published with confirm, then acked.

One message is in hand at a time. Ended in the middle, by a crash too, a run leaves at most that one in both
places; it carries ``warren-redriven`` with the same count in both, so that its consumer can tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from warren.console import Say
from warren.errors import InconclusiveError, RefusedError, WarrenError
from warren.queues.choice import Choice
from warren.queues.message import Message, encoded_again, headers_again, properties_again
from warren.queues.origin import Stay, Target, Way, target
from warren.queues.wire import Hands, Outcome, Taken
from warren.topology import Vhost
from warren.wait import Clock

#: How many messages are looked at before as many are taken: the walk of a look grows with its square.
ROUND = 500
#: A run says how far it is every so many messages.
_TELL_EVERY = 1000
_SLICE_S = 0.2
_REASON_WIDTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to move: from ``queue`` of ``vhost`` whatever ``choice`` means, at most ``limit`` messages, of the
    first ``most`` in the queue, at most ``rate`` a second (None: as fast as confirms come). ``user`` is who
    publishes. ``way`` and ``to_queue`` as in `warren.queues.origin.target`."""

    vhost: Vhost
    queue: str
    choice: Choice
    user: str
    way: Way = "origin"
    to_queue: str = ""
    limit: int | None = None
    rate: float | None = None
    most: int | None = None

    def headers(self, message: Message) -> dict[str, Any]:
        return headers_again(message, queue=self.queue, user=self.user)

    def target(self, message: Message) -> Target | Stay:
        """Where ``message`` goes, or why it stays."""
        found = target(message, self.headers(message), self.vhost, self.way, self.to_queue)
        if isinstance(found, Target) and self.queue in found.queues:
            return Stay(why="would come straight back into this queue: say where to with --to-queue")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Messages of one kind: why and where they died, and where they go (``to``) or why they stay."""

    reason: str
    died_in: str
    to: str
    stays: bool
    messages: int
    without_id: int
    bytes: int
    oldest_s: float | None
    newest_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a redrive would do to the messages that were looked at."""

    rows: tuple[Row, ...]
    looked: int
    waiting: int
    not_meant: int
    beyond_limit: int

    @property
    def moving(self) -> int:
        return sum(row.messages for row in self.rows if not row.stays)


@dataclass(slots=True, kw_only=True)
class Moved:
    """What was done. ``stayed`` by reason; ``in_doubt`` names a message whose publish got no answer: it is in
    the failed queue, and may be at its target too."""

    moved: int = 0
    looked: int = 0
    not_meant: int = 0
    stayed: Counter[str] = field(default_factory=Counter)
    to: Counter[str] = field(default_factory=Counter)
    in_doubt: str = ""
    interrupted: bool = False
    error: WarrenError | None = None

    def as_result(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "moved": self.moved,
            "looked": self.looked,
            "not_meant": self.not_meant,
            "stayed": dict(self.stayed),
            "to": dict(self.to),
            "in_doubt": self.in_doubt or None,
            "interrupted": self.interrupted,
            "trouble": None if self.error is None else str(self.error),
        }


def survey(order: Order, messages: Iterable[Message], *, waiting: int, now: float) -> Survey:
    """What `move` would do with ``messages``, the head of a queue in which ``waiting`` are ready."""
    groups: dict[tuple[str, str, str, bool], list[Message]] = {}
    looked = not_meant = moving = beyond = 0
    for message in messages:
        looked += 1
        if not order.choice.accepts(message, now):
            not_meant += 1
            continue
        found = order.target(message)
        stays = isinstance(found, Stay)
        if not stays and order.limit is not None and moving >= order.limit:
            beyond += 1
            continue
        moving += not stays
        last, first = message.last_death, message.first_death
        key = (
            last.reason if last else "-",
            first.queue if first else "-",
            found.why if isinstance(found, Stay) else str(found),
            stays,
        )
        groups.setdefault(key, []).append(message)
    rows = tuple(_row(key, group, now) for key, group in groups.items())
    ordered = tuple(sorted(rows, key=lambda row: (row.stays, -row.messages, row.died_in, row.reason)))
    return Survey(rows=ordered, looked=looked, waiting=waiting, not_meant=not_meant, beyond_limit=beyond)


def _row(key: tuple[str, str, str, bool], group: Sequence[Message], now: float) -> Row:
    ages = [now - each.died_at for each in group if each.died_at is not None]
    return Row(
        reason=key[0],
        died_in=key[1],
        to=key[2],
        stays=key[3],
        messages=len(group),
        without_id=sum(not each.message_id for each in group),
        bytes=sum(each.size_bytes for each in group),
        oldest_s=max(ages, default=None),
        newest_s=min(ages, default=None),
    )


def refuse_fragile(
    messages: Iterable[Message], limit: int | None, *, where: str, counts_returns: bool
) -> None:
    """Raise RefusedError where the broker would drop one of ``messages``, should we die while we hold it.

    A message comes back with one more failed delivery then, and above the queue's delivery ``limit`` it is
    dead-lettered or dropped; above it already, it is dropped even when it is put back properly.
    ``counts_returns``: a broker before 4.3, which counts whatever is put back.
    """
    if limit is None or limit < 0:
        return
    fragile = [
        each
        for each in messages
        if (max(each.failed, each.acquired) if counts_returns else each.failed) >= limit
    ]
    if fragile:
        most = max(max(each.failed, each.acquired) if counts_returns else each.failed for each in fragile)
        raise RefusedError(
            where,
            f"{len(fragile)} messages have up to {most} failed deliveries behind them, and the delivery limit"
            f" of this queue is {limit}: to take one out and not bring it elsewhere would lose it",
            f"give this queue a delivery-limit above {most} by its policy (-1: none), then run it again",
        )


def move(
    hands: Hands,
    order: Order,
    *,
    now: Callable[[], float],
    say: Say,
    clock: Clock,
    stopped: Callable[[], bool] = lambda: False,
    ahead: Callable[[int], None] = lambda _: None,
) -> Moved:
    """Move what ``order`` says and return what was done; whatever is left is put back in its order.

    Only as many are taken as waited when it began, so that one that fails again at once is not taken twice.
    ``ahead`` is called with the number of messages that are taken next and may raise RefusedError: the run
    ends there. ``stopped`` is asked before each message. ``now`` is Unix time. What went wrong is in the
    result (``error``), beside what was done before.
    """
    done, held = Moved(), []
    full: set[str] = set()
    waiting = hands.waiting()
    most = waiting if order.most is None else min(waiting, order.most)
    began_s = clock.now()
    try:
        while done.looked < most and (order.limit is None or done.moved < order.limit):
            if done.looked % ROUND == 0:
                ahead(min(ROUND, most - done.looked))
            if order.rate is not None:
                _pace(hands, began_s + done.moved / order.rate, clock, stopped)
            if stopped():
                done.interrupted = True
                break
            taken = hands.take()
            if taken is None:
                break
            done.looked += 1
            if _one(hands, order, taken, done, full=full, now=now()):
                if done.moved % _TELL_EVERY == 0:
                    say(f"{done.moved} moved")
            else:
                held.append(taken.tag)
        hands.give_back(held)
    except WarrenError as error:
        done.error = error
        _try_to_give_back(hands, held)
    return done


def _try_to_give_back(hands: Hands, held: list[int]) -> None:
    """Where the connection is gone the broker has put them back itself."""
    try:
        hands.give_back(held)
    except WarrenError:
        return


def _one(hands: Hands, order: Order, taken: Taken, done: Moved, *, full: set[str], now: float) -> bool:
    """Move one message that was taken; False where it stays and is to be put back."""
    message = taken.message
    if not order.choice.accepts(message, now):
        done.not_meant += 1
        return False
    found = order.target(message)
    if isinstance(found, Stay):
        done.stayed[found.why] += 1
        return False
    if str(found) in full:
        done.stayed[f"{found} takes no more"] += 1
        return False
    done.in_doubt = message.message_id or f"one without an id, for {found}"
    try:
        headers = order.headers(message)
        outcome = hands.publish(
            found.exchange,
            found.keys,
            properties=properties_again(message, user=order.user),
            headers=headers,
            encoded=encoded_again(message, headers),
            body=message.body,
        )
    except InconclusiveError as error:  # it cannot be written down: nothing was sent
        done.in_doubt = ""
        done.stayed[error.what[:_REASON_WIDTH]] += 1
        return False
    if outcome is Outcome.CONFIRMED:
        hands.done(taken.tag)
        done.moved += 1
        done.to[str(found)] += 1
    elif outcome is Outcome.RETURNED:
        done.stayed[f"{found} routes it nowhere"] += 1
    else:
        full.add(str(found))
        done.stayed[f"{found} takes no more"] += 1
    done.in_doubt = ""
    return outcome is Outcome.CONFIRMED


def _pace(hands: Hands, due_s: float, clock: Clock, stopped: Callable[[], bool]) -> None:
    while (left := due_s - clock.now()) > 0 and not stopped():
        hands.rest(min(left, _SLICE_S))
