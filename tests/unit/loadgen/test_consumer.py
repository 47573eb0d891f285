"""The consumer's promises: evidence before acks, acks in batches, failures by plan, order, dead letters."""

from __future__ import annotations

import os
import signal
import struct
from pathlib import Path
from typing import Any

import pytest
from pika import spec as amqp

from loadgen import body, consumer, special
from loadgen.codec import codec
from loadgen.curve import SECOND_NS
from loadgen.evidence import members
from loadgen.histogram import highest_in
from loadgen.ledger import Event, Kind, read_bitmap, read_log
from loadgen.roles import Slow
from loadgen.spec import ConsumerSpec, Link
from loadgen.varied import Varied
from loadgen.wire import Delivery
from warren.connection import Credentials, Endpoint

MS = 1_000_000
NONCE = 9


class Channel:
    """A channel that agrees at once."""

    channel_number = 1

    def add_on_cancel_callback(self, callback: Any) -> None:
        self.cancel = callback

    def basic_qos(self, prefetch_count: int, callback: Any) -> None:
        callback(None)

    def basic_consume(
        self, queue: str, _deliver: Any, *, consumer_tag: str, arguments: Any, callback: Any
    ) -> None:
        self.arguments = arguments
        callback(None)


class Connection:
    """Reads the settling frames that are queued: (method, tag, flag)."""

    on_delivery: Any = None

    def __init__(self) -> None:
        self.settled: list[tuple[str, int, bool]] = []

    def queue(self, frames: bytes) -> None:
        method, tag, flag = struct.unpack_from(">HQB", frames, 9)
        self.settled.append(({80: "ack", 90: "reject"}[method], tag, bool(flag)))


class Worker:
    t0_ns = SECOND_NS
    body_clock_ns = 0

    def __init__(self) -> None:
        self.reopened: list[str] = []

    def ready(self) -> None: ...

    def say(self, kind: str, **fields: Any) -> None: ...

    def reopen(self, why: str) -> None:
        self.reopened.append(why)

    def renew(self, what: str) -> bool:
        self.reopened.append(f"{what} as planned")
        return True


class Clock:
    now = SECOND_NS

    def monotonic_ns(self) -> int:
        return self.now


