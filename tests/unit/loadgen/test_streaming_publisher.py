"""A publisher over the stream protocol: ids never go back, and nothing in doubt is overtaken."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from loadgen import body, publishing
from loadgen.curve import SECOND_NS
from loadgen.ledger import Kind, read_bitmap, read_log
from loadgen.spec import Link, PublisherSpec
from loadgen.streaming import publisher, section
from loadgen.streaming.publisher import Publisher
from warren.connection import Credentials, Endpoint

MS = 1_000_000


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def monotonic_ns(self) -> int:
        return self.now


class Connection:
    """Agrees at once, and keeps what is published."""

    def __init__(self, last: int = 0) -> None:
        self.last = last
        self.declared: list[tuple[str, str]] = []
        self.sent: list[tuple[int, bytes]] = []
        self.unsent = 0

    async def declare_publisher(self, stream: str, name: str) -> None:
        self.declared.append((stream, name))

    async def last_published(self, stream: str, name: str) -> int:
        assert (stream, name) == self.declared[0]
        return self.last

    def publish(self, messages: list[tuple[int, bytes]]) -> None:
        self.sent += messages

    def unsent_bytes(self) -> int:
        return self.unsent


class Worker:
    t0_ns = SECOND_NS
    body_clock_ns = 0

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.reopened: list[str] = []
        self.renewed = self.pokes = 0
        self.flush = lambda: None

    def say(self, kind: str, **fields: Any) -> None:
        self.said.append((kind, fields))

    def reopen(self, why: str) -> None:
        self.reopened.append(why)

    def renew(self, what: str) -> bool:
        self.renewed += 1
        self.flush()
        return True

    def poke(self) -> None:
        self.pokes += 1


class Rig:
    """A publisher at 1,000 msg/s with a window of 10, and a hand on its clock."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        self.clock, self.folder, self.worker = Clock(), folder, Worker()
        for module in (publisher, publishing):
            monkeypatch.setattr(module, "time", self.clock)
        link = Link(
            endpoints=(Endpoint(name="a", host="a", port=1),),
            vhost="/",
            credentials=Credentials(username="u", password="p"),
            ca_pem=None,
            connection_name="run p-0",
        )
        values: dict[str, Any] = {
            "name": "p",
            "link": link,
            "folder": str(folder),
            "nonce": 9,
            "seed": 1,
            "index": 0,
            "publishers": 1,
            "rate_per_s": 1000.0,
            "duration_s": 1.0,
            "size_bytes": 40,
            "window": 10,
            "exchange": "",
            "routing_key": "s",
            "protocol": "stream",
        }
        self.job = Publisher(PublisherSpec(**{**values, **changes}), self.worker)  # type: ignore[arg-type]
        self.connect()
        self.clock.now = SECOND_NS
        self.job.command("start")

    def connect(self, last: int = 0) -> None:
        self.connection = Connection(last)
        asyncio.run(self.job.opened(self.connection))  # type: ignore[arg-type]

    def at(self, ms: float) -> list[int]:
        """Take a turn ``ms`` after the start; the publishing ids that left in it."""
        self.clock.now = SECOND_NS + int(ms * MS)
        before = len(self.connection.sent)
        self.job.turn(self.clock.now, rested_ns=0)
        self.job.before_flush()
        return [number for number, _ in self.connection.sent[before:]]

    def confirm(self, *numbers: int, code: int = 1) -> None:
        self.job.hearing.answers(numbers, code)

    def events(self, kind: Kind) -> list[int]:
        self.job._log.flush()
        return [each.seq for each in read_log(self.folder / "p.log").events if each.kind is kind]

    def confirmed(self) -> int:
        return read_bitmap(self.folder / "p.confirmed").bits


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(tmp_path, monkeypatch)


def test_publishing_id_is_the_ledgers_number_and_the_name_the_process_own(rig: Rig) -> None:
    assert rig.at(3) == [0, 1, 2, 3]
    assert rig.connection.declared == [("s", "run p-0")]
    found = [section.body_of(message) for _, message in rig.connection.sent]
    stamps = [body.decode(each) for each in found if each is not None]
    assert [stamp.seq for stamp in stamps if stamp] == [0, 1, 2, 3]
    assert [stamp.intended_ns - SECOND_NS for stamp in stamps if stamp] == [0, MS, 2 * MS, 3 * MS]
    assert {len(each) for each in found if each is not None} == {40}


