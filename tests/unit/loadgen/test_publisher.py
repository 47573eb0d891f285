"""The publisher's promises: the window, what happens to unanswered and refused messages, its finish."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadgen import body, publisher, publishing
from loadgen.codec import codec
from loadgen.curve import SECOND_NS, Phase, Segment
from loadgen.histogram import highest_in
from loadgen.ledger import Kind, read_bitmap, read_log
from loadgen.publisher import Publisher
from loadgen.spec import Link, MessageClass, PublisherSpec
from loadgen.varied import Varied, VariedPublisher
from warren.connection import Credentials, Endpoint

MS = 1_000_000
_PLAIN: dict[str, Any] = {
    "name": "p",
    "nonce": 9,
    "seed": 1,
    "index": 0,
    "publishers": 1,
    "rate_per_s": 1000.0,
    "duration_s": 1.0,
    "size_bytes": 40,
    "window": 10,
    "exchange": "",
    "routing_key": "q",
}
VIP_AND_NORMAL = (
    MessageClass(name="normal", share=0.8, priority=4),
    MessageClass(name="vip", share=0.2, priority=9),
)


class Channel:
    """A channel that agrees at once."""

    channel_number = 1

    def add_on_return_callback(self, callback: Any) -> None:
        self.on_return = callback

    def confirm_delivery(self, _answers: Any, callback: Any) -> None:
        callback(None)


class Connection:
    """Collects what is queued; ``sent`` decodes it."""

    frame_max = 131072

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.unsent = 0

    def add_on_connection_blocked_callback(self, callback: Any) -> None:
        self.block = callback

    def add_on_connection_unblocked_callback(self, callback: Any) -> None:
        self.unblock = callback

    def queue(self, frames: bytes) -> None:
        self.frames.append(frames)

    def unsent_bytes(self) -> int:
        return self.unsent

    def sent(self) -> list[body.Stamp]:
        found = [body.decode(frames[-41:-1]) for frames in self.frames]
        return [stamp for stamp in found if stamp is not None]


class Worker:
    """Says nothing to nobody."""

    t0_ns = 0
    body_clock_ns = 0

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def ready(self) -> None:
        self.said.append(("ready", {}))

    def say(self, kind: str, **fields: Any) -> None:
        self.said.append((kind, fields))

    def renew(self, what: str) -> bool:
        self.said.append((f"renew {what}", {}))
        return True


class Clock:
    """Stands for the module's clock."""

    def __init__(self) -> None:
        self.now = 0

    def monotonic_ns(self) -> int:
        return self.now


class Rig:
    """A publisher at 1,000 msg/s with a window of 10, and a hand on its clock."""

    def __init__(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        of: type[Publisher] = Publisher,
        **changes: Any,
    ) -> None:
        self.clock = Clock()
        for module in (publisher, publishing):
            monkeypatch.setattr(module, "time", self.clock)
        link = Link(
            endpoints=(Endpoint(name="a", host="a", port=1),),
            vhost="/",
            credentials=Credentials(username="u", password="p"),
            ca_pem=None,
            connection_name="c",
        )
        values: dict[str, Any] = {**_PLAIN, "link": link, "folder": str(folder)}
        self.folder = folder
        self.worker = Worker()
        self.job = of(PublisherSpec(**{**values, **changes}), self.worker)  # type: ignore[arg-type]
        self.worker.t0_ns = SECOND_NS
        self.connect()

    def connect(self) -> None:
        self.connection, self.channel = Connection(), Channel()
        self.job.opened(self.connection, self.channel)  # type: ignore[arg-type]

    def start(self) -> None:
        self.clock.now = SECOND_NS
        self.job.command("start")

    def at(self, ms: float) -> int:
        """One turn at ``ms`` after the start; returns when the next is wanted, in ms after the start."""
        self.clock.now = SECOND_NS + int(ms * MS)
        wake = self.job.turn(self.clock.now, rested_ns=self.clock.now)
        self.job.before_flush()
        return (wake - SECOND_NS) // MS

    def confirm(self, tag: int, *, multiple: bool = False, ack: bool = True) -> None:
        self.job._on_confirm(tag, multiple, ack)

    def seqs(self) -> list[int]:
        return [stamp.seq for stamp in self.connection.sent()]

    def confirmed(self) -> int:
        return read_bitmap(self.folder / "p.confirmed").bits

    def published(self) -> int:
        return read_bitmap(self.folder / "p.confirmed").counter

    def kinds(self) -> list[Kind]:
        self.job.before_flush()
        return [event.kind for event in read_log(self.folder / "p.log").events]


