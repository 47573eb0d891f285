"""A relay's promises: one out for one in, the ack after the confirm, ways by the plan, retries."""

from __future__ import annotations

import signal
import struct
from pathlib import Path
from typing import Any

import pytest
from pika import spec as amqp

from loadgen import body, plan, relay
from loadgen.curve import SECOND_NS
from loadgen.evidence import members
from loadgen.ledger import Event, Kind, read_bitmap, read_log
from loadgen.passing import TRY_HEADER
from loadgen.relay import Relay
from loadgen.spec import Link, Outcome, RelaySpec
from loadgen.wire import Delivery
from warren.connection import Credentials, Endpoint

NONCE = 9
SALT = plan.salt_of("r")


class Channel:
    """A channel that agrees at once."""

    channel_number = 1

    def add_on_cancel_callback(self, callback: Any) -> None: ...

    def confirm_delivery(self, _answers: Any, callback: Any) -> None:
        callback(None)

    def basic_qos(self, prefetch_count: int, callback: Any) -> None:
        callback(None)

    def basic_consume(self, queue: str, _deliver: Any, consumer_tag: str, callback: Any) -> None:
        callback(None)


class Connection:
    """Tells published messages from acks: (exchange, key, headers, properties, stamp) and tags."""

    frame_max = 131072
    on_delivery: Any = None
    on_confirm: Any = None

    def __init__(self) -> None:
        self.published: list[tuple[str, str, amqp.BasicProperties, body.Stamp]] = []
        self.acked: list[int] = []

    def queue(self, frames: bytes) -> None:
        _, size, method = frames[0], *struct.unpack_from(">II", frames, 3)
        if method == 60 << 16 | 80:
            self.acked.append(struct.unpack_from(">Q", frames, 11)[0])
            return
        publish = amqp.Basic.Publish()
        publish.decode(frames[11 : 7 + size])
        at = size + 8
        (header_size,) = struct.unpack_from(">I", frames, at + 3)
        properties = amqp.BasicProperties()
        properties.decode(frames[at + 7 + 12 : at + 7 + header_size])
        stamp = body.decode(frames[at + header_size + 8 + 7 : -1])
        assert stamp is not None
        self.published.append((publish.exchange, publish.routing_key, properties, stamp))


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
    """A relay fed by hand."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        self.clock = Clock()
        monkeypatch.setattr(relay, "time", self.clock)
        link = Link(
            endpoints=(Endpoint(name="a", host="a", port=1),),
            vhost="/",
            credentials=Credentials(username="u", password="p"),
            ca_pem=None,
            connection_name="c",
        )
        values: dict[str, Any] = {
            "name": "r-0",
            "nonce": NONCE,
            "seed": 1,
            "publishers": 2,
            "queue": "paid",
            "salt": SALT,
            "outcomes": (Outcome(name="ok", exchange="x", routing_key="next", headers={"step": "2"}),),
        }
        self.folder = folder
        spec = RelaySpec(**{**values, "link": link, "folder": str(folder), **changes})
        self.worker = Worker()
        self.job = Relay(spec, self.worker)  # type: ignore[arg-type]
        self.tag = 0
        self.open()

    def open(self) -> None:
        self.connection = Connection()
        self.job.opened(self.connection, Channel())  # type: ignore[arg-type]

    def deliver(self, seq: int, *, redelivered: bool = False, **properties: Any) -> None:
        self.tag += 1
        stamp = body.Stamp(NONCE, 1, 0, 0, seq, self.clock.now - 5, self.clock.now - 1)
        encoded = b"".join(amqp.BasicProperties(**properties).encode())
        self.connection.on_delivery(Delivery(self.tag, redelivered, encoded, body.encode(stamp, 60)))

    def confirm(self, tag: int, *, multiple: bool = False, ack: bool = True) -> None:
        self.connection.on_confirm(tag, multiple, ack)

    def events(self, kind: Kind) -> list[Event]:
        self.job.before_flush()
        return [each for each in read_log(self.folder / "r-0.log").events if each.kind is kind]

    def final(self, index: int = 0) -> tuple[str, str, list[int]]:
        part = read_bitmap(self.folder / f"r-0.final-{index}")
        return part.meaning["kind"], part.meaning["reason"], list(members(part.bits))


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(tmp_path, monkeypatch)


def test_same_message_goes_on_to_where_the_outcome_says(rig: Rig) -> None:
    rig.deliver(7)
    ((exchange, key, properties, stamp),) = rig.connection.published
    assert (exchange, key, properties.headers) == ("x", "next", {"step": "2"})
    assert (stamp.publisher, stamp.seq, stamp.intended_ns) == (1, 7, SECOND_NS - 5)
    assert stamp.attempt == 0


def test_ack_waits_for_the_confirm_and_the_evidence_is_there_before(rig: Rig) -> None:
    rig.deliver(7)
    rig.deliver(8)
    assert rig.connection.acked == []
    rig.confirm(2)
    assert rig.connection.acked == [2]
    assert rig.final() == ("done", "", [8])
    rig.confirm(1)
    assert rig.connection.acked == [2, 1]


def test_one_confirm_may_stand_for_several(rig: Rig) -> None:
    for seq in range(3):
        rig.deliver(seq)
    rig.confirm(3, multiple=True)
    assert rig.connection.acked == [1, 2, 3]


def test_nacked_message_is_published_again_after_a_pause(rig: Rig) -> None:
    rig.deliver(7)
    rig.confirm(1, ack=False)
    rig.job.turn(rig.clock.now, rested_ns=rig.clock.now)
    assert (rig.connection.acked, len(rig.connection.published)) == ([], 1)
    rig.clock.now += SECOND_NS
    rig.job.turn(rig.clock.now, rested_ns=rig.clock.now)
    assert rig.connection.published[1][3].attempt == 1
    rig.confirm(2)
    assert rig.connection.acked == [1]
    assert len(rig.events(Kind.RELAYED_AGAIN)) == 1


def test_what_a_lost_relay_may_have_published_is_marked_the_second_time(rig: Rig) -> None:
    rig.deliver(7)
    rig.job.lost()
    rig.open()
    rig.deliver(7, redelivered=True)
    assert rig.connection.published[0][3].attempt == 1
    assert [event.seq for event in rig.events(Kind.RELAYED_AGAIN)] == [7]
    rig.confirm(1)
    assert rig.connection.acked == [2]


def test_outcomes_are_chosen_by_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = (
        Outcome(name="ok", share=0.6, routing_key="ok"),
        Outcome(name="no", share=0.4, routing_key="no", final="dead"),
    )
    rig = Rig(tmp_path, monkeypatch, outcomes=outcomes)
    for seq in range(50):
        rig.deliver(seq)
    ways = plan.Ways((0.6, 0.4), (1.0,), tries=1, seed=1, salt=SALT)
    assert [each[1] for each in rig.connection.published] == [
        outcomes[ways.of(1, seq)].routing_key for seq in range(50)
    ]
    rig.confirm(50, multiple=True)
    finals = {reason: set(seqs) for _, reason, seqs in (rig.final(0), rig.final(1))}
    assert finals["no"] == {seq for seq in range(50) if ways.of(1, seq) == 1}


RETRYING: dict[str, Any] = {
    "outcomes": (),
    "failures": (0.0, 0.0, 1.0),
    "retries": (Outcome(name="wait", routing_key="wait", expiration_ms=500),),
    "given_up": Outcome(name="given-up", routing_key="dead", final="dead"),
    "log_tries": True,
}


def test_failing_message_comes_back_with_its_tries_counted_until_it_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, **RETRYING)
    rig.deliver(7)
    _, key, properties, _ = rig.connection.published[0]
    assert (key, properties.headers, properties.expiration) == ("wait", {TRY_HEADER: 1}, "500")
    rig.confirm(1)
    assert (rig.connection.acked, list(rig.folder.glob("*.final-*"))) == ([1], [])
    rig.deliver(7, headers={TRY_HEADER: 1})
    assert rig.connection.published[1][1] == "dead"
    rig.confirm(2)
    assert rig.final() == ("dead", "given-up", [7])
    assert [event.aux for event in rig.events(Kind.TRIED)] == [0, 1]
    assert [event.aux for event in rig.events(Kind.REJECTED)] == [0]


def test_message_that_needs_no_more_tries_ends_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, **{**RETRYING, "failures": (0.0, 1.0)})
    rig.deliver(7, headers={TRY_HEADER: 1})
    assert (rig.connection.published, rig.connection.acked) == ([], [1])
    assert rig.final() == ("done", "", [7])


def test_reply_goes_to_who_asked_with_his_correlation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, to="reply", outcomes=())
    rig.deliver(7, reply_to="amq.rabbitmq.reply-to.x", correlation_id="c7")
    ((exchange, key, properties, _),) = rig.connection.published
    assert (exchange, key, properties.correlation_id) == ("", "amq.rabbitmq.reply-to.x", "c7")
    rig.confirm(1)
    assert rig.connection.acked == [1]


def test_reply_goes_by_the_exchange_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, to="reply", outcomes=(), reply_exchange="answers")
    rig.deliver(7, reply_to="mine", correlation_id="c7")
    ((exchange, key, _, _),) = rig.connection.published
    assert (exchange, key) == ("answers", "mine")


def test_stranger_is_acked_and_not_passed_on(rig: Rig) -> None:
    rig.connection.on_delivery(Delivery(1, False, b"", b"who?"))
    assert (rig.connection.published, rig.connection.acked) == ([], [1])
    assert len(rig.events(Kind.FOREIGN)) == 1


def test_drain_that_waits_in_vain_has_another_connection_opened_until_it_is_over(rig: Rig) -> None:
    rig.job.command("anew")
    assert rig.worker.reopened == ["the drain waits in vain: connecting anew"]
    rig.job.command("finish")
    rig.job.command("anew")
    assert len(rig.worker.reopened) == 1


def test_slow_relay_takes_one_message_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, work_time_s=0.1)
    rig.deliver(1)
    rig.deliver(2)
    rig.clock.now += SECOND_NS // 10
    rig.job.turn(rig.clock.now, rested_ns=rig.clock.now)
    assert [each[3].seq for each in rig.connection.published] == [1]


def test_relay_kills_itself_with_a_message_of_the_try_that_it_is_to_die_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    monkeypatch.setattr(relay.os, "kill", lambda _pid, number: killed.append(number))
    rig = Rig(tmp_path, monkeypatch, crash_try=1)
    rig.deliver(6)
    rig.deliver(7, headers={TRY_HEADER: 2})
    assert killed == []
    rig.deliver(8, headers={TRY_HEADER: 1})
    assert killed == [signal.SIGKILL]
