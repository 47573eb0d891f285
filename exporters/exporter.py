"""An exporter: collectors over one broker, those of each scrape and those in the background."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Self

from prometheus_client.core import Metric

from exporters import names
from exporters.broker import Broker
from exporters.collector import Collector, Scrape, family, gauge
from exporters.snapshot import Snapshot
from warren.errors import NotReadyError

_log = logging.getLogger(__name__)
#: How long leaving waits for all background work that is under way; its threads die with the process anyway.
_LEAVE_S = 5.0
#: Work in the background that takes longer than this hangs: what it found before is not told any more.
HANGS_S = 180.0
#: A scrape waits so many times its deadline for collectors, which work on after the broker was read.
_WAITS = 2.0


@dataclass(slots=True)
class _Told:
    """What a collector said last."""

    families: list[Metric] = field(default_factory=list)
    up: bool = False
    took_s: float = 0.0
    at_s: float | None = None


class Exporter:
    """All collectors over one broker. They keep state, so one scrape is done at a time; who asks meanwhile
    is told what that one finds.

    As a context manager it runs the background collectors; without, they are silent.
    """

    def __init__(
        self,
        broker: Broker,
        collectors: Sequence[tuple[str, Collector]],
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._broker, self._now, self._monotonic = broker, now, monotonic
        self._collectors = tuple(collectors)
        self._lock = Lock()
        self._under_way: Future[list[Metric]] | None = None
        self._told: dict[str, _Told] = {}
        #: Calls under way, by collector: when each began.
        self._calls: dict[str, float] = {}
        self._in_background = {name: collector.every_s > 0 for name, collector in collectors}
        self._leaving = Event()
        self._threads: list[Thread] = []

    def __enter__(self) -> Self:
        for name, collector in self._collectors:
            if collector.every_s > 0:
                thread = Thread(target=self._go_round, args=(name, collector), name=name, daemon=True)
                thread.start()
                self._threads.append(thread)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leaving.set()
        end_s = time.monotonic() + _LEAVE_S
        for thread in self._threads:
            thread.join(max(0.0, end_s - time.monotonic()))

    def scrape(self, deadline_s: float, *, waits_s: float | None = None) -> list[Metric]:
        """Every family there is; a collector that fails, or hangs, costs its own families only.

        The broker is read for ``deadline_s`` seconds at most, and collectors are waited for ``waits_s``, or
        twice as long as that. Raises NotReadyError where the scrape of somebody else does not end in time.
        """
        waits_s = _WAITS * deadline_s if waits_s is None else waits_s
        with self._lock:
            others = self._under_way
            if others is None:
                ours = self._under_way = Future()
        if others is not None:
            return _outcome(others, waits_s)
        try:
            ours.set_result(self._scrape(deadline_s, waits_s))
        except BaseException as error:
            ours.set_exception(error)
            raise
        finally:
            self._under_way = None
        return ours.result()

    def _scrape(self, deadline_s: float, waits_s: float) -> list[Metric]:
        scrape, ends_s = Scrape(self._broker, deadline_s), time.monotonic() + waits_s
        begun = [
            self._begin(name, collector, scrape)
            for name, collector in self._collectors
            if collector.every_s == 0 and name not in self._calls
        ]
        for thread in begun:
            thread.join(max(0.0, ends_s - time.monotonic()))
        told = {name: last for name, _ in self._collectors if (last := self._now_told(name)) is not None}
        families = [each for last in told.values() for each in last.families]
        self._let_go()
        about = [] if scrape.read is None else list(_about(scrape.read))
        return [*about, *self._of_collectors(told), *families]

    def _let_go(self) -> None:
        """Of a scrape that is told nothing is kept: the next one's would stand beside it in memory."""
        for name, collector in self._collectors:
            if collector.every_s == 0 and name in self._told:
                self._told[name] = replace(self._told[name], families=[])

    def _begin(self, name: str, collector: Collector, scrape: Scrape) -> Thread:
        """In a thread of its own. One that hangs takes that and no more: it is not called again meanwhile."""
        self._calls[name] = time.monotonic()
        thread = Thread(target=self._call, args=(name, collector, scrape), name=f"scrape-{name}", daemon=True)
        thread.start()
        return thread

    def _now_told(self, name: str) -> _Told | None:
        """What a collector said last. One that hangs has not all that it needs, and says nothing; None before
        the first call of one in the background has ended."""
        last, began_s = self._told.get(name), self._calls.get(name)
        if began_s is None:
            return last
        took_s = time.monotonic() - began_s
        if self._in_background[name] and took_s <= HANGS_S:
            return last
        return _Told(took_s=took_s, at_s=last.at_s if last else None)

    def _go_round(self, name: str, collector: Collector) -> None:
        scrape = Scrape(_NoScrape(), 0.0)
        while not self._leaving.is_set():
            self._calls[name] = time.monotonic()
            self._call(name, collector, scrape)
            self._leaving.wait(collector.every_s)

    def _call(self, name: str, collector: Collector, scrape: Scrape) -> None:
        began_s = self._monotonic()
        families: list[Metric] = []
        try:
            families, up = list(collector.collect(scrape)), True
        except NotReadyError as error:
            _log.info("%s: %s", name, error)
            up = False
        except Exception:
            # A bug in one collector must not silence the others; in the background nobody else would say it.
            _log.exception("%s: a bug", name)
            up = False
        last = self._told.get(name)
        at_s = self._now() if up else last.at_s if last else None
        self._told[name] = _Told(families=families, up=up, took_s=self._monotonic() - began_s, at_s=at_s)
        self._calls.pop(name, None)

    def _of_collectors(self, told: dict[str, _Told]) -> Iterable[Metric]:
        up, took, last = (
            family(metric)
            for metric in (names.COLLECTOR_UP, names.COLLECTOR_DURATION, names.COLLECTOR_SUCCESS)
        )
        for name, said in told.items():
            up.add_metric([name], float(said.up))
            took.add_metric([name], said.took_s)
            if said.at_s is not None:
                last.add_metric([name], said.at_s)
        return up, took, last


def _outcome(scrape: Future[list[Metric]], deadline_s: float) -> list[Metric]:
    try:
        return scrape.result(deadline_s)
    except TimeoutError as error:
        raise NotReadyError("exporter", "another scrape takes longer than this one may") from error


class _NoScrape:
    """In the background there is no scrape to share a snapshot with."""

    def snapshot(self, deadline_s: float) -> Snapshot:  # noqa: ARG002 - there is none to wait for
        raise NotReadyError("exporter", "a background collector asked for a scrape's snapshot")


def _about(snapshot: Snapshot) -> Iterable[Metric]:
    yield gauge(names.UP, float(bool(snapshot.counters) or snapshot.fresh))
    node_up = family(names.NODE_UP)
    for node in snapshot.nodes:
        node_up.add_metric([node], float(node in snapshot.counters))
    yield node_up
    yield gauge(names.SCRAPE_DURATION, snapshot.duration_s)
    if snapshot.queues_age_s is not None:
        yield gauge(names.QUEUES_AGE, snapshot.queues_age_s)
    if snapshot.queues is not None and snapshot.fresh:
        yield gauge(names.SCRAPED_QUEUES, len(snapshot.queues))
        yield gauge(names.LEFT_OUT, snapshot.left_out)
