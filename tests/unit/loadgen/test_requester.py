"""A requester's promises: answers are matched, lost ones asked again under their number, and not for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pika import spec as amqp

from loadgen import body, publisher, publishing, requester
from loadgen.curve import SECOND_NS
from loadgen.evidence import members
from loadgen.ledger import Event, Kind, read_bitmap, read_log
from loadgen.requester import Requester
from loadgen.spec import Link, PublisherSpec, Replies
from loadgen.wire import Delivery
from warren.connection import Credentials, Endpoint

NONCE, SIZE = 9, 40
MS = 1_000_000


class Channel:
    """A channel that agrees at once and remembers what it was asked for."""

    channel_number = 1

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.declared: dict[str, Any] = {}

    def add_on_return_callback(self, callback: Any) -> None: ...

    def add_on_cancel_callback(self, callback: Any) -> None: ...

    def confirm_delivery(self, _answers: Any, callback: Any) -> None:
        self.asked.append(("confirm", ""))
        callback(None)

    def queue_declare(self, queue: str, *, callback: Any, **about: Any) -> None:
        self.asked.append(("declare", queue))
        self.declared = about
        callback(None)

    def queue_bind(self, queue: str, exchange: str, routing_key: str, callback: Any) -> None:
        assert queue == routing_key
        self.asked.append(("bind", exchange))
        callback(None)

    def basic_consume(
        self, queue: str, _deliver: Any, *, auto_ack: bool, consumer_tag: str, callback: Any
    ) -> None:
        del consumer_tag
        self.asked.append(("consume without acks" if auto_ack else "consume", queue))
        callback(None)


class Connection:
    """Tells requests, (properties, stamp), from acks."""

    frame_max = 131072
    on_delivery: Any = None
    on_confirm: Any = None

    def __init__(self) -> None:
        self.requests: list[tuple[amqp.BasicProperties, body.Stamp]] = []
        self.acks = 0

    def add_on_connection_blocked_callback(self, callback: Any) -> None: ...

    def add_on_connection_unblocked_callback(self, callback: Any) -> None: ...

    def unsent_bytes(self) -> int:
        return 0

    def queue(self, frames: bytes) -> None:
        if len(frames) < SIZE:
            self.acks += 1
            return
        at = int.from_bytes(frames[3:7], "big") + 8
        header_size = int.from_bytes(frames[at + 3 : at + 7], "big")
        properties = amqp.BasicProperties()
        properties.decode(frames[at + 7 + 12 : at + 7 + header_size])
        stamp = body.decode(frames[-SIZE - 1 : -1])
        assert stamp is not None
        self.requests.append((properties, stamp))


class Worker:
    t0_ns = SECOND_NS
    body_clock_ns = 0

    def __init__(self) -> None:
        self.is_ready = 0

    def ready(self) -> None:
        self.is_ready += 1

    def say(self, kind: str, **fields: Any) -> None: ...

    def reopen(self, why: str) -> None: ...


class Clock:
    now = SECOND_NS

    def monotonic_ns(self) -> int:
        return self.now


class Rig:
    """A requester at 100 requests a second for 50 ms, with a timeout of 1 s and a deadline of 5 s."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **replies: Any) -> None:
        self.clock, self.folder, self.worker = Clock(), folder, Worker()
        for module in (publisher, publishing, requester):
            monkeypatch.setattr(module, "time", self.clock)
        spec = PublisherSpec(
            name="p",
            link=Link(
                endpoints=(Endpoint(name="a", host="a", port=1),),
                vhost="/",
                credentials=Credentials(username="u", password="p"),
                ca_pem=None,
                connection_name="c",
            ),
            folder=str(folder),
            nonce=NONCE,
            seed=1,
            index=0,
            publishers=1,
            rate_per_s=100.0,
            duration_s=0.05,
            size_bytes=SIZE,
            window=10,
            exchange="rpc",
            routing_key="check",
            publish_deadline_s=5.0,
            replies=Replies(timeout_s=1.0, **replies),
        )
        self.job = Requester(spec, self.worker)  # type: ignore[arg-type]
        self.connect()
        self.job.command("start")

    def connect(self) -> None:
        self.connection, self.channel = Connection(), Channel()
        self.job.opened(self.connection, self.channel)  # type: ignore[arg-type]

    def at(self, ms: float) -> None:
        self.clock.now = SECOND_NS + int(ms * MS)
        self.job.turn(self.clock.now, rested_ns=self.clock.now)

    def confirm_all(self) -> None:
        self.connection.on_confirm(len(self.connection.requests), True, True)

    def reply(self, seq: int, *, named: int | None = None, publisher: int = 0, attempt: int = 0) -> None:
        stamp = body.Stamp(NONCE, publisher, 0, attempt, seq, SECOND_NS, SECOND_NS)
        about = amqp.BasicProperties(correlation_id=f"{NONCE:08x}.0.{seq if named is None else named}")
        self.connection.on_delivery(Delivery(1, False, b"".join(about.encode()), body.encode(stamp, SIZE)))

    def events(self, kind: Kind) -> list[Event]:
        self.job.before_flush()
        return [each for each in read_log(self.folder / "p.log").events if each.kind is kind]

    def replied(self) -> list[int]:
        part = read_bitmap(self.folder / "p.replied")
        assert (part.meaning["queue"], part.meaning["kind"]) == ("replies", "done")
        return list(members(part.bits))


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(tmp_path, monkeypatch)


