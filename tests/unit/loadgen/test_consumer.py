"""The consumer's promises: evidence before acks, acks in batches, failures by plan, order, dead letters."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from pika import spec as amqp

from loadgen import body, consumer
from loadgen.consumer import Consumer
from loadgen.evidence import members
from loadgen.ledger import Event, Kind, read_bitmap, read_log
from loadgen.spec import ConsumerSpec, Link
from loadgen.wire import Delivery
from loadgen.worker import SECOND_NS
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

    def basic_consume(self, queue: str, _deliver: Any, consumer_tag: str, callback: Any) -> None:
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
        self.job = Consumer(spec, self.worker)  # type: ignore[arg-type]
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
        **headers: str,
    ) -> None:
        self.tag += 1
        stamp = body.Stamp(nonce, publisher, 0, 0, seq, self.clock.now - 5 * MS, self.clock.now - MS)
        properties = amqp.BasicProperties(headers={"x-death": deaths, **headers} if deaths else None)
        encoded = b"".join(properties.encode())
        self.connection.on_delivery(
            Delivery(
                self.tag, redelivered, encoded, payload if payload is not None else body.encode(stamp, 40)
            )
        )

    def later(self, ms: float) -> int:
        self.clock.now += int(ms * MS)
        return self.job.turn(self.clock.now, slept=True)

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
    ],
    ids=["publisher", "class", "number"],
)
def test_message_of_ours_that_cannot_be_is_noted(rig: Rig, stamp: body.Stamp) -> None:
    rig.deliver(0, payload=body.encode(stamp, 40))
    assert [event.kind for event in rig.events()] == [Kind.UNREADABLE]


def test_latency_counts_first_deliveries_only(rig: Rig) -> None:
    rig.deliver(0)
    rig.deliver(0, redelivered=True)
    assert rig.job.tick()["histograms"]["end_to_end.all"][1] == 1
    assert rig.job.tick()["histograms"] == {}


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
    ]


def test_scheduled_retry_is_no_redelivery(failing: Rig) -> None:
    failing.deliver(0, redelivered=True, deaths=[died("rung", "expired"), died("work", "rejected")])
    assert failing.counts().get("redelivered") is None


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
