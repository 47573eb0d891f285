"""The canary's share of the broker's counts: read while it rests, and taken off to the message."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from exporters import names
from exporters.canary.pair import Event
from exporters.collectors import canary as collector
from loadgen import canary
from loadgen.broker_counters import OPENED, Counted
from warren.errors import NotReadyError
from warren.wait import Clock

from .canary_page import page

COUNTS = {
    "received": 1024,
    "confirmed": 1024,
    "unroutable_returned": 3,
    "delivered_consume_manual_ack": 1024,
    OPENED: 8,
}


class Sleeper:
    """A clock on which each look takes a moment; both its times are one."""

    def __init__(self) -> None:
        self.now_s = 1001.0

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def beside(pages: Iterator[str], time: Sleeper, reads: list[float]) -> tuple[int, canary.Share | None]:
    def read() -> int:
        reads.append(time.now_s)
        time.sleep(0.3)
        return len(reads)

    return canary.beside(read, lambda: next(pages), wall_s=time.now, clock=Clock(time.now, time.sleep))


def test_words_are_those_of_the_exporters() -> None:
    assert names.CANARY_MESSAGES.name == canary.MESSAGES
    assert names.CANARY_CONNECTIONS.name == canary.CONNECTIONS
    assert names.CANARY_CONNECTED.name == canary.CONNECTED
    assert names.COLLECTOR_SUCCESS.name == canary.ROUND_ENDED
    assert canary.EVERY_S == collector.EVERY_S
    assert set(canary._COUNTERS) <= {event.value for event in Event}


def test_a_page_is_summed_over_pairs() -> None:
    found = canary.parse(page(25, returned=1))
    assert dict(found.messages) == {
        "published": 25,
        "confirmed": 25,
        "delivered": 25,
        "returned": 1,
        "stale": 0,
    }
    assert (found.open, found.opened, found.ended_s, found.whole) == (6, 6, 1000.0, True)


def test_a_canary_that_has_ended_no_round_is_not_ready() -> None:
    with pytest.raises(NotReadyError, match="no round"):
        canary.parse("up 1\n")


def test_between_two_rounds_one_look_is_enough() -> None:
    reads: list[float] = []
    found, share = beside(iter([page(12)] * 3), Sleeper(), reads)
    assert (found, len(reads)) == (1, 1)
    assert share is not None
    assert share.whole


def test_a_round_that_is_about_to_begin_is_waited_for() -> None:
    time, reads = Sleeper(), []
    time.now_s = 1004.5
    pages = iter([page(12), page(12), page(12), page(24, ended_s=1005.3), page(24, ended_s=1005.3)])
    _, share = beside(pages, time, reads)
    assert share is not None
    assert (share.messages["published"], share.whole) == (24, True)
    assert len(reads) == 1


def test_what_was_read_while_a_round_ended_is_read_again() -> None:
    reads: list[float] = []
    pages = iter([page(12), page(12), page(24, ended_s=1001.2), *[page(24, ended_s=1001.2)] * 2])
    found, share = beside(pages, Sleeper(), reads)
    assert (found, len(reads)) == (2, 2)
    assert share is not None
    assert (share.messages["published"], share.whole) == (24, True)


def test_a_canary_that_never_rests_is_waited_for_no_longer_than_seconds() -> None:
    time, reads = Sleeper(), []
    endless = (page(12, ended_s=900.0) for _ in iter(int, 1))
    found, share = beside(endless, time, reads)
    assert found == 1
    assert share is not None
    assert not share.whole
    assert time.now_s < 1015


def test_without_a_canary_the_counters_are_read_at_once() -> None:
    def nobody() -> str:
        raise NotReadyError("probe", "does not answer")

    assert canary.beside(lambda: 7, nobody) == (7, None)


def test_its_share_is_taken_off_to_the_message() -> None:
    before, after = canary.parse(page(100)), canary.parse(page(124, opened=7))
    found = canary.without(Counted(counts=COUNTS), before, after)
    assert found.gaps == ()
    assert found.counts == {
        "received": 1000,
        "confirmed": 1000,
        "unroutable_returned": 3,
        "delivered_consume_manual_ack": 1000,
        OPENED: 7,
    }


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (page(124, delivered=123), "did not come through"),
        (page(124, confirmed=120), "did not come through"),
        (page(24), "began anew"),
        (page(124, opened=2), "began anew"),
    ],
)
def test_what_keeps_it_from_being_exact_is_said(after: str, why: str) -> None:
    found = canary.without(
        Counted(counts=COUNTS, gaps=("rmq1 restarted",)), canary.parse(page(100)), canary.parse(after)
    )
    assert found.gaps[0] == "rmq1 restarted"
    assert why in found.gaps[1]


def test_a_canary_that_was_there_at_one_end_only_is_said() -> None:
    counted = Counted(counts=COUNTS)
    assert canary.without(counted, None, None) == counted
    for ends in ((None, canary.parse(page(1))), (canary.parse(page(1)), None)):
        assert canary.without(counted, *ends).gaps == ("the canary was seen at one end only",)
