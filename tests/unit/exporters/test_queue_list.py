"""Reading the list of queues: whom it is asked of, how often, and what is known meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from exporters.queue_list import OneAtATime, QueueList
from warren.errors import NotReadyError
from warren.management import ApiError

from .conftest import recorded

NODES = ("rmq1", "rmq2")


@dataclass
class Management:
    """Takes ``takes_s`` of a made-up clock for the list. A node in ``silent`` answers when it is let to."""

    takes_s: float = 0.0
    now_s: float = 0.0
    silent: dict[str, threading.Event] = field(default_factory=dict)
    errors: dict[str, NotReadyError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def rows(self, *path: str, node: str | None = None, columns: Sequence[str] = ()) -> list[dict[str, Any]]:
        assert columns
        assert node is not None
        if path == ("bindings",):
            return list(recorded("bindings.json"))
        self.asked.append(node)
        if node in self.silent:
            assert self.silent[node].wait(10)
        if node in self.errors:
            raise self.errors[node]
        self.now_s += self.takes_s
        return list(recorded("queues.json"))


@pytest.fixture
def readings() -> Iterator[OneAtATime]:
    with ThreadPoolExecutor(4) as pool:
        yield OneAtATime(pool)


@pytest.fixture
def listing(readings: OneAtATime) -> Callable[[Management], QueueList]:
    def make(management: Management) -> QueueList:
        return QueueList(
            NODES, management=management, readings=readings, silent_s=0.05, now=lambda: management.now_s
        )

    return make


Listing = Callable[[Management], QueueList]


def read(queues: QueueList) -> list[str]:
    reading = queues.begin()
    assert reading is not None
    return reading.result(10)


def test_a_quick_list_is_read_whenever_it_is_asked_for(listing: Listing) -> None:
    management = Management(takes_s=0.5)
    queues = listing(management)
    assert read(queues) == read(queues) == []
    assert management.asked == ["rmq1", "rmq1"]
    assert queues.known is not None
    assert len(queues.known.facts) == 5
    assert not queues.known.good(management.now_s), "a scrape waits for a new one"


def test_a_slow_list_leaves_the_broker_alone_and_stands_meanwhile(listing: Listing) -> None:
    management = Management(takes_s=2.0)
    queues = listing(management)
    read(queues)
    known = queues.known
    assert known is not None
    management.now_s = 2.0 + 9.9
    assert queues.begin() is None
    assert known.good(management.now_s)
    management.now_s = 2.0 + 10.1
    read(queues)
    assert len(management.asked) == 2
    assert known.good(24.0)
    assert not known.good(24.1), "two turns have passed, and no other list came"


def test_however_slow_the_list_it_is_asked_for_again_after_half_a_minute(listing: Listing) -> None:
    management = Management(takes_s=20.0)
    queues = listing(management)
    read(queues)
    management.now_s = 20.0 + 30.1
    assert queues.begin() is not None


def test_a_silent_node_is_waited_for_beside_the_next_and_owes_one_answer_at_most(listing: Listing) -> None:
    """The broker would work on for each that gave up: they pile up, and none is ever answered in time."""
    management = Management(silent={"rmq1": threading.Event()})
    queues = listing(management)
    try:
        read(queues)
        assert management.asked == ["rmq1", "rmq2"]
        read(queues)
        assert management.asked == ["rmq1", "rmq2", "rmq2"]
    finally:
        management.silent["rmq1"].set()


def test_the_answer_of_a_node_that_was_held_for_silent_still_counts(listing: Listing) -> None:
    both = {node: threading.Event() for node in NODES}
    management = Management(silent=both)
    queues = listing(management)
    reading = queues.begin()
    assert reading is not None
    while len(management.asked) < len(NODES):
        pass
    assert queues.begin() is reading
    both["rmq1"].set()
    assert reading.result(10) == []
    both["rmq2"].set()
    assert management.asked == ["rmq1", "rmq2"]


def test_a_node_that_breaks_is_passed_over_and_one_that_refuses_is_not(listing: Listing) -> None:
    management = Management(errors={"rmq1": NotReadyError("rmq1", "no connection")})
    read(listing(management))
    assert management.asked == ["rmq1", "rmq2"]
    management = Management(errors={"rmq1": ApiError("rmq1", "not authorised", status=401)})
    with pytest.raises(ApiError):
        read(listing(management))
    assert management.asked == ["rmq1"]


def test_nothing_is_kept_of_an_answer_that_was_taken(readings: OneAtATime) -> None:
    """Ten thousand queues are tens of megabytes, which would stand beside the next ones."""
    for number in range(100):
        assert readings.begin("x", lambda number=number: number).result(10) == number
    readings.begin("y", lambda: None).result(10)
    deadline_s = time.monotonic() + 10
    while readings._under_way and time.monotonic() < deadline_s:
        time.sleep(0.001)
    assert not readings._under_way
