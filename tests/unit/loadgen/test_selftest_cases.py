"""Every case of the self-test without a broker: the real publisher, consumer, ledger and judge, and between
them the real middleman's passages and a queue in memory."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pika import frame, spec

from loadgen import consumer, publisher, publishing, roster, wire
from loadgen.collect import Totals
from loadgen.consumer import Consumer
from loadgen.curve import SECOND_NS
from loadgen.evidence import read_evidence
from loadgen.judge import judge
from loadgen.publisher import Publisher
from loadgen.selftest import cases, engine, frames, outcome
from loadgen.selftest.act import Honest
from loadgen.selftest.acts import ACTS, act
from loadgen.selftest.cases import CASES, Case
from loadgen.selftest.frames import Assembler, Frame, Message, Splitter
from loadgen.selftest.passage import Passage
from loadgen.spec import LoadSpec
from loadgen.verdict import decide
from warren.connection import Credentials, Endpoint
from warren.results import Availability, LoadResult, Verdict

MS = 1_000_000
CHANNEL = 1
PROPERTIES = spec.BasicProperties(delivery_mode=2)


class Clock:
    now = SECOND_NS

    def monotonic_ns(self) -> int:
        return self.now


class Worker:
    """Takes what a job has to say."""

    t0_ns = SECOND_NS
    body_clock_ns = 0

    def ready(self) -> None: ...

    def say(self, kind: str, **fields: Any) -> None: ...

    def reopen(self, why: str) -> None:
        raise AssertionError(why)


class Channel:
    """A channel that agrees at once; it hands returns on."""

    channel_number = CHANNEL
    on_return: Callable[..., None]

    def add_on_return_callback(self, callback: Any) -> None:
        self.on_return = callback

    def add_on_cancel_callback(self, callback: Any) -> None: ...

    def confirm_delivery(self, _answers: Any, callback: Any) -> None:
        callback(None)

    def basic_qos(self, prefetch_count: int, callback: Any) -> None:
        callback(None)

    def basic_consume(self, queue: str, _deliver: Any, *, callback: Any, **_given: Any) -> None:
        callback(None)


class Line:
    """A client's connection through the middleman: what a job takes for its own."""

    frame_max = 131072
    on_confirm: Any = None
    on_delivery: Any = None

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.passage = Passage(rehearsal.act, rehearsal.clock.monotonic_ns)
        self.channel = Channel()
        self._heard = (Splitter(), Assembler())
        self.tags = 0
        self.say(frame.Method(CHANNEL, spec.Channel.Open()).marshal())
        self.passage.from_broker(frame.Method(CHANNEL, spec.Confirm.SelectOk()).marshal())
        self.passage.to_client.clear()

    def add_on_connection_blocked_callback(self, callback: Any) -> None: ...
    def add_on_connection_unblocked_callback(self, callback: Any) -> None: ...

    def unsent_bytes(self) -> int:
        return 0

    def queue(self, frames: bytes) -> None:
        self.say(frames)

    def say(self, raw: bytes) -> None:
        self.passage.from_client(raw)

    def hear(self) -> None:
        """Give the job what came from the middleman."""
        raw = bytes(self.passage.to_client)
        self.passage.to_client.clear()
        splitter, assembler = self._heard
        for each in splitter.feed(raw):
            item = assembler.take(each)
            if isinstance(item, Message) and item.method == frames.RETURN:
                self.channel.on_return(None, None, None, item.body)
            elif isinstance(item, Message):
                found = wire.read_delivery(bytearray(item.raw), 0, len(item.frames[0].payload), len(item.raw))
                assert found is not None
                self.on_delivery(found[1])
            elif isinstance(item, Frame):
                tag, flags = frames.settlement(item)
                self.on_confirm(tag, bool(flags & 1), item.method == frames.ACK)