def test_it_listens_before_it_asks(rig: Rig) -> None:
    assert rig.channel.asked == [("confirm", ""), ("consume without acks", "amq.rabbitmq.reply-to")]
    assert rig.worker.is_ready == 1


@pytest.mark.parametrize(("by", "exclusive"), [("quorum", False), ("exclusive", True)])
def test_queue_of_its_own_is_bound_by_its_name_and_acked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str, exclusive: bool
) -> None:
    rig = Rig(tmp_path, monkeypatch, by=by, exchange="answers")
    (_, (_, queue), bound, consumed) = rig.channel.asked
    assert (bound, consumed) == (("bind", "answers"), ("consume", queue))
    assert (rig.channel.declared["exclusive"], rig.channel.declared["durable"]) == (exclusive, not exclusive)
    rig.at(1)
    assert rig.connection.requests[0][0].reply_to == queue
    rig.reply(0)
    assert rig.connection.acks == 1
    rig.job.lost()
    rig.connect()
    assert (rig.channel.asked[1][1] == queue) is not exclusive


def test_request_names_where_to_answer_and_what(rig: Rig) -> None:
    rig.at(30)
    properties, stamp = rig.connection.requests[2]
    assert (properties.reply_to, properties.correlation_id) == ("amq.rabbitmq.reply-to", "00000009.0.2")
    assert (stamp.seq, properties.delivery_mode) == (2, 2)


def test_answer_in_time_is_the_end_of_it(rig: Rig) -> None:
    rig.at(1)
    rig.confirm_all()
    rig.reply(0)
    rig.at(3000)
    assert rig.replied() == [0]
    assert [seq for _, seq in _seqs(rig)].count(0) == 1
    tick = rig.job.tick()
    assert tick["counts"]["replied"] == 1
    assert "round_trip" in tick["histograms"]


def test_lost_answer_is_a_timeout_and_the_same_request_again(rig: Rig) -> None:
    rig.at(1)
    rig.confirm_all()
    rig.at(999)
    assert rig.events(Kind.REPLY_TIMEOUT) == []
    rig.at(1002)
    assert [(event.seq, event.detail) for event in rig.events(Kind.REPLY_TIMEOUT)] == [(0, 0)]
    assert _seqs(rig)[-1] == (1, 0)
    assert [event.seq for event in rig.events(Kind.REPUBLISHED)] == [0]
    rig.reply(0, attempt=1)
    assert (rig.replied(), [event.seq for event in rig.events(Kind.REPLY_LATE)]) == ([0], [0])


def test_it_asks_until_the_deadline_and_no_longer(rig: Rig) -> None:
    for ms in range(1, 20_000, 100):
        rig.at(ms)
        rig.confirm_all()
    assert 3 <= len([seq for _, seq in _seqs(rig) if seq == 0]) <= 6
    assert {event.seq for event in rig.events(Kind.UNANSWERED)} == {0, 1, 2, 3, 4}
    assert rig.job.tick()["counts"].get("failed") is None


def test_unconfirmed_request_is_not_asked_again_beside_the_publishers_own_retry(rig: Rig) -> None:
    rig.at(1)
    rig.at(1500)
    assert rig.events(Kind.REPLY_TIMEOUT) == []
    rig.job.lost()
    rig.connect()
    rig.at(1600)
    assert [seq for _, seq in _seqs(rig)].count(0) == 1
    rig.confirm_all()
    rig.at(2550)
    assert rig.events(Kind.REPLY_TIMEOUT) == []
    rig.at(2650)
    assert 0 in {event.seq for event in rig.events(Kind.REPLY_TIMEOUT)}


def test_second_answer_is_noted_and_changes_nothing(rig: Rig) -> None:
    rig.at(1)
    rig.reply(0)
    rig.reply(0)
    assert rig.replied() == [0]
    assert [event.seq for event in rig.events(Kind.REPLY_AGAIN)] == [0]


@pytest.mark.parametrize(
    "wrong", [{"seq": 0, "named": 1}, {"seq": 0, "publisher": 1}, {"seq": 77}], ids=["id", "asker", "unasked"]
)
def test_answer_to_something_else_is_wrong_and_counts_for_nothing(rig: Rig, wrong: dict[str, Any]) -> None:
    rig.at(30)
    rig.reply(**wrong)
    assert rig.replied() == []
    assert len(rig.events(Kind.REPLY_WRONG)) == 1


def test_message_of_another_run_is_a_stranger(rig: Rig) -> None:
    rig.connection.on_delivery(Delivery(1, False, b"\0\0", b"who?"))
    assert len(rig.events(Kind.FOREIGN)) == 1


def _seqs(rig: Rig) -> list[tuple[int, int]]:
    return [(stamp.attempt, stamp.seq) for _, stamp in rig.connection.requests]
