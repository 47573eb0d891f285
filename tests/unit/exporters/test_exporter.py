"""An exporter over made-up collectors: who is asked when, and what becomes of one that fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from exporters import exporter as exporter_module
from exporters import names
from exporters.collector import Scrape, gauge
from exporters.exporter import Exporter
from exporters.exposition import OneScrape
from exporters.snapshot import Snapshot
from warren.errors import NotReadyError

from .conftest import FakeBroker


class Made:
    """Says ``value`` of the metric that counts queues; raises ``error`` instead where there is one."""

    def __init__(self, *, every_s: float = 0.0, error: Exception | None = None, reads: bool = False) -> None:
        self.every_s, self.error, self.reads = every_s, error, reads
        self.called = threading.Event()
        self.calls = 0

    def collect(self, scrape: Scrape) -> Iterable[Metric]:
        self.calls += 1
        if self.reads:
            scrape.snapshot()
        self.called.set()
        if self.error is not None:
            raise self.error
        return [gauge(names.SCRAPED_QUEUES, self.calls)]


def value(exporter: Exporter, metric: names.MetricName, **labels: str) -> float | None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(OneScrape(exporter.scrape(3.0)))
    return registry.get_sample_value(metric.name, labels)


def test_the_broker_is_read_once_however_many_ask(broker: FakeBroker) -> None:
    Exporter(broker, [("a", Made(reads=True)), ("b", Made(reads=True))]).scrape(3.0)
    assert broker.deadlines == [3.0]


def test_what_a_scrape_told_is_not_kept_until_the_next(broker: FakeBroker) -> None:
    exporter = Exporter(broker, [("a", Made())])
    assert [family.name for family in exporter.scrape(3.0)].count(names.SCRAPED_QUEUES.name) == 1
    assert exporter._told["a"].families == []
    assert exporter._told["a"].up


def test_the_broker_is_not_read_for_those_who_do_not_ask(broker: FakeBroker) -> None:
    exporter = Exporter(broker, [("a", Made())])
    assert value(exporter, names.UP) is None
    assert broker.deadlines == []


@pytest.mark.parametrize("error", [NotReadyError("x", "not there"), ZeroDivisionError("a bug")])
def test_one_that_fails_costs_its_own_families_only(broker: FakeBroker, error: Exception) -> None:
    exporter = Exporter(broker, [("bad", Made(error=error)), ("good", Made())])
    assert value(exporter, names.COLLECTOR_UP, collector="bad") == 0
    assert value(exporter, names.COLLECTOR_UP, collector="good") == 1
    assert value(exporter, names.SCRAPED_QUEUES) == 3
    assert value(exporter, names.COLLECTOR_SUCCESS, collector="bad") is None


def test_how_long_a_collector_took_does_not_jump_with_the_clock(broker: FakeBroker) -> None:
    """Somebody sets the time an hour forward in the middle; the work took two seconds."""
    wall, monotonic = iter([4600.0, 4600.0]), iter([10.0, 12.0])
    exporter = Exporter(broker, [("a", Made())], now=lambda: next(wall), monotonic=lambda: next(monotonic))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(OneScrape(exporter.scrape(3.0)))
    of = {"collector": "a"}
    assert registry.get_sample_value(names.COLLECTOR_DURATION.name, of) == 2
    assert registry.get_sample_value(names.COLLECTOR_SUCCESS.name, of) == 4600


@dataclass
class SlowBroker:
    """Answers when it is let to."""

    answer: Snapshot
    asked: threading.Event = field(default_factory=threading.Event)
    may: threading.Event = field(default_factory=threading.Event)
    reads: int = 0

    def snapshot(self, deadline_s: float) -> Snapshot:
        self.reads += 1
        self.asked.set()
        assert self.may.wait(deadline_s)
        return self.answer


def test_two_who_scrape_at_once_are_told_the_same_and_neither_waits_twice(snapshot: Snapshot) -> None:
    """A node is frozen, so that each reading takes the whole deadline; both Prometheus wait no longer."""
    broker = SlowBroker(snapshot)
    exporter = Exporter(broker, [("a", Made(reads=True))])
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(exporter.scrape, 5.0)
        assert broker.asked.wait(5)
        second = pool.submit(exporter.scrape, 5.0)
        time.sleep(0.05)
        broker.may.set()
        told = [{family.name for family in each.result(5)} for each in (first, second)]
    assert names.SCRAPED_QUEUES.name in told[0]
    assert told[0] == told[1]
    assert broker.reads == 1
    exporter.scrape(5.0)
    assert broker.reads == 2


def test_who_waits_for_the_scrape_of_another_waits_no_longer_than_its_own_deadline(
    snapshot: Snapshot,
) -> None:
    broker = SlowBroker(snapshot)
    exporter = Exporter(broker, [("a", Made(reads=True))])
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(exporter.scrape, 5.0)
        assert broker.asked.wait(5)
        with pytest.raises(NotReadyError, match="another scrape"):
            exporter.scrape(0.01)
        broker.may.set()
        assert first.result(5)


def test_background_work_goes_on_between_scrapes_and_ends_with_the_exporter(broker: FakeBroker) -> None:
    slow = Made(every_s=3600)
    with Exporter(broker, [("slow", slow)], now=lambda: 1700.0) as exporter:
        assert slow.called.wait(5)
        slow_has_told = threading.Event()
        for _ in range(1000):
            if value(exporter, names.SCRAPED_QUEUES) == 1:
                slow_has_told.set()
                break
        assert slow_has_told.is_set()
        assert value(exporter, names.COLLECTOR_SUCCESS, collector="slow") == 1700
    assert slow.calls == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "slow"]


def test_background_work_may_not_ask_for_a_scrape(broker: FakeBroker) -> None:
    wrong = Made(every_s=0.001, reads=True)
    with Exporter(broker, [("wrong", wrong)]) as exporter:
        while value(exporter, names.COLLECTOR_UP, collector="wrong") is None:
            pass
        assert value(exporter, names.COLLECTOR_UP, collector="wrong") == 0
    assert broker.deadlines == []


def test_leaving_waits_once_and_not_for_each_that_hangs(
    broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter_module, "_LEAVE_S", 0.3)
    ends, hanging = threading.Event(), [threading.Event() for _ in range(5)]

    class Hangs(Made):
        def collect(self, scrape: Scrape) -> Iterable[Metric]:
            hanging[self.calls].set()
            ends.wait(10)
            return []

    made = [Hangs(every_s=3600) for _ in hanging]
    for number, each in enumerate(made):
        each.calls = number
    with Exporter(broker, [(f"hangs {number}", each) for number, each in enumerate(made)]):
        assert all(each.wait(5) for each in hanging)
        began = time.monotonic()
    assert time.monotonic() - began < 1
    ends.set()


class Hanging(Made):
    """Does its work once, and never ends the second time."""

    def __init__(self, *, every_s: float = 0.0) -> None:
        super().__init__(every_s=every_s)
        self.hangs, self.ends = threading.Event(), threading.Event()

    def collect(self, scrape: Scrape) -> Iterable[Metric]:
        if self.calls == 1:
            self.calls += 1
            self.hangs.set()
            self.ends.wait(30)
        return super().collect(scrape)


def test_one_that_hangs_in_a_scrape_is_down_and_the_others_are_told(broker: FakeBroker) -> None:
    hanging, good = Hanging(), Made()
    exporter = Exporter(broker, [("hanging", hanging), ("good", good)])
    assert value(exporter, names.COLLECTOR_UP, collector="hanging") == 1
    began = time.monotonic()
    families = exporter.scrape(0.1, waits_s=0.3)
    assert 0.3 <= time.monotonic() - began < 3
    registry = CollectorRegistry(auto_describe=False)
    registry.register(OneScrape(families))
    up = [registry.get_sample_value(names.COLLECTOR_UP.name, {"collector": n}) for n in ("hanging", "good")]
    assert up == [0, 1]
    assert [family.name for family in families].count(names.SCRAPED_QUEUES.name) == 1
    assert (registry.get_sample_value(names.COLLECTOR_DURATION.name, {"collector": "hanging"}) or 0) >= 0.3

    began = time.monotonic()
    assert value(exporter, names.COLLECTOR_UP, collector="hanging") == 0
    assert time.monotonic() - began < 2, "nobody waits for it again"
    assert (hanging.calls, good.calls) == (2, 3), "it is not called again while it hangs"
    hanging.ends.set()
    while value(exporter, names.COLLECTOR_UP, collector="hanging") == 0:
        pass


def test_one_that_hangs_in_the_background_is_down_once_its_time_is_over(
    broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter_module, "HANGS_S", 0.2)
    hanging = Hanging(every_s=0.001)
    with Exporter(broker, [("hanging", hanging)]) as exporter:
        assert hanging.hangs.wait(5)
        while value(exporter, names.COLLECTOR_UP, collector="hanging") == 1:
            assert value(exporter, names.SCRAPED_QUEUES) in (1, None)
        assert value(exporter, names.COLLECTOR_UP, collector="hanging") == 0
        assert value(exporter, names.SCRAPED_QUEUES) is None, "what it found before is no longer told"
        hanging.ends.set()
        while value(exporter, names.COLLECTOR_UP, collector="hanging") == 0:
            pass


def test_nothing_runs_in_the_background_of_an_exporter_that_was_not_entered(broker: FakeBroker) -> None:
    slow = Made(every_s=0.001)
    Exporter(broker, [("slow", slow)]).scrape(3.0)
    assert slow.calls == 0