class Rehearsal:
    """One run of a case in memory, and its clock."""

    def __init__(self, case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.case, self.folder = case, folder
        self.clock = Clock()
        for module in (publisher, publishing, consumer):
            monkeypatch.setattr(module, "time", self.clock)
        self.act: Honest = act(case.plan)
        self.spec = load_spec(case, folder)
        worker: Any = Worker()
        self.publisher = Publisher(roster.publishers(self.spec, str(folder))[0], worker)
        self.consumer = Consumer(roster.consumers(self.spec, str(folder))[0], worker)
        self.upstream = self.open(self.publisher)
        self.downstream = self.open(self.consumer)
        self.stored: deque[bytes] = deque()
        self._from_publisher = (Splitter(), Assembler())
        self._published = 0
        self._purged = False
        self.totals = Totals()

    def open(self, job: Any) -> Line:
        line = Line(self)
        job.opened(line, line.channel)
        line.passage.to_broker.clear()
        return line

    def run(self) -> LoadResult:
        """Publish, consume, drain, judge."""
        self.publisher.command("start")
        self.consumer.command("start")
        end = SECOND_NS + int((self.spec.duration_s + self.spec.publish_deadline_s + 1) * SECOND_NS)
        while self.clock.now < end:
            self.clock.now += 5 * MS
            self.turn()
        return self.result()

    def turn(self) -> None:
        now = self.clock.now
        self.publisher.turn(now, rested_ns=now)
        self.publisher.before_flush()
        self.broker()
        if self.upstream.passage.over:
            self.upstream.hear()
            self.publisher.lost()
            self.upstream = self.open(self.publisher)
            self._published = 0
        self.upstream.hear()
        self.downstream.hear()
        self.consumer.turn(now, rested_ns=now)
        self.consumer.before_flush()

    def broker(self) -> None:
        """Store what was published, confirm it, hand out what is stored."""
        splitter, assembler = self._from_publisher
        raw = bytes(self.upstream.passage.to_broker)
        self.upstream.passage.to_broker.clear()
        for each in splitter.feed(raw):
            item = assembler.take(each)
            if isinstance(item, Message):
                self._published += 1
                self.stored.append(item.body)
        if raw:
            self.upstream.passage.from_broker(wire.ack(CHANNEL, self._published, multiple=True))
        while not self.slow() and self.stored:
            self.deliver(self.stored.popleft())

    def slow(self) -> bool:
        """Whether the consumers lag; what they have not got by then is purged."""
        at_s = self.case.purge_at_s
        if at_s is None:
            return False
        if self.clock.now < SECOND_NS * (1 + at_s):
            return True
        if not self._purged:
            self._purged = True
            self.stored.clear()
        return False

    def deliver(self, payload: bytes) -> None:
        line = self.downstream
        line.tags += 1
        method = spec.Basic.Deliver("worker-0", line.tags, False, "x", "k")
        parts = (frame.Method(CHANNEL, method), frame.Header(CHANNEL, len(payload), PROPERTIES))
        raw = b"".join(part.marshal() for part in (*parts, frame.Body(CHANNEL, payload)))
        line.passage.from_broker(raw)

    def result(self) -> LoadResult:
        for name, job in (("p", self.publisher), ("c", self.consumer)):
            self.totals.add(name, {"s": 0, **job.tick()})
        expected = roster.expectation(self.spec)
        ledger = judge(read_evidence(self.folder), expected)
        late = Availability(failed_publishes=self.totals.counts["failed"])
        latencies = self.totals.latencies()
        verdict, reasons = decide(
            self.spec, ledger, latencies, late, {}, publisher_died=False, drained=not ledger.lost
        )
        return LoadResult(
            run_id="rehearsal", profile="work", started_at="", ended_at="", verdict=verdict, reasons=reasons,
            ledger=ledger, availability=late, latency_s=latencies,
        )  # fmt: skip


def load_spec(case: Case, folder: Path) -> LoadSpec:
    profile = engine.profile({**case.settings, "consumers.consumer.work_time_s": "0"})
    (role,) = profile.publishers
    return LoadSpec(
        run_id="rehearsal", nonce=77, seed=1, profile=profile.name, vhost="/",
        endpoints=(Endpoint(name="m", host="m", port=1),), ca_pem=None,
        users=(Credentials(username="load", password="p"),),
        publishers=(dataclasses.replace(role, destinations=("warren.selftest",)),),
        consumers=profile.consumers, folder=str(folder), rate_per_s=profile.rate_per_s,
        duration_s=profile.duration_s, size_bytes=profile.size_bytes, window=profile.window,
        publish_deadline_s=profile.publish_deadline_s, judge_order=profile.judge_order,
        tolerances=profile.tolerances,
    )  # fmt: skip


#: What a held stream is held by is the process's, not the passage's: only the live run can show it.
REHEARSED = [case for case in CASES if not case.slows_s]


@pytest.mark.parametrize("case", REHEARSED, ids=lambda case: case.name)
def test_case_shows_exactly_its_class(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsal = Rehearsal(case, tmp_path, monkeypatch)
    result = rehearsal.run()
    assert result.ledger.published == 400
    found = outcome.judge(case, {**rehearsal.act.report(), "problems": []}, result)
    assert found.faults == ()
    assert found.passed
    assert found.did == (0 if case.name == "clean" else 3) or case.purge_at_s


def test_every_act_has_a_case() -> None:
    used = {case.plan.act for case in CASES}
    assert set(ACTS) - used == {"freeze"}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> LoadResult:
    """The result of a run to which nothing was done."""
    with pytest.MonkeyPatch.context() as patch:
        return Rehearsal(cases.case("clean"), tmp_path_factory.mktemp("clean"), patch).run()


@pytest.mark.parametrize("case", [case for case in REHEARSED if case.bites], ids=lambda case: case.name)
def test_verifier_that_sees_nothing_is_found_out(case: Case, clean: LoadResult) -> None:
    """The same deeds against the result of a clean run: no case may pass then."""
    assert not outcome.judge(case, {"did": 3}, clean).passed


def test_deed_that_was_not_done_proves_nothing(clean: LoadResult) -> None:
    found = outcome.judge(cases.case("return"), {"did": 0}, clean)
    assert not found.passed
    assert outcome.exit_code([found]) == 4


def test_wrong_figures_are_named_and_fail(clean: LoadResult) -> None:
    found = outcome.judge(cases.case("lose"), {"did": 2, "problems": ["rmq1: refused"]}, clean)
    assert "lost: 0 found, 2 expected" in found.faults
    assert "middleman: rmq1: refused" in found.faults
    assert outcome.exit_code([found]) == 1
    text = outcome.table([found])
    assert "lose (rehearsal): lost: 0 found, 2 expected" in text
    assert "WRONG" in text


def test_held_stream_must_show_in_latency(clean: LoadResult) -> None:
    (fault,) = outcome.judge(cases.case("delay"), {"did": 3}, clean).faults
    assert "held for 0.4 s" in fault


def counted(clean: LoadResult, *differing: str, explained: tuple[str, ...] = ()) -> LoadResult:
    """``clean`` with a broker's own counts, of which those named differ."""
    names = ("confirmed", "delivered", "received", "unroutable_returned")
    counters = {name: {"agrees": name not in differing} for name in names}
    verdict = Verdict.INCONCLUSIVE if differing and not explained else clean.verdict
    account = {"counters": counters, "explained": list(explained)}
    return dataclasses.replace(clean, verdict=verdict, reconciliation=account)


def test_broker_that_contradicts_an_honest_run_is_a_fault(clean: LoadResult) -> None:
    honest = cases.case("clean")
    assert outcome.judge(honest, {"did": 0}, counted(clean)).passed
    (fault,) = outcome.judge(honest, {"did": 0}, counted(clean, "delivered")).faults
    assert fault == "the broker's counts contradict delivered, not nothing"


def test_verdict_that_does_not_heed_a_contradiction_is_a_fault(clean: LoadResult) -> None:
    lied = dataclasses.replace(clean, ledger=dataclasses.replace(clean.ledger, returned=3))
    deaf = dataclasses.replace(counted(lied, "unroutable_returned"), verdict=Verdict.PASSED)
    (fault,) = outcome.judge(cases.case("return-stored"), {"did": 3}, deaf).faults
    assert fault.startswith("verdict passed, not inconclusive")


def test_lie_must_be_contradicted_by_its_own_counters(clean: LoadResult) -> None:
    lie = cases.case("return-stored")
    lied = dataclasses.replace(clean, ledger=dataclasses.replace(clean.ledger, returned=3))
    assert outcome.judge(lie, {"did": 3}, counted(lied, "unroutable_returned")).passed
    assert not outcome.judge(lie, {"did": 3}, counted(lied)).passed
    assert not outcome.judge(lie, {"did": 3}, counted(lied, "delivered")).passed


def test_counts_that_somebody_else_had_a_part_in_say_nothing(clean: LoadResult) -> None:
    busy = counted(clean, "delivered", explained=("other clients were connected: x",))
    found = outcome.judge(cases.case("clean"), {"did": 0}, busy)
    assert found.passed
    assert "not known" in outcome.table([found])