@pytest.fixture
def idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """Connected, not started."""
    return Rig(tmp_path, monkeypatch)


@pytest.fixture
def rig(idle: Rig) -> Rig:
    """Started."""
    idle.start()
    return idle


def test_messages_leave_when_they_are_due(rig: Rig) -> None:
    assert rig.at(0) == 1
    assert rig.at(3.5) == 4
    assert rig.seqs() == [0, 1, 2, 3]
    assert [stamp.intended_ns - SECOND_NS for stamp in rig.connection.sent()] == [0, MS, 2 * MS, 3 * MS]


def test_without_a_schedule_too_nothing_leaves_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PerfTest's twelve bytes say whose they are by their time alone: from before it is a stranger."""
    rig = Rig(tmp_path, monkeypatch, rate_per_s=None)
    rig.start()
    assert rig.at(-150) == 0
    assert rig.seqs() == []
    rig.at(0)
    assert rig.seqs() == list(range(10))


def test_messages_that_came_due_between_two_turns_leave_together_and_keep_their_own_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, rate_per_s=4000.0)
    rig.start()
    rig.at(0)
    assert rig.seqs() == [0]
    rig.at(1)
    assert rig.seqs() == [0, 1, 2, 3, 4]
    assert [stamp.intended_ns - SECOND_NS for stamp in rig.connection.sent()] == [
        0,
        250_000,
        500_000,
        750_000,
        MS,
    ]


def test_each_message_is_waited_for_at_its_own_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, rate_per_s=4000.0)
    rig.start()
    assert rig.job.turn(SECOND_NS, rested_ns=SECOND_NS) == SECOND_NS + 250_000


def test_window_bounds_what_is_unanswered(rig: Rig) -> None:
    rig.at(500)
    assert len(rig.seqs()) == 10
    rig.confirm(4, multiple=True)
    rig.at(501)
    assert rig.seqs() == list(range(14))


def test_single_confirms_out_of_order_free_the_window_too(rig: Rig) -> None:
    rig.at(500)
    for tag in (9, 3, 7):
        rig.confirm(tag)
    rig.at(501)
    assert len(rig.seqs()) == 13
    assert rig.confirmed() == 1 << 8 | 1 << 2 | 1 << 6


def test_latency_counts_from_the_intended_time(rig: Rig) -> None:
    rig.at(500)
    rig.clock.now = SECOND_NS + 700 * MS
    rig.confirm(1)
    counts = rig.job.tick()["histograms"]["confirm"]
    assert counts[1] == 1
    assert 699_000 < highest_in(counts[0]) < 701_000


def test_lag_behind_a_full_window_is_blocked_and_not_ours(rig: Rig) -> None:
    rig.at(100)
    rig.confirm(10, multiple=True)
    rig.at(900)
    blocked = rig.job.tick()["histograms"]["blocked"]
    assert sum(blocked[1::2]) == 20
    assert max(blocked[::2]) > 10_000


def test_published_is_on_disk_before_the_frames_leave(rig: Rig) -> None:
    rig.at(4)
    assert rig.published() == 5


