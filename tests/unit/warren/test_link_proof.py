"""The proof of a link over a link in memory that loses, doubles, stops and cuts off, each on purpose."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from warren.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK, NotReadyError, RefusedError
from warren.links import page
from warren.links.proof import Arrival, Ledger, Verdict, judge
from warren.links.proving import Ends, Order, Proof, Watch, message_id, sequence_of
from warren.links.status import LinkState, LinkStatus
from warren.queues.message import Message
from warren.queues.wire import Outcome, Taken
from warren.wait import Clock

RUN = "run"


def link(state: LinkState = LinkState.RUNNING, *, node: str = "rmq1", since: str = "1") -> LinkStatus:
    return LinkStatus(
        name="audit-out",
        kind="shovel",
        source="a",
        target="b",
        remote="far",
        state=state,
        node=node,
        since=since,
    )


@dataclass
class FakeLink:
    """A source that feeds queues at once, and what is to go wrong, by the message's number."""

    queues: Sequence[str] = ("inbox",)
    lose: set[int] = field(default_factory=set)
    double: set[int] = field(default_factory=set)
    keep: set[int] = field(default_factory=set)
    #: The publisher's connection ends in front of the confirm, and the message was stored or was not.
    cut_after: set[int] = field(default_factory=set)
    cut_before: set[int] = field(default_factory=set)
    #: The consumer's connection ends before its ack.
    cut_consumer: set[int] = field(default_factory=set)
    refuse: set[int] = field(default_factory=set)
    stored: dict[str, deque[tuple[int, bool, str]]] = field(default_factory=dict)
    waiting: int = 0
    seen_states: list[LinkStatus] = field(default_factory=lambda: [link()])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def deliver(self, seq: int, name: str) -> None:
        with self.lock:
            if seq in self.keep:
                self.waiting += 1
                return
            if seq in self.lose:
                return
            for queue in self.queues:
                for _ in range(2 if seq in self.double else 1):
                    self.stored.setdefault(queue, deque()).append((seq, False, name))

    def look(self) -> LinkStatus:
        return self.seen_states.pop(0) if len(self.seen_states) > 1 else self.seen_states[0]


@dataclass
class FakeHands:
    world: FakeLink
    queue: str
    held: list[tuple[int, bool, str]] = field(default_factory=list)

    def waiting(self) -> int:
        return 0

    def publish(
        self,
        exchange: str,
        keys: Sequence[str],
        *,
        properties: Mapping[str, Any],
        headers: Mapping[str, Any],
        encoded: Mapping[str, bytes],
        body: bytes,
    ) -> Outcome:
        name = str(properties["message_id"])
        seq = int(name.rpartition("/")[2])
        if seq in self.world.refuse:
            return Outcome.REFUSED
        if seq in self.world.cut_before:
            raise NotReadyError("queue", "the connection is lost")
        self.world.deliver(seq, name)
        if seq in self.world.cut_after:
            raise NotReadyError("queue", "the connection is lost")
        return Outcome.CONFIRMED

    def take(self) -> Taken | None:
        with self.world.lock:
            queue = self.world.stored.setdefault(self.queue, deque())
            if not queue:
                return None
            one = queue.popleft()
        self.held.append(one)
        message = Message(
            exchange="", routing_key="", properties={"message_id": one[2]}, headers={}, body=b"", size_bytes=0
        )
        return Taken(tag=len(self.held) - 1, message=message, redelivered=one[1])

    def done(self, tag: int) -> None:
        seq, _, name = self.held[tag]
        if seq in self.world.cut_consumer:
            self.world.cut_consumer.discard(seq)
            with self.world.lock:
                self.world.stored[self.queue].appendleft((seq, True, name))
            raise NotReadyError("queue", "the connection is lost")

    def give_back(self, tags: Sequence[int]) -> None:
        with self.world.lock:
            self.world.stored[self.queue].extendleft(self.held[tag] for tag in tags)

    def rest(self, seconds: float) -> None:
        threading.Event().wait(min(seconds, 0.01))


@dataclass
class FakeDesk:
    world: FakeLink
    queue: str

    @contextmanager
    def hands(self) -> Iterator[FakeHands]:
        yield FakeHands(self.world, self.queue)


