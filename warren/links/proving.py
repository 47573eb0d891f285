"""Publishes at one end of a link and consumes at the other, until all has arrived or time is up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from warren.console import Say
from warren.errors import NotReadyError, WarrenError
from warren.links.proof import Arrival, Ledger, Verdict, judge
from warren.links.status import LinkStatus
from warren.queues.message import Message
from warren.queues.wire import Hands, Outcome
from warren.wait import Clock

#: What our messages say of themselves.
TYPE = "warren.link"
_EMPTY_S = 0.1
_AGAIN_S = 1.0
_LOOK_S = 1.0
#: A thread notices the end of the proof within its answer's deadline (`warren.queues.wire.ANSWER_S`).
_JOIN_S = 45.0


class Desk(Protocol):
    """One queue of one cluster, to which a connection can be had (`warren.queues.work.Desk`)."""

    @property
    def queue(self) -> str: ...

    def hands(self) -> AbstractContextManager[Hands]: ...


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Both ends of a link. What is published to ``exchange`` with ``key`` must arrive in every queue of
    ``targets``; ``beside`` are queues at the source that get it too, and are emptied of it in the end.
    ``waiting`` counts what is still at the source."""

    source: Desk
    exchange: str
    key: str
    targets: Sequence[Desk]
    beside: Sequence[Desk]
    waiting: Callable[[], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How long to publish and how fast (messages a second), how long to wait for what has not arrived, and
    how long to look for a second coming of what has."""

    run: str
    rate: float
    duration_s: float
    drain_s: float
    settle_s: float


@dataclass(slots=True)
class Watch:
    """Counts how often a link that ran stopped, or began anew."""

    cuts: int = 0
    last: LinkStatus | None = None

    def see(self, now: LinkStatus) -> None:
        before = self.last
        if before is not None and before.runs and _place(before) != _place(now):
            self.cuts += 1
        self.last = now


def _place(status: LinkStatus) -> tuple[bool, str, str]:
    return status.runs, status.node, status.since


@dataclass(kw_only=True)
class Proof:
    """One proof. ``look`` asks for the state of the link; it may raise NotReadyError while nobody answers."""

    ends: Ends
    order: Order
    look: Callable[[], LinkStatus]
    say: Say
    clock: Clock = field(default_factory=Clock)
    watch: Watch = field(default_factory=Watch)
    troubles: list[WarrenError] = field(default_factory=list)

    def run(self) -> Verdict:
        """Publish, wait, judge. The first ^C ends the publishing, the second the waiting.

        Raises what a broker refuses (RefusedError); a connection that ends is made again until the end.
        """
        ledger = Ledger(queues=[each.queue for each in self.ends.targets])
        with self._beside(ledger):
            try:
                self._publish(ledger)
            except KeyboardInterrupt:
                self.say("no more is published; waiting for what is under way")
            try:
                self._drain(ledger)
            except KeyboardInterrupt:
                self.say("not waited for any longer")
        stuck = self._stuck() if ledger.missing() else 0
        self._sweep()
        if self.troubles:
            raise self.troubles[0]
        return judge(ledger, stuck=stuck, cuts=self.watch.cuts)

    @contextmanager
    def _beside(self, ledger: Ledger) -> Iterator[None]:
        """Consume each target and watch the link in threads of their own, until the block ends."""
        over = threading.Event()
        works: list[Callable[[], None]] = [lambda: self._watch(over)]
        works += [lambda desk=desk: self._consume(desk, ledger, over) for desk in self.ends.targets]  # type: ignore[misc]
        threads = [threading.Thread(target=work, daemon=True) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join(_JOIN_S)

    def _publish(self, ledger: Ledger) -> None:
        begun, seq = self.clock.now(), 0
        end = begun + self.order.duration_s
        while self.clock.now() < end:
            try:
                with self.ends.source.hands() as hands:
                    while (now := self.clock.now()) < end and not self.troubles:
                        due = begun + seq / self.order.rate
                        if due > now:
                            hands.rest(due - now)
                            continue
                        seq += 1
                        self._send(hands, ledger, seq)
            except NotReadyError as error:
                self.say(f"publishing goes on once it is connected again: {error.where}: {error.what}")
                self.clock.sleep(_AGAIN_S)
            if self.troubles:
                return

    def _send(self, hands: Hands, ledger: Ledger, seq: int) -> None:
        ledger.sent(seq)
        name = message_id(self.order.run, seq)
        outcome = hands.publish(
            self.ends.exchange,
            [self.ends.key],
            properties={"message_id": name, "type": TYPE, "delivery_mode": 2},
            headers={},
            encoded={},
            body=name.encode(),
        )
        ledger.told(seq, confirmed=outcome is Outcome.CONFIRMED)

    def _consume(self, desk: Desk, ledger: Ledger, over: threading.Event) -> None:
        while not over.is_set():
            try:
                with desk.hands() as hands:
                    self._take(hands, desk.queue, ledger, over)
            except NotReadyError:
                self.clock.sleep(_AGAIN_S)
            except WarrenError as error:
                self.troubles.append(error)
                return

    def _take(self, hands: Hands, queue: str, ledger: Ledger, over: threading.Event) -> None:
        """What is not ours is held until the end: given back at once it would only come again."""
        strange: list[int] = []
        while not over.is_set():
            taken = hands.take()
            if taken is None:
                hands.rest(_EMPTY_S)
                continue
            seq = sequence_of(taken.message, self.order.run)
            if seq is None:
                strange.append(taken.tag)
                ledger.foreign += 1
                continue
            ledger.arrived(queue, seq, Arrival(redelivered=taken.redelivered))
            hands.done(taken.tag)
        hands.give_back(strange)

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(_LOOK_S):
            try:
                self.watch.see(self.look())
            except NotReadyError:
                continue  # the node that was asked is the one that is gone

    def _drain(self, ledger: Ledger) -> None:
        """Until all has arrived and nothing has come a second time for a while, or the deadline."""
        end = self.clock.now() + self.order.drain_s
        settled: float | None = None
        while self.clock.now() < end and not self.troubles:
            if ledger.missing():
                settled = None
            elif settled is None:
                settled = self.clock.now() + self.order.settle_s
            elif self.clock.now() >= settled:
                return
            self.clock.sleep(_EMPTY_S)

    def _stuck(self) -> int:
        try:
            return self.ends.waiting()
        except NotReadyError as error:
            self.say(f"{error.where}: {error.what}: how much waits at the source is not known")
            return 0

    def _sweep(self) -> None:
        """Take what is ours out of the source's own queues, which nobody is to find there."""
        for desk in self.ends.beside:
            try:
                with desk.hands() as hands:
                    strange: list[int] = []
                    while (taken := hands.take()) is not None:
                        if sequence_of(taken.message, self.order.run) is None:
                            strange.append(taken.tag)
                        else:
                            hands.done(taken.tag)
                    hands.give_back(strange)
            except NotReadyError as error:
                self.say(f"messages of this proof are left in {desk.queue}: {error.what}")


def message_id(run: str, seq: int) -> str:
    """``warren.link/RUN/17``."""
    return f"{TYPE}/{run}/{seq}"


def sequence_of(message: Message, run: str) -> int | None:
    """Which of ``run``'s messages it is; None for what is of no proof, or of another."""
    kind, _, rest = str(message.properties.get("message_id", "")).partition("/")
    of, _, number = rest.partition("/")
    return int(number) if (kind, of) == (TYPE, run) and number.isdecimal() else None
