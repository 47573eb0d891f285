"""The proof about coordinated omission, without a broker: its truth, its arithmetic, its judgement."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from pika import frame, spec

from loadgen import body
from loadgen.histogram import Counts, percentiles, record
from loadgen.selftest import omission
from loadgen.selftest.act import Plan
from loadgen.selftest.acts import act
from loadgen.selftest.omission import Measured
from loadgen.selftest.passage import Passage
from warren.errors import NotReadyError

CHANNEL, MS = 1, 1_000_000
ROW = Measured(
    client="Warren", kind="confirm", reported_p99_s=0.75, reported_p999_s=0.975,
    true_p99_s=0.75, true_p999_s=0.975, sent=25_000, messages=25_000,
)  # fmt: skip


def frozen_us() -> list[int]:
    """What an open load waits when a second of 25 is frozen, a message each millisecond."""
    return [max(1000, 13_000_000 - at) if at >= 12_000_000 else 1000 for at in range(0, 25_000_000, 1000)]


@pytest.mark.parametrize("share", [0.99, 0.999])
def test_arithmetic_is_that_of_the_arrivals(share: float) -> None:
    found = omission.percentile_s(frozen_us(), share)
    assert found == pytest.approx(omission.by_arithmetic_s(share), abs=0.002)


def test_histogram_says_what_the_arrival_times_say() -> None:
    counts: Counts = {}
    for each in frozen_us():
        record(counts, each * 1000)
    found = percentiles(counts)
    row = omission.measured(
        "Warren",
        "confirm",
        (found.p99, found.p999),
        {"did": 1, "problems": [], "published": 25_000, "confirm_us": frozen_us()},
    )
    assert row.agrees


def test_client_that_leaves_its_own_waiting_out_differs() -> None:
    sent_late: Counts = {}
    for each in frozen_us():
        record(sent_late, min(each, 50_000) * 1000)
    found = percentiles(sent_late)
    row = omission.measured(
        "x",
        "confirm",
        (found.p99, found.p999),
        {"did": 1, "problems": [], "published": 25_000, "confirm_us": frozen_us()},
    )
    assert not row.agrees
    assert "DIFFERS" in omission.table([row])


@pytest.mark.parametrize(
    "changes", [{"reported_p99_s": 0.77}, {"reported_p999_s": 0.95}, {"reported_p999_s": None}]
)
def test_more_than_two_percent_off_is_a_failure(changes: dict[str, Any]) -> None:
    assert ROW.agrees
    row = dataclasses.replace(ROW, **changes)
    assert not row.agrees
    assert omission.as_dict([row])["passed"] is False


def test_others_are_shown_and_not_judged() -> None:
    row = dataclasses.replace(ROW, client="PerfTest", reported_p999_s=None, judged=False)
    assert omission.as_dict([ROW, row])["passed"] is True
    assert "| PerfTest | confirm | 25000 | 0.750 | 0.750 | - | 0.975 |" in omission.table([row])


@pytest.mark.parametrize("report", [{"did": 0, "problems": []}, {"did": 1, "problems": ["rmq1: refused"]}])
def test_freeze_that_did_not_happen_proves_nothing(report: dict[str, Any]) -> None:
    with pytest.raises(NotReadyError, match="did not stand still"):
        omission.measured("Warren", "confirm", (1.0, 1.0), {**report, "confirm_us": [1]})


class Path:
    """A passage with a hand on its clock."""

    def __init__(self, plan: Plan) -> None:
        self.now = 10**12
        self.act = act(plan)
        self.passage = Passage(self.act, lambda: self.now)
        self.passage.from_client(frame.Method(CHANNEL, spec.Channel.Open()).marshal())
        self.passage.from_broker(frame.Method(CHANNEL, spec.Confirm.SelectOk()).marshal())

    def publish(self, payload: bytes) -> None:
        self.passage.from_client(content(spec.Basic.Publish(exchange="x", routing_key="k"), payload))

    def answer(self, tag: int) -> None:
        self.passage.from_broker(frame.Method(CHANNEL, spec.Basic.Ack(tag, True)).marshal())

    def deliver(self, tag: int, payload: bytes) -> None:
        self.passage.from_broker(content(spec.Basic.Deliver("c", tag, False, "x", "k"), payload))


def content(method: object, payload: bytes) -> bytes:
    header = frame.Header(CHANNEL, len(payload), spec.BasicProperties())
    parts = (frame.Method(CHANNEL, method), header, frame.Body(CHANNEL, payload))
    return b"".join(part.marshal() for part in parts)


def test_truth_counts_from_the_time_that_a_message_was_meant_for() -> None:
    path = Path(Plan(act="freeze", at_s=60, for_s=1))
    bodies = []
    for seq in range(3):
        path.now += MS
        stamp = body.Stamp(7, 0, 0, 0, seq, path.now - 5 * MS, path.now)
        bodies.append(body.encode(stamp, 64))
        path.publish(bodies[-1])
    path.now += 10 * MS
    path.answer(3)
    path.now += MS
    for tag, payload in enumerate(bodies, 1):
        path.deliver(tag, payload)
    report = path.act.report()
    assert report["confirm_us"] == [17_000, 16_000, 15_000]
    assert report["end_to_end_us"] == [18_000, 17_000, 16_000]


OTHER = b"another client's body, long enough to be taken for a header"


def test_client_that_does_not_say_is_held_to_the_ticks_of_its_rate() -> None:
    path = Path(Plan(act="freeze", at_s=60, for_s=1, rate_per_s=100.0))
    for seq in range(3):
        path.publish(OTHER)
        path.now += 10 * MS
        path.answer(seq + 1)
    path.now += 60 * MS
    path.publish(OTHER)
    path.now += 10 * MS
    path.answer(4)
    report = path.act.report()
    assert report["published"] == 4
    # Due at 0, 10, 20 and answered at once; then nothing was sent before 90, which was answered at 100.
    assert report["confirm_us"] == [
        10_000,
        10_000,
        10_000,
        70_000,
        60_000,
        50_000,
        40_000,
        30_000,
        20_000,
        10_000,
    ]


def test_freeze_comes_once_and_when_it_is_due() -> None:
    path = Path(Plan(act="freeze", at_s=0.002, for_s=0.5))
    frozen = []
    for _ in range(5):
        path.publish(b"x" * 40)
        frozen.append(path.passage.freeze_s)
        path.passage.freeze_s = 0.0
        path.now += MS
    assert frozen == [0.0, 0.0, 0.5, 0.0, 0.0]


SUMMARY = (
    "id: test-1, sending rate avg: 961 msg/s\n"
    "id: test-1, consumer latency min/median/75th/95th/99th 411/972/1204/2410/52123 ?s\n"
    "id: test-1, confirm latency min/median/75th/95th/99th 398/901/1112/2201/51987 µs\n"
)


def test_perftests_summary_is_read() -> None:
    assert omission.summed_p99_s(SUMMARY, "consumer") == 0.052123
    assert omission.summed_p99_s(SUMMARY, "confirm") == 0.051987
    with pytest.raises(NotReadyError, match="no consumer latency"):
        omission.summed_p99_s("nothing of the kind", "consumer")
