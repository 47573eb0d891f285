"""A reader over the stream protocol: where it begins and resumes, what it writes down, when it is active."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from loadgen import body
from loadgen.curve import SECOND_NS
from loadgen.ledger import Event, Kind, read_bitmap, read_log
from loadgen.spec import ConsumerSpec, Link
from loadgen.streaming import reader, section
from loadgen.streaming.hearing import Chunk, LinkError
from loadgen.streaming.reader import Reader
from warren.connection import Credentials, Endpoint

MS = 1_000_000
NONCE = 9


class Connection:
    """Writes down what it is asked for, and how much of the log was written by then."""

    def __init__(self, log: Path, stored: int | None = None) -> None:
        self._log = log
        self.stored = stored
        self.breaks = False
        self.did: list[tuple[Any, ...]] = []

    def _do(self, *what: Any) -> None:
        self.did.append((*what, len(read_log(self._log).events)))

    async def subscribe(self, stream: str, place: Any, credit: int, properties: dict[str, str]) -> None:
        self._do("subscribe", place, properties)

    def credit(self, chunks: int) -> None:
        self._do("credit", chunks)

    def store_offset(self, stream: str, name: str, offset: int) -> None:
        self._do("store", name, offset)

    async def query_offset(self, stream: str, name: str) -> int | None:
        if self.breaks:
            raise LinkError("gone")
        return self.stored

    def answer_active(self, correlation: int, place: Any) -> None:
        self._do("answer", correlation, place)


class Worker:
    t0_ns = SECOND_NS
    body_clock_ns = 0

    def __init__(self) -> None:
        self.pokes = self.renewed = 0

    def poke(self) -> None:
        self.pokes += 1

    def renew(self, what: str) -> bool:
        self.renewed += 1
        return True


class Clock:
    def __init__(self) -> None:
        self.now = SECOND_NS

    def monotonic_ns(self) -> int:
        return self.now


def message(seq: int, *, publisher: int = 0, nonce: int = NONCE, kind: int = 0) -> bytes:
    stamp = body.Stamp(nonce, publisher, kind, 0, seq, SECOND_NS + seq * MS, 0)
    return section.opening(40) + body.encode(stamp, 40)


class Rig:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
        self.folder, self.worker, self.clock = folder, Worker(), Clock()
        monkeypatch.setattr(reader, "time", self.clock)
        link = Link(
            endpoints=(Endpoint(name="a", host="a", port=1),),
            vhost="/",
            credentials=Credentials(username="u", password="p"),
            ca_pem=None,
            connection_name="c",
        )
        values: dict[str, Any] = {
            "name": "w",
            "link": link,
            "folder": str(folder),
            "nonce": NONCE,
            "seed": 1,
            "publishers": 2,
            "queue": "s",
            "unit": "s[w]",
            "protocol": "stream",
            "stream": True,
            "arguments": {"x-stream-offset": "first"},
            "log_offsets": True,
        }
        self.job = Reader(ConsumerSpec(**{**values, **changes}), self.worker)  # type: ignore[arg-type]
        self.job.command("start")
        self.connect()

    def connect(self, stored: int | None = None) -> None:
        self.connection = Connection(self.folder / "w.log", stored)
        asyncio.run(self.job.opened(self.connection))  # type: ignore[arg-type]

    def give(self, first: int, messages: Sequence[bytes]) -> None:
        self.job.hearing.chunk(Chunk(first, messages))

    def told(self, active: bool, correlation: int = 1) -> None:
        async def tell() -> None:
            self.job.hearing.active(correlation, active)
            assert self.job._deciding is not None
            await self.job._deciding

        asyncio.run(tell())

    def events(self, *kinds: Kind) -> list[Event]:
        self.job._log.flush()
        return [each for each in read_log(self.folder / "w.log").events if each.kind in kinds]

    def done(self, publisher: int = 0) -> int:
        return read_bitmap(self.folder / f"w.done-{publisher}").bits


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(tmp_path, monkeypatch)


GROUP = {"group": "g", "ack_batch": 3}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({}, ("first", 0)),
        ({"arguments": {}}, ("next", 0)),
        ({"arguments": {"x-stream-offset": 300}}, ("offset", 300)),
        ({"from_epoch_s": 1_700_000_000}, ("timestamp", 1_700_000_000_000)),
    ],
)
def test_reader_begins_where_the_profile_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], place: Any
) -> None:
    assert Rig(tmp_path, monkeypatch, **changes).connection.did[0][:3] == ("subscribe", place, {})


def test_messages_are_noted_with_their_offsets_and_done(rig: Rig) -> None:
    rig.clock.now = SECOND_NS + 5 * MS
    rig.give(7, [message(0), message(1)])
    rig.give(9, [message(0, publisher=1)])
    assert [(e.publisher, e.seq, e.aux, e.aux2) for e in rig.events(Kind.READ)] == [
        (0, 0, 7, SECOND_NS),
        (0, 1, 8, SECOND_NS + MS),
        (1, 0, 9, SECOND_NS),
    ]
    assert (rig.done(0), rig.done(1)) == (0b11, 0b1)
    tick = rig.job.tick()
    assert tick["counts"] == {"consumed": 3, "streamed": 3, "settled": 3}
    assert tick["offset"] == 9
    assert sum(tick["histograms"]["end_to_end.all"][1::2]) == 3


def test_credit_is_given_back_after_what_was_read_is_written(rig: Rig) -> None:
    rig.give(0, [message(0), message(1)])
    assert [each[0] for each in rig.connection.did] == ["subscribe"]
    rig.job.before_flush()
    assert rig.connection.did[-1] == ("credit", 1, 2)
    rig.job.before_flush()
    assert rig.connection.did[-1] == ("credit", 1, 2)
    assert len(rig.connection.did) == 2
    assert rig.worker.pokes == 1


def test_chunk_that_begins_before_the_offset_asked_for_is_read_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, arguments={"x-stream-offset": 2}, does="replay")
    rig.give(0, [message(seq) for seq in range(4)])
    assert [each.aux for each in rig.events(Kind.READ)] == [2, 3]
    assert not list(tmp_path.glob("w.done*"))


def test_reader_resumes_behind_the_last_message_that_it_read(rig: Rig) -> None:
    rig.give(0, [message(0), message(1)])
    rig.job.lost()
    rig.connect()
    assert rig.connection.did[0][1] == ("offset", 2)
    rig.give(0, [message(seq) for seq in range(4)])
    assert [each.aux for each in rig.events(Kind.READ)] == [0, 1, 2, 3]
    assert not rig.events(Kind.OFFSET_GAP)
    assert len(rig.events(Kind.CONNECTION_LOST)) == 1


def test_gap_in_the_offsets_is_logged_and_the_span_told_at_the_end(rig: Rig) -> None:
    rig.give(0, [message(0)])
    rig.give(2, [message(2)])
    rig.job.command("finish")
    (gap,) = rig.events(Kind.OFFSET_GAP)
    assert (gap.aux, gap.aux2) == (1, 2)
    (span,) = rig.events(Kind.OFFSETS)
    assert (span.aux, span.aux2) == (0, 2)
    assert rig.job.over


def test_second_copy_of_a_message_is_a_duplicate(rig: Rig) -> None:
    rig.give(0, [message(0), message(0)])
    assert [each.seq for each in rig.events(Kind.DUPLICATE)] == [0]
    assert rig.job.tick()["counts"]["duplicates"] == 1


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (message(0, nonce=1), Kind.FOREIGN),
        (b"no section", Kind.FOREIGN),
        (message(0, publisher=2), Kind.UNREADABLE),
        (message(0, kind=1), Kind.UNREADABLE),
        (message(0)[:-1] + b"x", Kind.UNREADABLE),
    ],
)
def test_strange_messages_are_noted_and_not_judged(rig: Rig, data: bytes, kind: Kind) -> None:
    rig.give(0, [data])
    assert len(rig.events(kind)) == 1
    assert not rig.events(Kind.READ)


def test_order_is_judged_where_there_is_one_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, sole=True)
    rig.give(0, [message(1), message(0), message(2)])
    assert [(each.seq, each.aux) for each in rig.events(Kind.REORDERED)] == [(0, 1)]


def test_planned_break_comes_between_two_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, reconnect_every=2)
    rig.give(0, [message(0)])
    assert rig.worker.renewed == 0
    rig.give(1, [message(1), message(2)])
    assert rig.worker.renewed == 1
    rig.job.lost()
    rig.connect()
    assert rig.connection.did[0][1] == ("offset", 3)


# --- one active of several


def test_member_of_a_group_says_so_and_waits_to_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, **GROUP)
    assert rig.connection.did[0][2] == {"single-active-consumer": "true", "name": "g"}
    assert not rig.events(Kind.ACTIVE)


@pytest.mark.parametrize(
    ("stored", "place", "noted"), [(None, ("first", 0), (0, 0)), (41, ("offset", 42), (42, 1))]
)
def test_active_reader_begins_behind_the_stored_offset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: int | None, place: Any, noted: Any
) -> None:
    rig = Rig(tmp_path, monkeypatch, **GROUP)
    rig.connection.stored = stored
    rig.told(True, correlation=5)
    assert rig.connection.did[-1][:3] == ("answer", 5, place)
    (event,) = rig.events(Kind.ACTIVE)
    assert (event.aux, event.detail) == noted
    rig.give(40, [message(seq) for seq in range(4)])
    assert [each.aux for each in rig.events(Kind.READ)][-1] == 43
    assert next(each.aux for each in rig.events(Kind.READ)) == (42 if stored else 40)


def test_offset_is_stored_after_a_batch_or_a_time_and_never_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, **GROUP)
    rig.told(True)
    rig.give(0, [message(0), message(1)])
    rig.job.before_flush()
    assert "store" not in [each[0] for each in rig.connection.did]
    assert rig.job.turn(rig.clock.now, rested_ns=rig.clock.now) == rig.clock.now + 50 * MS
    rig.give(2, [message(2)])
    rig.job.before_flush()
    assert rig.connection.did[-1] == ("store", "g", 2, 4)
    rig.give(3, [message(3)])
    rig.clock.now += 51 * MS
    rig.job.before_flush()
    assert rig.connection.did[-1] == ("store", "g", 3, 5)


def test_reader_that_is_told_to_rest_stores_its_offset_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, **GROUP)
    rig.told(True)
    rig.give(0, [message(0)])
    rig.told(False, correlation=6)
    assert rig.connection.did[-2][:3] == ("store", "g", 0)
    assert rig.connection.did[-1][:3] == ("answer", 6, ("next", 0))
    (event,) = rig.events(Kind.INACTIVE)
    assert event.aux == 0


def test_new_term_is_no_gap_in_the_offsets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, **GROUP)
    rig.told(True)
    rig.give(0, [message(0)])
    rig.told(False)
    rig.connection.stored = 8
    rig.told(True)
    rig.give(9, [message(9)])
    assert not rig.events(Kind.OFFSET_GAP)


def test_member_that_comes_back_asks_as_at_first_and_is_not_active(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, **GROUP)
    rig.told(True)
    rig.give(0, [message(0)])
    rig.job.lost()
    rig.connect()
    assert rig.connection.did[0][1] == ("first", 0)
    assert len(rig.events(Kind.ACTIVE)) == 1


def test_finish_stores_what_was_read_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, **GROUP)
    rig.told(True)
    rig.give(0, [message(0)])
    rig.job.command("finish")
    rig.job.before_flush()
    assert rig.connection.did[-1][:3] == ("store", "g", 0)


def test_question_on_a_connection_that_breaks_is_left_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, **GROUP)
    rig.connection.breaks = True
    rig.told(True)
    assert not rig.events(Kind.ACTIVE)
    assert "answer" not in [each[0] for each in rig.connection.did]