def proven(world: FakeLink, *, messages: int = 40, drain_s: float = 1.0) -> Verdict:
    ends = Ends(
        source=FakeDesk(world, "orders.audit"),
        exchange="",
        key="orders.audit",
        targets=[FakeDesk(world, each) for each in world.queues],
        beside=[],
        waiting=lambda: world.waiting,
    )
    order = Order(run=RUN, rate=messages / 0.4, duration_s=0.4, drain_s=drain_s, settle_s=0.2)
    return Proof(ends=ends, order=order, look=world.look, say=lambda _: None, clock=short_clock()).run()


def short_clock() -> Clock:
    """Real time, in which waiting for a connection to be made again takes a moment only."""
    real = Clock()
    return Clock(now=real.now, sleep=lambda seconds: real.sleep(min(seconds, 0.02)))


def test_each_message_arrives_once() -> None:
    verdict = proven(FakeLink())
    figures = verdict.figures
    assert verdict.word == "passed", verdict.reasons
    assert figures.confirmed == figures.arrived == figures.expected > 10
    assert (figures.lost, figures.twice_by_link, figures.twice_to_us, figures.stuck) == (0, 0, 0, 0)
    assert verdict.exit_code == EXIT_OK


def test_every_queue_behind_an_exchange_is_to_get_it() -> None:
    world = FakeLink(queues=("one", "two"))
    figures = proven(world).figures
    assert figures.arrived == figures.expected == 2 * figures.confirmed


def test_what_is_lost_is_named_and_fails() -> None:
    verdict = proven(FakeLink(lose={3, 7}), drain_s=0.4)
    assert (verdict.word, verdict.figures.lost) == ("failed", 2)
    assert "2 messages were confirmed and are in neither place: 3 in inbox, 7 in inbox" in verdict.reasons
    assert verdict.exit_code == EXIT_FAILED


def test_what_comes_twice_is_told_with_the_cut_that_explains_it() -> None:
    states = [link(), link(LinkState.DOWN), link(node="rmq2", since="2")]
    order_of_looks = Watch()
    for each in states:
        order_of_looks.see(each)
    assert order_of_looks.cuts == 1
    ledger = Ledger(queues=["inbox"], confirmed={1})
    ledger.arrived("inbox", 1, Arrival(redelivered=False))
    ledger.arrived("inbox", 1, Arrival(redelivered=False))
    verdict = judge(ledger, stuck=0, cuts=order_of_looks.cuts)
    assert verdict.word == "passed"
    assert "1 came twice: the link was cut 1 times" in verdict.reasons[0]


def test_what_comes_twice_without_any_cut_fails() -> None:
    verdict = proven(FakeLink(double={5}))
    assert (verdict.word, verdict.figures.twice_by_link) == ("failed", 1)
    assert "1 came twice though the link was not seen to be cut" in verdict.reasons


def test_what_was_redelivered_to_us_is_not_laid_to_the_link() -> None:
    verdict = proven(FakeLink(cut_consumer={4}))
    assert (verdict.word, verdict.figures.twice_to_us, verdict.figures.twice_by_link) == ("passed", 1, 0)


def test_a_publish_in_doubt_is_neither_lost_nor_confirmed() -> None:
    verdict = proven(FakeLink(cut_after={2}, cut_before={6}))
    figures = verdict.figures
    assert verdict.word == "passed", verdict.reasons
    assert (figures.in_doubt, figures.recovered, figures.lost) == (2, 1, 0)
    assert figures.published == figures.confirmed + 2, "publishing went on"


def test_what_still_waits_at_the_source_is_stuck_and_not_lost() -> None:
    verdict = proven(FakeLink(keep={8, 9, 10}), drain_s=0.4)
    assert (verdict.figures.stuck, verdict.figures.lost) == (3, 0)
    assert verdict.word == "failed"
    assert "warren links status" in verdict.reasons[0]


def test_what_the_source_refuses_is_not_expected() -> None:
    figures = proven(FakeLink(refuse={1, 2})).figures
    assert (figures.refused, figures.lost) == (2, 0)