def test_unanswered_messages_are_in_doubt_and_leave_again_first(rig: Rig) -> None:
    rig.at(4)
    rig.confirm(2)
    rig.job.lost()
    rig.connect()
    rig.at(6)
    assert rig.seqs() == [0, 2, 3, 4, 5, 6]
    assert [stamp.attempt for stamp in rig.connection.sent()] == [1, 1, 1, 1, 0, 0]
    assert rig.kinds() == [Kind.IN_DOUBT] * 4 + [Kind.REPUBLISHED] * 4


def test_message_may_be_in_doubt_after_any_number_of_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue that refuses for a minute is asked 300 times, and then the connection goes."""
    rig = Rig(tmp_path, monkeypatch, window=1, publish_deadline_s=3600.0)
    rig.start()
    for attempt in range(300):
        rig.at(attempt * 200)
        rig.confirm(attempt + 1, ack=False)
    rig.at(300 * 200)
    rig.job.lost()
    doubt = [event for event in read_log(tmp_path / "p.log").events if event.kind is Kind.IN_DOUBT]
    assert [(event.seq, event.detail) for event in doubt] == [(0, 255)]


def test_nothing_is_sent_while_there_is_no_connection(rig: Rig) -> None:
    rig.job.lost()
    before = rig.connection
    rig.at(50)
    assert before.sent() == []
    rig.connect()
    rig.at(51)
    assert rig.seqs() == list(range(10))


def test_nacked_message_is_tried_again_after_a_pause(rig: Rig) -> None:
    rig.at(0)
    rig.confirm(1, ack=False)
    assert rig.at(0.5) >= 0
    assert rig.seqs() == [0]
    rig.at(300)
    assert rig.connection.sent()[1].attempt == 1
    assert rig.connection.sent()[1].seq == 0
    assert rig.kinds() == [Kind.NACKED, Kind.REPUBLISHED]


def test_nack_past_the_deadline_is_final(rig: Rig) -> None:
    rig.at(0)
    rig.clock.now = 32 * SECOND_NS
    rig.confirm(1, ack=False)
    assert rig.job.tick()["counts"]["failed"] == 1
    rig.at(31_500)
    assert rig.seqs().count(0) == 1


def test_late_confirm_is_a_failed_publish_and_still_confirmed(rig: Rig) -> None:
    rig.at(0)
    rig.clock.now = 32 * SECOND_NS
    rig.confirm(1)
    assert rig.job.tick()["counts"]["failed"] == 1
    assert rig.confirmed() == 1


def test_broker_that_blocks_stops_publishing_until_it_unblocks(rig: Rig) -> None:
    rig.connection.block(None, None)
    rig.at(5)
    assert rig.seqs() == []
    rig.connection.unblock(None, None)
    rig.at(6)
    assert rig.seqs() == list(range(7))


def test_full_socket_stops_publishing(rig: Rig) -> None:
    rig.connection.unsent = 10_000_000
    rig.at(5)
    assert rig.seqs() == []


def test_stop_makes_nothing_new_and_finishes_when_all_is_answered(rig: Rig) -> None:
    rig.at(4)
    rig.job.command("stop")
    rig.at(50)
    assert rig.seqs() == [0, 1, 2, 3, 4]
    assert ("finished" in [kind for kind, _ in rig.worker.said]) is False
    rig.confirm(5, multiple=True)
    rig.at(51)
    assert rig.worker.said[-1][0] == "finished"


def test_unanswered_message_does_not_keep_the_run_open_for_ever(rig: Rig) -> None:
    rig.at(0)
    rig.job.command("stop")
    rig.at(31_000)
    assert rig.worker.said[-1] == ("finished", {"published": 1, "unanswered": 1})
    assert rig.job.tick()["counts"]["failed"] == 1


def test_failed_publish_counts_once_whatever_is_heard_of_it_after_the_finish(rig: Rig) -> None:
    for ms in (0, 1000, 32_000, 32_001):
        rig.at(ms)
    assert rig.worker.said[-1] == ("finished", {"published": 10, "unanswered": 10})
    failed = rig.job.tick()["counts"]["failed"]
    assert failed >= 10
    rig.clock.now += SECOND_NS
    rig.confirm(3, multiple=True)
    rig.confirm(4, ack=False)
    rig.job.lost()
    rig.at(34_000)
    assert rig.job.tick()["counts"].get("failed", 0) == 0


def test_publisher_does_not_finish_before_it_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch)
    rig.clock.now = 5 * SECOND_NS
    rig.job.turn(rig.clock.now, rested_ns=rig.clock.now)
    assert [kind for kind, _ in rig.worker.said] == ["ready"]


def test_returned_message_is_noted(rig: Rig) -> None:
    stamp = body.Stamp(9, 0, 0, 0, 3, 1, 1)
    rig.channel.on_return(None, None, None, body.encode(stamp, 40))
    assert rig.kinds() == [Kind.RETURNED]


def test_each_sending_is_noted_where_an_oracle_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, sent_times=True)
    rig.start()
    rig.at(1)
    rig.job.lost()
    rig.connect()
    rig.at(5)
    again = [stamp for stamp in rig.connection.sent() if stamp.attempt]
    noted = [each for each in read_log(rig.folder / "p.log").events if each.kind is Kind.SENT_AT]
    assert [(each.seq, each.at_ns) for each in noted if each.seq == again[0].seq] == [
        (again[0].seq, SECOND_NS + MS),
        (again[0].seq, SECOND_NS + 5 * MS),
    ]


def test_classes_keep_their_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(
        tmp_path, monkeypatch, classes=VIP_AND_NORMAL, window=5000, rate_per_s=4000.0, confirm_times=True
    )
    rig.start()
    rig.at(999)
    kinds = [stamp.kind for stamp in rig.connection.sent()]
    assert len(kinds) == 3997
    assert 0.17 < sum(kinds) / len(kinds) < 0.23


def test_saturating_publisher_fills_the_window_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, rate_per_s=None)
    rig.start()
    rig.at(1)
    assert rig.seqs() == list(range(10))
    rig.confirm(10, multiple=True)
    rig.at(2)
    assert len(rig.seqs()) == 20


def test_message_that_could_not_leave_in_time_never_leaves_and_is_counted(rig: Rig) -> None:
    rig.at(4)
    rig.connection.block(None, None)
    rig.at(31_001)
    assert rig.seqs() == [0, 1, 2, 3, 4]
    assert rig.job.tick()["counts"]["failed"] == 995
    rig.confirm(5, multiple=True)
    rig.at(31_002)
    assert rig.worker.said[-1] == ("finished", {"published": 5, "unanswered": 0})


def test_message_sent_at_the_last_moment_gets_time_for_its_answer(rig: Rig) -> None:
    rig.connection.block(None, None)
    rig.at(30_900)
    rig.connection.unblock(None, None)
    rig.at(30_990)
    rig.at(31_100)
    assert [kind for kind, _ in rig.worker.said].count("finished") == 0
    rig.at(36_000)
    assert rig.worker.said[-1][0] == "finished"


def test_message_counts_for_the_phase_that_it_was_meant_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Phase(name="slow", segments=(Segment(from_per_s=100, to_per_s=100, for_s=0.05),))
    fast = Phase(name="fast", segments=(Segment(from_per_s=1000, to_per_s=1000, for_s=0.02),))
    rig = Rig(tmp_path, monkeypatch, phases=(slow, fast), window=100, duration_s=0.07)
    rig.start()
    assert rig.at(0) == 10
    rig.at(60)
    rig.at(80)
    rig.confirm(25, multiple=True)
    told = rig.job.tick()["histograms"]
    totals = {name: sum(flat[1::2]) for name, flat in told.items()}
    assert totals == {"self": 25, "confirm#0": 5, "confirm#1": 20, "blocked#0": 5, "blocked#1": 20}


def test_poisson_messages_that_never_left_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, arrivals="poisson", publish_deadline_s=2.0)
    rig.start()
    rig.at(500)
    sent = len(rig.seqs())
    rig.at(3001)
    said = rig.job.tick()["counts"]
    assert sent == 10
    assert said["published"] == 10
    assert 900 < said["failed"] + 10 < 1100


def test_each_class_leaves_by_its_own_exchange_key_and_properties(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = (
        MessageClass(name="plain", share=0.5),
        MessageClass(
            name="other",
            share=0.5,
            exchange="x",
            routing_key="order.failed",
            headers={"region": "eu"},
            expiration_ms=700,
        ),
    )
    rig = Rig(tmp_path, monkeypatch, classes=classes, kinds=(4, 2), routing_key="order.paid")
    rig.start()
    rig.at(8)
    by_kind = {
        stamp.kind: frames for stamp, frames in zip(rig.connection.sent(), rig.connection.frames, strict=True)
    }
    assert set(by_kind) == {4, 2}
    assert b"order.paid" in by_kind[4]
    assert all(word in by_kind[2] for word in (b"\x01x\x0corder.failed", b"region", b"eu", b"\x03700"))


def test_perftest_body_carries_publisher_number_and_intended_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, body="perftest", size_bytes=12, index=1, publishers=2)
    rig.start()
    rig.at(2)
    bodies = [frames[-13:-1] for frames in rig.connection.frames]
    reader = codec("perftest", nonce=0, publishers=2)
    reader.begin(SECOND_NS)
    # The second of two publishers at 1,000 messages a second: at 1 ms, then every other.
    assert [reader.read(each) for each in bodies] == [(1, 0, 0, SECOND_NS + MS)]


def test_publisher_stops_before_its_numbers_run_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, body="perftest", size_bytes=12)
    rig.start()
    rig.job._next_seq = rig.job._codec.limit - 1000
    rig.job.tick()
    rig.at(1)
    assert rig.connection.frames == []
    notes = [fields["text"] for kind, fields in rig.worker.said if kind == "note"]
    assert notes == ["stopped: a body numbers 4294967296 messages a publisher"]


def test_publisher_reconnects_after_so_many_messages_and_sends_none_beyond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, reconnect_every=4, renews="channel")
    rig.start()
    rig.at(7)
    rig.at(8)
    assert len(rig.connection.sent()) == 4
    assert [kind for kind, _ in rig.worker.said].count("renew channel") == 1
    rig.job.lost()
    rig.connect()
    rig.at(9)
    assert [stamp.seq for stamp in rig.connection.sent()] == [0, 1, 2, 3, 4, 5, 6, 7]
    renewed = [
        (each.aux, each.detail) for each in read_log(tmp_path / "p.log").events if each.kind is Kind.RENEWED
    ]
    assert renewed == [(4, 1), (8, 1)]


def test_varied_bodies_are_those_of_their_numbers_when_sent_again_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, of=VariedPublisher, body="varied", size_bytes=40)
    rig.start()
    rig.at(2)
    rig.confirm(2, ack=False)
    rig.at(300)
    reader = Varied(9, 0)
    sent = [(reader.read(frames[-41:-1]), frames[-41:-1]) for frames in rig.connection.frames]
    seqs = [found[2] for found, _ in sent if found is not None]
    assert sorted(seqs)[:4] == [0, 1, 1, 2]
    assert all(
        payload[32:] == reader.rest_of(0, seq, 40) for seq, (_, payload) in zip(seqs, sent, strict=True)
    )


def test_block_is_noted_and_holds_for_the_next_channel_of_the_same_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch)
    rig.start()
    rig.connection.block()
    rig.job.lost()
    rig.job.opened(rig.connection, Channel())  # type: ignore[arg-type]
    rig.at(3)
    assert rig.connection.frames == []
    rig.connection.unblock()
    rig.at(4)
    assert len(rig.connection.frames) > 0
    kinds = [event.kind for event in read_log(tmp_path / "p.log").events]
    assert kinds == [Kind.BLOCKED, Kind.UNBLOCKED]