class Rig:
    """A consumer with a batch of 3, fed by hand."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        self.clock = Clock()
        monkeypatch.setattr(consumer, "time", self.clock)
        link = Link(
            endpoints=(Endpoint(name="a", host="a", port=1),),
            vhost="/",
            credentials=Credentials(username="u", password="p"),
            ca_pem=None,
            connection_name="c",
        )
        values: dict[str, Any] = {
            "name": "w",
            "nonce": NONCE,
            "seed": 1,
            "publishers": 2,
            "queue": "work",
            "prefetch": 10,
            "ack_batch": 3,
        }
        self.folder, self.worker = folder, Worker()
        spec = ConsumerSpec(**{**values, "link": link, "folder": str(folder), **changes})
        self.job = special.consumer(spec, self.worker)  # type: ignore[arg-type]
        self.connection, self.channel = Connection(), Channel()
        self.job.opened(self.connection, self.channel)  # type: ignore[arg-type]
        self.tag = 0

    def deliver(
        self,
        seq: int,
        *,
        redelivered: bool = False,
        nonce: int = NONCE,
        publisher: int = 0,
        deaths: list[dict[str, Any]] | None = None,
        payload: bytes | None = None,
        failed: int = 0,
        **headers: str,
    ) -> None:
        self.tag += 1
        stamp = body.Stamp(nonce, publisher, 0, 0, seq, self.clock.now - 5 * MS, self.clock.now - MS)
        table: dict[str, Any] = {"x-death": deaths, **headers} if deaths else {}
        if failed:
            table["x-delivery-count"] = failed
        properties = amqp.BasicProperties(headers=table or None)
        encoded = b"".join(properties.encode())
        self.connection.on_delivery(
            Delivery(
                self.tag, redelivered, encoded, payload if payload is not None else body.encode(stamp, 40)
            )
        )

    def later(self, ms: float) -> int:
        self.clock.now += int(ms * MS)
        return self.job.turn(self.clock.now, rested_ns=self.clock.now)

    def done(self, publisher: int = 0) -> list[int]:
        return list(members(read_bitmap(self.folder / f"w.done-{publisher}").bits))

    def events(self) -> list[Event]:
        self.job.before_flush()
        return list(read_log(self.folder / "w.log").events)

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = self.job.tick()["counts"]
        return found


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(tmp_path, monkeypatch)


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """Every message fails twice, then succeeds; four tries."""
    return Rig(tmp_path, monkeypatch, failures=(0.0, 0.0, 1.0), tries=4, log_tries=True)


def died(queue: str, reason: str, count: int = 1) -> dict[str, Any]:
    return {"queue": queue, "reason": reason, "count": count}


def test_evidence_is_written_before_the_ack_is_queued(rig: Rig) -> None:
    rig.deliver(5)
    assert rig.done() == [5]
    assert rig.connection.settled == []


def test_acks_leave_in_batches(rig: Rig) -> None:
    for seq in range(7):
        rig.deliver(seq)
    assert rig.connection.settled == [("ack", 3, True), ("ack", 6, True)]


def test_rest_of_a_batch_leaves_after_its_interval(rig: Rig) -> None:
    rig.deliver(0)
    assert rig.later(10) == SECOND_NS + 50 * MS
    assert rig.connection.settled == []
    rig.later(40)
    assert rig.connection.settled == [("ack", 1, False)]


def test_prefetch_of_one_acks_each_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, prefetch=1)
    rig.deliver(0)
    assert rig.connection.settled == [("ack", 1, False)]


def test_duplicate_is_noted_with_its_flag(rig: Rig) -> None:
    for redelivered in (False, True, False):
        rig.deliver(4, redelivered=redelivered)
    found = [(event.kind, event.detail) for event in rig.events()]
    assert found == [(Kind.REDELIVERED, 0), (Kind.DUPLICATE, 1), (Kind.DUPLICATE, 0)]
    assert rig.counts() == {"consumed": 3, "settled": 1, "redelivered": 1, "duplicates": 2}


def test_message_of_another_run_is_acked_and_never_judged(rig: Rig) -> None:
    rig.deliver(0, nonce=1)
    assert [event.kind for event in rig.events()] == [Kind.FOREIGN]
    assert not list(rig.folder.glob("w.done-*"))
    rig.later(100)
    assert rig.connection.settled == [("ack", 1, False)]


def test_number_that_the_run_has_come_to_is_believed(rig: Rig) -> None:
    rig.clock.now += 3600 * SECOND_NS
    rig.job.command("start")
    rig.deliver(500_000_000)
    assert rig.done() == [500_000_000]


def test_message_whose_rest_was_damaged_is_unreadable_and_not_done(rig: Rig) -> None:
    stamp = body.Stamp(NONCE, 0, 0, 0, 4, 0, 0)
    sound = body.encode(stamp, 40)
    for size in (32, 40, 41):
        rig.deliver(0, payload=body.encode(stamp, size))
    rig.deliver(0, payload=sound[:35] + b"," + sound[36:])
    assert [event.kind for event in rig.events()] == [Kind.DUPLICATE, Kind.DUPLICATE, Kind.UNREADABLE]


@pytest.mark.parametrize("payload", [b"", b"short"])
def test_message_of_something_else_is_foreign(rig: Rig, payload: bytes) -> None:
    rig.deliver(0, payload=payload)
    assert [event.kind for event in rig.events()] == [Kind.FOREIGN]


@pytest.mark.parametrize(
    "stamp",
    [
        body.Stamp(NONCE, 7, 0, 0, 0, 0, 0),
        body.Stamp(NONCE, 0, 9, 0, 0, 0, 0),
        body.Stamp(NONCE, 0, 0, 0, 2**40, 0, 0),
        body.Stamp(NONCE, 0, 0, 0, 2**35, 0, 0),
    ],
    ids=["publisher", "class", "number", "number_that_nobody_has_come_to_yet"],
)
def test_message_of_ours_that_cannot_be_is_noted(rig: Rig, stamp: body.Stamp) -> None:
    rig.job.command("start")
    rig.deliver(0, payload=body.encode(stamp, 40))
    assert [event.kind for event in rig.events()] == [Kind.UNREADABLE]


def test_latency_counts_first_deliveries_only(rig: Rig) -> None:
    rig.deliver(0)
    rig.deliver(0, redelivered=True)
    assert rig.job.tick()["histograms"]["end_to_end.all"][1] == 1
    assert rig.job.tick()["histograms"] == {}


def test_connection_that_is_closed_at_the_end_is_not_lost(rig: Rig) -> None:
    rig.job.lost()
    rig.job.command("finish")
    rig.job.lost()
    assert [event.kind for event in rig.events()] == [Kind.CONNECTION_LOST]


def test_retry_that_is_done_with_a_flag_may_have_come_twice(rig: Rig) -> None:
    back = [died("rung", "expired"), died("work", "rejected")]
    rig.deliver(0, deaths=back)
    rig.deliver(1, redelivered=True, deaths=back)
    assert [(event.kind, event.seq) for event in rig.events()] == [(Kind.FLAGGED, 1)]


def test_message_fails_as_often_as_planned(failing: Rig) -> None:
    failing.deliver(0)
    failing.deliver(0, redelivered=True, deaths=[died("rung", "expired"), died("work", "rejected")])
    failing.deliver(0, redelivered=True, deaths=[died("rung", "expired"), died("work", "rejected", 2)])
    assert failing.connection.settled == [("reject", 1, False), ("reject", 2, False)]
    assert failing.done() == [0]
    kinds = [(event.kind, event.aux) for event in failing.events()]
    assert kinds == [
        (Kind.TRIED, 0),
        (Kind.REJECTED, 0),
        (Kind.TRIED, 1),
        (Kind.REJECTED, 1),
        (Kind.TRIED, 2),
        (Kind.FLAGGED, 0),
    ]


def test_scheduled_retry_is_no_redelivery(failing: Rig) -> None:
    failing.deliver(0, redelivered=True, deaths=[died("rung", "expired"), died("work", "rejected")])
    assert failing.counts().get("redelivered") is None


@pytest.fixture
def requeuing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """Every message fails three times: once for good, then back into its queue; four tries."""
    changes: dict[str, Any] = {"failures": (0, 0, 0, 1.0), "tries": 4, "on_failure": ("reject", "requeue")}
    return Rig(tmp_path, monkeypatch, log_tries=True, **changes)


def test_failed_message_is_rejected_try_by_try_as_said(requeuing: Rig) -> None:
    requeuing.deliver(0)
    requeuing.deliver(0, redelivered=True, failed=1, deaths=[died("work", "rejected")])
    requeuing.deliver(0, redelivered=True, failed=2, deaths=[died("work", "rejected")])
    requeuing.deliver(0, redelivered=True, failed=3, deaths=[died("work", "rejected")])
    requeuing.later(60)
    assert requeuing.connection.settled == [
        ("reject", 1, False), ("reject", 2, True), ("reject", 3, True), ("ack", 4, False),
    ]  # fmt: skip
    tried = [each.aux for each in requeuing.events() if each.kind is Kind.TRIED]
    back = [each.detail for each in requeuing.events() if each.kind is Kind.REJECTED]
    assert (tried, back) == ([0, 1, 2, 3], [0, 1, 1])
    counts = requeuing.counts()
    assert (counts["rejected"], counts["requeued"], counts["redelivered"]) == (1, 2, 3)


def test_message_that_came_back_is_no_second_latency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, failures=(0, 1.0), tries=2, on_failure=("requeue",))
    rig.deliver(0)
    rig.deliver(0, redelivered=True, failed=1)
    assert sum(rig.job.tick()["histograms"]["end_to_end.all"][1::2]) == 1


def test_only_rejections_by_this_queue_count_as_tries(failing: Rig) -> None:
    failing.deliver(0, deaths=[died("elsewhere", "rejected", 5), died("work", "expired", 3)])
    assert failing.connection.settled == [("reject", 1, False)]


def test_order_is_judged_where_one_consumes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, sole=True)
    for seq in (0, 1, 5, 3, 6):
        rig.deliver(seq)
    rig.deliver(4, redelivered=True)
    rig.deliver(0, publisher=1)
    found = [(event.seq, event.detail, event.aux) for event in rig.events() if event.kind is Kind.REORDERED]
    assert found == [(3, 0, 5), (4, 1, 6)]


def test_dead_letter_is_filed_by_origin_and_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, does="finish", queue="failed")
    rig.deliver(2, deaths=[died("orders", "rejected")], **{"x-last-death-reason": "rejected"})
    rig.deliver(3, deaths=[died("orders", "rejected"), died("orders", "delivery_limit")])
    rig.deliver(9)
    parts = [read_bitmap(path) for path in sorted(rig.folder.glob("w.dead-*"))]
    found = [(part.meaning["queue"], part.meaning["reason"], list(members(part.bits))) for part in parts]
    assert found == [("orders", "rejected", [2, 3]), ("", "none", [9])]


def test_slow_worker_takes_one_message_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, work_time_s=0.01, ack_batch=1, log_served=True)
    for seq in range(3):
        rig.deliver(seq)
    assert rig.connection.settled == []
    assert rig.later(10) == SECOND_NS + 20 * MS
    assert len(rig.connection.settled) == 1
    rig.later(20)
    assert len(rig.connection.settled) == 3


def test_service_is_noted_with_the_time_of_the_last_ack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, work_time_s=0.01, prefetch=1, log_served=True)
    rig.deliver(0)
    rig.later(10)
    rig.clock.now += 3 * MS
    rig.deliver(1)
    rig.later(10)
    served = [event for event in rig.events() if event.kind is Kind.SERVED]
    assert [(event.aux, event.at_ns) for event in served] == [
        (SECOND_NS, SECOND_NS),
        (SECOND_NS + 10 * MS, SECOND_NS + 13 * MS),
    ]


def test_lost_connection_forgets_tags_and_keeps_what_was_done(rig: Rig) -> None:
    rig.deliver(0)
    rig.job.lost()
    rig.later(100)
    assert rig.connection.settled == []
    assert rig.done() == [0]


def test_cancel_by_the_broker_leads_to_another_connection(rig: Rig) -> None:
    rig.channel.cancel(None)
    assert rig.worker.reopened == ["the broker cancelled the consumer"]


def test_drain_that_waits_in_vain_has_acks_sent_and_another_connection_opened(rig: Rig) -> None:
    rig.deliver(0)
    rig.job.command("anew")
    assert len(rig.connection.settled) == 1
    assert rig.worker.reopened == ["the drain waits in vain: connecting anew"]


def test_consumer_that_was_told_to_finish_connects_no_more(rig: Rig) -> None:
    rig.job.command("finish")
    rig.job.command("anew")
    assert rig.worker.reopened == []


def test_finish_acks_what_was_done_and_takes_no_more(rig: Rig) -> None:
    rig.deliver(0)
    rig.job.command("finish")
    rig.deliver(1)
    assert rig.connection.settled == [("ack", 1, False)]
    assert rig.done() == [0]
    assert rig.job.over


def test_wait_of_a_message_that_a_lost_connection_swallowed_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch)
    rig.deliver(0)
    rig.deliver(0, redelivered=True)  # done already: its first arrival is what counts
    rig.deliver(1, redelivered=True)  # sent to a connection that broke, and never seen
    counted = rig.job.tick()["histograms"]["end_to_end.all"]
    assert sum(counted[1::2]) == 2


def test_delivery_counts_for_the_phase_that_it_was_meant_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, phase_ends_ns=(50 * MS, 100 * MS))
    for seq, at_ms in enumerate((5, 54, 56)):
        rig.clock.now = SECOND_NS + at_ms * MS  # and meant 5 ms before
        rig.deliver(seq)
    told = rig.job.tick()["histograms"]
    assert {name: sum(flat[1::2]) for name, flat in told.items()} == {
        "end_to_end.all#0": 2,
        "end_to_end.all#1": 1,
    }


def test_consumer_asks_with_the_arguments_of_its_role(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, arguments={"x-priority": 5})
    assert rig.channel.arguments == {"x-priority": 5}


def test_holder_settles_nothing_and_lets_go_when_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, does="hold")
    for seq in range(5):
        rig.deliver(seq)
    rig.later(1000)
    assert (rig.connection.settled, rig.job.over) == ([], False)
    rig.job.command("release")
    assert (rig.connection.settled, rig.job.over) == ([], True)


def test_worker_goes_on_when_holders_are_released(rig: Rig) -> None:
    rig.job.command("release")
    assert not rig.job.over


def test_armed_consumer_kills_itself_before_it_takes_one_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(special.os, "kill", lambda pid, number: killed.append((pid, number)))
    rig = Rig(tmp_path, monkeypatch, crash_after=2)
    rig.deliver(0)
    rig.deliver(1)
    assert killed == []
    rig.deliver(2)
    assert killed == [(os.getpid(), signal.SIGKILL)]


@pytest.mark.parametrize("told_by", ["rejections", "count"])
def test_consumer_kills_itself_with_a_message_of_the_try_that_it_is_to_die_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told_by: str
) -> None:
    killed: list[int] = []
    monkeypatch.setattr(special.os, "kill", lambda _pid, number: killed.append(number))
    rig = Rig(tmp_path, monkeypatch, crash_try=2, on_failure=("requeue" if told_by == "count" else "reject",))

    def deliver(seq: int, tries: int) -> None:
        rejected = [{"queue": "work", "reason": "rejected", "count": tries}]
        rig.deliver(
            seq, **{"failed": tries} if told_by == "count" else {"deaths": rejected if tries else None}
        )

    for seq, tries in enumerate((0, 1, 3)):
        deliver(seq, tries)
    assert killed == []
    deliver(3, 2)
    assert killed == [signal.SIGKILL]


def test_what_expired_is_booked_to_the_queue_where_it_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, settles="origin")
    rig.deliver(4, deaths=[died("wait-5s", "expired")])
    rig.deliver(5, deaths=[died("wait-9s", "expired")])
    rig.deliver(6)
    parts = [read_bitmap(path) for path in sorted(tmp_path.glob("w.done-*"))]
    assert {part.meaning["queue"]: list(members(part.bits)) for part in parts} == {
        "wait-5s": [4],
        "wait-9s": [5],
        "work": [6],
    }


def test_reader_of_a_stream_is_a_unit_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, unit="log[w]")
    rig.deliver(4)
    assert read_bitmap(tmp_path / "w.done-0").meaning["queue"] == "log[w]"


def read_from(rig: Rig, *offsets: int) -> list[tuple[int, int, int]]:
    for offset in offsets:
        rig.tag += 1
        stamp = body.Stamp(NONCE, 0, 0, 0, offset, rig.clock.now, rig.clock.now)
        headers = {"before": "x", "x-stream-offset": amqp_long(offset)}
        encoded = b"".join(amqp.BasicProperties(headers=headers).encode())
        rig.connection.on_delivery(Delivery(rig.tag, False, encoded, body.encode(stamp, 40)))
    return [(e.detail, e.aux, e.aux2) for e in rig.events() if e.kind is Kind.OFFSET_GAP]


def amqp_long(value: int) -> int:
    """pika writes a number as 64 bits only when it needs them; the broker always does."""
    return value + (1 << 40)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(tmp_path, monkeypatch, stream=True, arguments={"x-stream-offset": "first"})


def test_offsets_that_follow_one_another_are_not_worth_a_word(reader: Rig) -> None:
    assert read_from(reader, 5, 6, 7) == []


def test_gap_and_step_back_in_a_stream_are_logged(reader: Rig) -> None:
    first = amqp_long(0)
    assert read_from(reader, 5, 8, 7, 9) == [(0, first + 6, first + 8), (1, first + 9, first + 7)]


def test_reader_resumes_behind_the_last_offset_it_read(reader: Rig) -> None:
    assert reader.channel.arguments == {"x-stream-offset": "first"}
    read_from(reader, 5, 6)
    reader.job.lost()
    reader.job.opened(reader.connection, reader.channel)  # type: ignore[arg-type]
    assert reader.channel.arguments == {"x-stream-offset": amqp_long(7)}


def test_reader_tells_at_the_end_from_where_to_where_it_read(reader: Rig) -> None:
    read_from(reader, 5, 6)
    reader.job.command("finish")
    (told,) = [event for event in reader.events() if event.kind is Kind.OFFSETS]
    assert (told.aux, told.aux2) == (amqp_long(5), amqp_long(6))


def test_arrivals_are_noted_where_an_oracle_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, log_arrivals=True)
    rig.deliver(4, redelivered=True)
    (noted,) = [event for event in rig.events() if event.kind is Kind.ARRIVED]
    assert (noted.seq, noted.at_ns, noted.aux, noted.aux2) == (4, rig.clock.now, rig.clock.now - 5 * MS, 1)


def test_perftest_body_is_booked_to_its_publisher_and_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, body="perftest")
    rig.worker.t0_ns = 0
    rig.job.command("start")
    writer = codec("perftest", nonce=0, publishers=2, publisher=1)
    rig.deliver(0, payload=writer.head(0, 0, 5, rig.clock.now - 3 * MS, 0) + writer.rest(20))
    assert rig.done(publisher=1) == [5]
    [bucket, count] = rig.job.tick()["histograms"]["end_to_end.all"]
    assert (highest_in(bucket) // 1000, count) == (3, 1)


def test_perftest_body_of_before_the_run_is_foreign_and_one_with_another_rest_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, body="perftest")
    rig.worker.t0_ns = rig.clock.now - MS
    rig.job.command("start")
    writer = codec("perftest", nonce=0, publishers=2)
    rig.deliver(0, payload=writer.head(0, 0, 5, rig.clock.now - 2 * MS, 0))
    rig.deliver(0, payload=writer.head(0, 0, 5, rig.clock.now, 0) + b".")
    assert [event.kind for event in rig.events()] == [Kind.FOREIGN, Kind.UNREADABLE]


# --- streams and planned reconnects


def test_reader_for_an_oracle_acks_and_owes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, does="replay", stream=True, log_offsets=True)
    header = b"".join(amqp.BasicProperties(headers={"x-stream-offset": 1 << 40}).encode())
    for tag in (1, 2, 3):
        payload = body.encode(body.Stamp(NONCE, 1, 0, 0, 20 + tag, 5, 6), 40)
        header = header[:-8] + (1000 + tag).to_bytes(8, "big")
        rig.connection.on_delivery(Delivery(tag, False, header, payload))
    assert rig.connection.settled == [("ack", 3, True)]
    found = [(each.publisher, each.seq, each.aux, each.aux2) for each in rig.events()]
    assert found == [(1, 21, 1001, 5), (1, 22, 1002, 5), (1, 23, 1003, 5)]
    assert list(tmp_path.glob("w.done*")) == []
    assert rig.job.tick()["offset"] == 1003


def test_consumer_reconnects_as_planned_and_leaves_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, reconnect_every=2)
    for seq in range(5):
        rig.deliver(seq)
    assert (rig.worker.reopened, rig.done()) == (["connection as planned"], [0, 1])
    rig.job.lost()
    rig.job.opened(rig.connection, rig.channel)  # type: ignore[arg-type]
    for seq in range(2, 5):
        rig.deliver(seq)
    rig.job.command("finish")
    kinds = [(each.kind, each.aux) for each in rig.events() if each.kind is not Kind.CONNECTION_LOST]
    assert kinds == [(Kind.RENEWED, 2), (Kind.RENEWED, 4), (Kind.TALLY, 4)]


def test_consumer_is_slow_only_while_it_is_meant_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, slow=Slow(from_s=1, for_s=1, work_time_s=0.3), ack_batch=1)

    def turn(at_s: float) -> float:
        rig.clock.now = rig.worker.t0_ns + int(at_s * SECOND_NS)
        return (rig.job.turn(rig.clock.now, rested_ns=rig.clock.now) - rig.worker.t0_ns) / SECOND_NS

    def settled() -> int:
        return len(rig.connection.settled)

    assert turn(0.5) == pytest.approx(1.0)
    rig.deliver(0)
    assert settled() == 1
    turn(1.0)
    for seq in (1, 2, 3):
        rig.deliver(seq)
    assert (settled(), turn(1.1)) == (1, pytest.approx(1.3))
    assert turn(1.3) == pytest.approx(1.6)
    assert settled() == 2
    turn(2.0)
    assert settled() == 4
    rig.deliver(4)
    assert settled() == 5


@pytest.mark.parametrize("wrong", ["of_another", "moved", "cut", ""])
def test_each_byte_of_a_varied_body_is_compared(
    wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, body="varied", ack_batch=1)
    own, size = Varied(NONCE, 1), 400_000
    head, rest = own.head(0, 0, 3, 5, 6), own.rest_of(1, 3, size)
    rests = {
        "": rest,
        "of_another": rest[:131064] + own.rest_of(1, 4, size)[131064:262128] + rest[262128:],
        "moved": rest[:131064] + rest[262128:] + rest[131064:262128],
        "cut": rest[:-1],
    }
    rig.deliver(3, payload=head + rests[wrong])
    kinds = [event.kind for event in rig.events()]
    assert kinds == ([Kind.UNREADABLE] if wrong else [])
    assert rig.connection.settled == [("ack", 1, False)]