def test_messages_of_others_are_given_back_and_told() -> None:
    world = FakeLink()
    world.stored["inbox"] = deque([(0, False, "somebody's"), (1, False, message_id("another", 1))])
    verdict = proven(world)
    assert verdict.word == "passed"
    assert verdict.figures.foreign == 2
    assert {name for _, _, name in world.stored["inbox"]} == {"somebody's", message_id("another", 1)}


def test_nothing_confirmed_proves_nothing() -> None:
    verdict = proven(FakeLink(refuse=set(range(1000))))
    assert (verdict.word, verdict.exit_code) == ("inconclusive", EXIT_INCONCLUSIVE)


def test_what_the_broker_refuses_us_ends_the_proof() -> None:
    world = FakeLink()

    @dataclass
    class Refusing(FakeDesk):
        @contextmanager
        def hands(self) -> Iterator[FakeHands]:
            raise RefusedError("queue inbox", "is not allowed to us")
            yield

    ends = Ends(
        source=FakeDesk(world, "orders.audit"),
        exchange="",
        key="orders.audit",
        targets=[Refusing(world, "inbox")],
        beside=[],
        waiting=lambda: 0,
    )
    order = Order(run=RUN, rate=50, duration_s=5, drain_s=5, settle_s=0.1)
    with pytest.raises(RefusedError):
        Proof(ends=ends, order=order, look=world.look, say=lambda _: None).run()


def test_the_sources_own_queues_are_emptied_of_ours_alone() -> None:
    world = FakeLink()
    world.stored["events"] = deque(
        [(1, False, message_id(RUN, 1)), (0, False, "somebody's"), (2, False, message_id(RUN, 2))]
    )
    ends = Ends(
        source=FakeDesk(world, ""),
        exchange="inbox.events",
        key="k",
        targets=[FakeDesk(world, "inbox")],
        beside=[FakeDesk(world, "events")],
        waiting=lambda: 0,
    )
    order = Order(run=RUN, rate=20, duration_s=0.2, drain_s=1, settle_s=0.1)
    Proof(ends=ends, order=order, look=world.look, say=lambda _: None, clock=short_clock()).run()
    assert [name for _, _, name in world.stored["events"]] == ["somebody's"]


def test_an_interrupt_ends_the_publishing_and_what_was_sent_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = FakeHands.publish
    count = [0]

    def interrupted(self: FakeHands, *parts: Any, **named: Any) -> Outcome:
        count[0] += 1
        if count[0] == 5:
            raise KeyboardInterrupt
        return sent(self, *parts, **named)

    monkeypatch.setattr(FakeHands, "publish", interrupted)
    figures = proven(FakeLink()).figures
    assert (figures.confirmed, figures.in_doubt, figures.arrived) == (4, 1, 4)


CUTS: dict[str, tuple[list[LinkStatus], int]] = {
    "none": ([link(), link()], 0),
    "down and up": ([link(), link(LinkState.DOWN), link(LinkState.STARTING), link(since="2")], 1),
    "another node": ([link(), link(node="rmq3")], 1),
    "began anew": ([link(), link(since="2"), link(since="3")], 2),
    "came up late": ([link(LinkState.STARTING), link(), link()], 0),
}


@pytest.mark.parametrize(("states", "cuts"), CUTS.values(), ids=CUTS)
def test_cuts_are_counted(states: list[LinkStatus], cuts: int) -> None:
    watch = Watch()
    for each in states:
        watch.see(each)
    assert watch.cuts == cuts


def test_only_ours_is_read_as_ours() -> None:
    def named(text: str) -> int | None:
        message = Message(
            exchange="", routing_key="", properties={"message_id": text}, headers={}, body=b"", size_bytes=0
        )
        return sequence_of(message, RUN)

    assert named(message_id(RUN, 17)) == 17
    assert [
        named(each) for each in ("", "x", "warren.link/other/1", "warren.link/run/x", "warren.link/run")
    ] == [None] * 5


def test_the_page_says_figures_reasons_and_the_verdict_last() -> None:
    text = page.proof_text(proven(FakeLink(double={5})))
    assert text.splitlines()[-1] == "failed"
    assert "twice: 1 by the link, 0 redelivered to us" in text