def test_window_bounds_what_is_unanswered_and_confirms_make_room(rig: Rig) -> None:
    assert rig.at(20) == list(range(10))
    assert rig.at(21) == []
    rig.confirm(0, 2)
    assert rig.worker.pokes == 1
    assert rig.at(22) == [10, 11]
    assert rig.confirmed() == 0b101


def test_what_is_in_doubt_is_published_again_in_order_and_before_anything_new(rig: Rig) -> None:
    rig.at(5)
    rig.confirm(0, 2)
    rig.job.lost()
    assert rig.at(6) == []
    rig.connect(last=3)
    assert rig.at(7) == [1, 3, 4, 5, 6, 7]
    assert rig.events(Kind.IN_DOUBT) == [5, 4, 3, 1]
    assert rig.events(Kind.REPUBLISHED) == [1, 3, 4, 5]
    assert rig.events(Kind.STORED_ALREADY) == [1, 3]


def test_nothing_new_overtakes_what_waits_to_be_published_again(rig: Rig) -> None:
    """The socket takes some of it only: a new id would make the broker drop the rest as duplicates."""
    rig.at(5)
    rig.job.lost()
    rig.connect()
    room = iter([0, 0, 1 << 30])
    rig.connection.unsent_bytes = lambda: next(room, 0)  # type: ignore[method-assign]
    assert rig.at(6) == [0, 1]
    assert rig.at(7) == [2, 3, 4, 5, 6, 7]


def test_second_loss_keeps_the_order_of_ids(rig: Rig) -> None:
    rig.at(5)
    rig.job.lost()
    rig.connect()
    room = iter([0, 0, 1 << 30])
    rig.connection.unsent_bytes = lambda: next(room, 1 << 30)  # type: ignore[method-assign]
    assert rig.at(6) == [0, 1]
    rig.job.lost()
    rig.connect()
    assert rig.at(6) == [0, 1, 2, 3, 4, 5, 6]


def test_what_was_queued_and_never_left_is_in_doubt_too(rig: Rig) -> None:
    rig.clock.now = SECOND_NS + 2 * MS
    rig.job.turn(rig.clock.now, rested_ns=0)
    rig.job.lost()
    rig.connect()
    assert rig.at(2) == [0, 1, 2]


def test_refused_message_stops_the_rest_and_comes_again_on_another_connection(rig: Rig) -> None:
    rig.at(3)
    rig.confirm(0)
    rig.confirm(1, code=18)
    rig.confirm(2, code=18)
    assert rig.worker.reopened == ["the broker does not take messages: code 18"]
    assert rig.at(5) == []
    rig.job.lost()
    rig.connect()
    assert rig.at(6) == [1, 2, 3, 4, 5, 6]
    assert rig.events(Kind.NACKED) == [1, 2]


def test_refused_message_below_a_stored_one_is_not_sent_again(rig: Rig) -> None:
    """Its id would be taken for a duplicate, confirmed and never stored: a loss of our making."""
    rig.at(3)
    rig.confirm(0, 2)
    rig.confirm(1, code=18)
    rig.job.lost()
    rig.connect()
    assert rig.at(3) == [3]
    assert rig.job.tick()["counts"]["failed"] == 1
    assert rig.confirmed() == 0b101


def test_confirm_of_what_is_not_awaited_is_passed_over(rig: Rig) -> None:
    rig.at(0)
    rig.confirm(7, 0, 0)
    assert rig.job.tick()["counts"] == {"published": 1, "confirmed": 1}


def test_planned_break_follows_the_last_message_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, reconnect_every=3)
    rig.worker.flush = rig.job.before_flush
    rig.clock.now = SECOND_NS + 9 * MS
    rig.job.turn(rig.clock.now, rested_ns=0)
    assert rig.worker.renewed == 1
    assert not rig.job.connected
    assert [number for number, _ in rig.connection.sent] == [0, 1, 2]
    rig.job.lost()
    rig.connect()
    assert rig.at(9) == [0, 1, 2, 3, 4, 5]


def test_finish_is_said_once_all_is_answered(rig: Rig) -> None:
    for _ in range(100):
        rig.at(1000)
        rig.confirm(*list(rig.job._slots))
    rig.at(1001)
    assert ("finished", {"published": 1000, "unanswered": 0}) in rig.worker.said
    assert rig.job._counts["confirmed"] == 1000
