"""The judge, by mutation: each fault of a broker gives exactly its class, and a clean run none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from loadgen.evidence import Evidence, gather
from loadgen.judge import Expectation, judge
from loadgen.ledger import BitmapPart, Bits, Event, Kind, LogPart
from warren.results import Ledger

QUEUE = "work"
OTHER = "audit"


@dataclass(slots=True)
class Record:
    """``count`` messages of publisher 0, all confirmed and done; then mutated.

    ``done`` holds one set of sequence numbers per (queue, consumer), ``events`` those of the publisher
    and of the consumer.
    """

    count: int = 100
    queues: tuple[str, ...] = (QUEUE,)
    confirmed: set[int] = field(default_factory=set)
    done: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    dead: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    of_publisher: list[Event] = field(default_factory=list)
    of_consumer: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.confirmed = set(range(self.count))
        for queue in self.queues:
            self.done[queue, "a"] = set(range(self.count))

    def event(self, kind: Kind, seq: int, *, detail: int = 0, aux: int = 0) -> None:
        of_publisher = kind in (Kind.NACKED, Kind.RETURNED, Kind.IN_DOUBT, Kind.REPUBLISHED)
        target = self.of_publisher if of_publisher else self.of_consumer
        target.append(Event(kind, 0, seq, detail=detail, aux=aux))

    def forget(self, seq: int, queue: str = QUEUE) -> None:
        """The message reached nobody."""
        self.done[queue, "a"].discard(seq)

    def evidence(self) -> Evidence:
        maps = [_bits(Bits.CONFIRMED, self.confirmed, counter=self.count)]
        maps += [_bits(Bits.DONE, seqs, queue=queue, worker=who) for (queue, who), seqs in self.done.items()]
        maps += [_bits(Bits.DEAD, seqs, queue=queue, reason=why) for (queue, why), seqs in self.dead.items()]
        logs = [
            LogPart(meaning={}, events=tuple(self.of_publisher)),
            LogPart(meaning={"queue": QUEUE, "worker": "a"}, events=tuple(self.of_consumer)),
        ]
        return gather(maps, logs)

    def judged(self, *, order: bool = False) -> Ledger:
        return judge(self.evidence(), Expectation(destinations={0: self.queues}, judge_order=order))


Mutation = Callable[[Record], None]


def _bits(kind: Bits, seqs: set[int], *, counter: int = 0, **meaning: str) -> BitmapPart:
    bits = 0
    for seq in seqs:
        bits |= 1 << seq
    return BitmapPart(meaning={"kind": kind, "publisher": 0, **meaning}, bits=bits, counter=counter)


def lose(run: Record) -> None:
    run.forget(7)


def lose_unconfirmed(run: Record) -> None:
    run.confirmed.discard(7)
    run.forget(7)
    run.event(Kind.IN_DOUBT, 7)


def drop_the_confirm(run: Record) -> None:
    run.confirmed.discard(7)
    run.event(Kind.IN_DOUBT, 7)


def nack_and_drop(run: Record) -> None:
    run.confirmed.discard(7)
    run.event(Kind.NACKED, 7)
    run.forget(7)


def nack_and_deliver(run: Record) -> None:
    run.confirmed.discard(7)
    run.event(Kind.NACKED, 7)


def nack_then_lose_the_answer(run: Record) -> None:
    run.confirmed.discard(7)
    run.event(Kind.NACKED, 7)
    run.event(Kind.REPUBLISHED, 7, detail=1)
    run.forget(7)


def return_then_store_and_lose(run: Record) -> None:
    """It came back, its confirm was lost with the connection; the next attempt was routed, and confirmed."""
    for kind in (Kind.RETURNED, Kind.IN_DOUBT, Kind.REPUBLISHED):
        run.event(kind, 7)
    run.forget(7)


def return_twice(run: Record) -> None:
    for kind in (Kind.RETURNED, Kind.IN_DOUBT, Kind.REPUBLISHED, Kind.RETURNED):
        run.event(kind, 7)
    run.forget(7)


def nack_then_confirm(run: Record) -> None:
    run.event(Kind.NACKED, 7)
    run.event(Kind.REPUBLISHED, 7, detail=1)


def hand_back(run: Record) -> None:
    run.event(Kind.RETURNED, 7)
    run.forget(7)


def redeliver_to_the_same(run: Record) -> None:
    run.event(Kind.REDELIVERED, 7)
    run.event(Kind.DUPLICATE, 7, detail=1)


def redeliver_to_another(run: Record) -> None:
    run.done[QUEUE, "b"] = {7}
    run.event(Kind.REDELIVERED, 7)


def duplicate_at_the_same(run: Record) -> None:
    run.event(Kind.DUPLICATE, 7)


def duplicate_at_another(run: Record) -> None:
    run.done[QUEUE, "b"] = {7}


def store_both_attempts(run: Record) -> None:
    run.event(Kind.IN_DOUBT, 7)
    run.event(Kind.REPUBLISHED, 7, detail=1)
    run.event(Kind.DUPLICATE, 7)


def store_both_attempts_at_two(run: Record) -> None:
    run.event(Kind.REPUBLISHED, 7, detail=1)
    run.done[QUEUE, "b"] = {7}


def invent(run: Record) -> None:
    run.done[QUEUE, "a"].add(run.count + 3)


def damage(run: Record) -> None:
    run.event(Kind.UNREADABLE, 0)


def leak_into_another_queue(run: Record) -> None:
    run.done[OTHER, "c"] = {7}


def bury(run: Record) -> None:
    run.forget(7)
    run.dead[QUEUE, "rejected"] = {7}


def retry_at_two_with_an_old_flag(run: Record) -> None:
    run.done[QUEUE, "b"] = {7}
    run.event(Kind.FLAGGED, 7)


def expire(run: Record) -> None:
    run.forget(7)
    run.dead[QUEUE, "expired"] = {7}


def finish_and_bury(run: Record) -> None:
    run.dead[QUEUE, "delivery_limit"] = {7}
    run.event(Kind.REDELIVERED, 7)


def visit_a_stranger(run: Record) -> None:
    run.event(Kind.FOREIGN, 0)


CASES = {
    lose: {"lost": 1, "received": 99},
    lose_unconfirmed: {"confirmed": 99, "in_doubt": 1, "received": 99},
    drop_the_confirm: {"confirmed": 99, "in_doubt": 1, "recovered": 1},
    nack_and_drop: {"confirmed": 99, "nacked": 1, "received": 99},
    nack_and_deliver: {"confirmed": 99, "nacked": 1, "nacked_delivered": 1},
    nack_then_lose_the_answer: {"confirmed": 99, "in_doubt": 1, "received": 99, "republished": 1},
    nack_then_confirm: {"republished": 1},
    hand_back: {"returned": 1, "received": 99},
    return_then_store_and_lose: {"lost": 1, "received": 99, "republished": 1},
    return_twice: {"returned": 1, "received": 99, "republished": 1},
    redeliver_to_the_same: {"duplicates_redelivered": 1},
    redeliver_to_another: {"duplicates_redelivered": 1},
    retry_at_two_with_an_old_flag: {"duplicates_redelivered": 1},
    duplicate_at_the_same: {"duplicates_unflagged": 1},
    duplicate_at_another: {"duplicates_unflagged": 1},
    store_both_attempts: {"duplicates_own_retry": 1, "republished": 1},
    store_both_attempts_at_two: {"duplicates_own_retry": 1, "republished": 1},
    invent: {"unexpected": 1},
    damage: {"unexpected": 1},
    leak_into_another_queue: {"unexpected": 1},
    bury: {"dead_lettered": {"rejected": 1}},
    expire: {"dead_lettered": {"expired": 1}, "expired": 1},
    finish_and_bury: {"dead_lettered": {"delivery_limit": 1}, "duplicates_redelivered": 1},
    visit_a_stranger: {"foreign": 1},
}
CLEAN = {"published": 100, "confirmed": 100, "received": 100}


def shown(ledger: Ledger) -> dict[str, object]:
    """The figures of a ledger that are not at rest."""
    rest = dataclasses.asdict(Ledger())
    found = {key: value for key, value in dataclasses.asdict(ledger).items() if value != rest[key]}
    found.pop("lost_examples", None)
    return found


def test_clean_run_shows_nothing() -> None:
    assert shown(Record().judged()) == CLEAN


@pytest.mark.parametrize("mutate", CASES, ids=lambda each: each.__name__)
def test_fault_gives_exactly_its_class(mutate: Mutation) -> None:
    run = Record()
    mutate(run)
    assert shown(run.judged()) == {**CLEAN, **CASES[mutate]}


@pytest.mark.parametrize("mutate", CASES, ids=lambda each: each.__name__)
def test_every_publish_has_one_answer(mutate: Mutation) -> None:
    run = Record()
    mutate(run)
    ledger = run.judged()
    assert ledger.published == ledger.confirmed + ledger.nacked + ledger.in_doubt


def test_lost_message_is_named() -> None:
    run = Record()
    lose(run)
    assert run.judged().lost_examples == ("work: publisher 0, message 7",)


def test_fanned_out_message_is_owed_to_each_queue() -> None:
    run = Record(queues=(QUEUE, OTHER))
    run.forget(7, OTHER)
    ledger = run.judged()
    assert (ledger.lost, ledger.received, ledger.confirmed) == (1, 199, 100)
    assert ledger.lost_examples == ("audit: publisher 0, message 7",)


def test_flag_in_one_queue_excuses_no_duplicate_in_another() -> None:
    run = Record(queues=(QUEUE, OTHER))
    run.done[OTHER, "b"] = run.done.pop((OTHER, "a"))
    run.done[OTHER, "c"] = {7}
    run.event(Kind.REDELIVERED, 7)
    found = run.judged()
    assert (found.duplicates_redelivered, found.duplicates_unflagged) == (0, 1)


def test_order_is_told_apart_by_its_cause() -> None:
    run = Record()
    run.event(Kind.REORDERED, 7)
    run.event(Kind.REORDERED, 8, detail=1)
    run.event(Kind.REPUBLISHED, 9, detail=1)
    run.event(Kind.REORDERED, 9)
    ledger = run.judged(order=True)
    late = (ledger.reordered, ledger.reordered_after_redelivery, ledger.reordered_after_reconnect)
    assert late == (1, 1, 1)


def test_nothing_is_late_behind_a_message_that_nobody_published() -> None:
    run = Record()
    invent(run)
    run.event(Kind.REORDERED, 8, aux=run.count + 3)
    run.event(Kind.REORDERED, 9, aux=run.count - 1)
    ledger = run.judged(order=True)
    assert (ledger.unexpected, ledger.reordered) == (1, 1)


def test_order_is_not_judged_among_competing_consumers() -> None:
    run = Record()
    run.event(Kind.REORDERED, 7)
    assert run.judged().reordered is None


def test_parts_of_two_processes_are_one_record() -> None:
    run = Record()
    run.done[QUEUE, "a"] = set(range(0, 100, 2))
    run.done[QUEUE, "b"] = set(range(1, 100, 2))
    assert shown(run.judged()) == CLEAN
