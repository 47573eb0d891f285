"""A game day without a cluster: a load that follows the fake clock, and eyes that see the fake nodes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from chaos import check, fault
from chaos.conduct import Wanted, conduct
from chaos.day import Stage
from chaos.experiment import Experiment
from chaos.experiment_reader import load
from chaos.eyes import QueueState
from chaos.known import known
from chaos.lookout import Lookout
from chaos.record import GameDay
from loadgen.child import Wish
from warren.errors import DeadlineError, NotReadyError
from warren.results import (
    Availability,
    Ledger,
    LoadResult,
    Second,
    Silence,
    Verdict,
    iso,
    write_result,
)
from warren.runtime.protocol import NodeState
from warren.wait import Clock

TEXT = """
schema: 1
title: Leader killed
description: A leader is killed.
teaches: What a failover costs.
load: {profile: work, rate: 300, duration: 60s}
steady-state-hypothesis:
  title: whole
  probes:
    - {name: no alarm, tolerance: 0, provider: {type: broker, ask: alarms}}
    - {name: none lost, when: [end], tolerance: 0, provider: {type: ledger, figure: ledger.lost}}
method:
  - {name: kill it, at: 20s, fault: kill, target: {leader-of: orders.work}, for: 10s}
expectations:
  confirm_gap_s: {low: 0.1, high: 5, source: a test}
  redundancy_s: {high: 60, source: a test}
alerts:
  - {name: WarrenNodeDown, within: 30s, clears-within: 30s}
stop-conditions:
  - {name: suspected, tolerance: {type: range, range: [null, 10]},
     provider: {type: ledger, figure: suspected}}
progress: {confirms: goes-on}
"""


@dataclass(slots=True)
class FakeLoad:
    """Publishes for ``wish.duration`` and drains for ``drain_s``; ``result`` is what it leaves."""

    day: FakeDay
    wish: Wish
    out: Path
    began_s: float
    interrupted: int = 0
    killed: bool = False
    words: str = "its last words"
    ready: threading.Event = field(default_factory=threading.Event)
    released_s: float | None = None

    @property
    def duration_s(self) -> float:
        return float(str(self.wish.duration).removesuffix("s"))

    @property
    def at_s(self) -> float:
        """Seconds of publishing so far: a held one comes to it only when it is released."""
        now_s = self.day.ground.time.seconds
        if now_s - self.began_s >= self.starts_after_s:
            self.ready.set()
        if not self.wish.held:
            return now_s - self.began_s - self.starts_after_s
        return -1.0 if self.released_s is None else now_s - self.released_s

    @property
    def starts_after_s(self) -> float:
        return self.day.starts_after_s

    @property
    def last(self) -> Mapping[str, Any]:
        if self.at_s < 0 or self.day.never_publishes:
            return {}
        return {"t_s": int(self.at_s), "confirmed": 1, "redelivered": 5, **self.day.live(self.at_s)}

    @property
    def ended(self) -> bool:
        if self.day.dies_at_s is not None and self.at_s >= self.day.dies_at_s:
            return True
        over = self.at_s >= self.duration_s + self.day.drain_s or self.killed
        if self.interrupted and not self.day.deaf:
            over = True
        if over and not self.out.exists() and self.day.leaves_result:
            write_result(self.day.result(self), self.out)
        return over

    def wait(self, timeout_s: float) -> int:
        if not self.ended:
            self.day.ground.time.sleep(timeout_s)
        if not self.ended:
            raise DeadlineError("load", f"still ran after {timeout_s:g} s")
        return 0

    def release(self) -> None:
        assert self.ready.is_set()
        self.released_s = self.day.ground.time.seconds

    def interrupt(self) -> None:
        self.interrupted += 1

    def kill(self) -> None:
        self.killed = True


@dataclass(slots=True)
class FakeEyes:
    """Sees the fake nodes; members of queues are away with their nodes."""

    day: FakeDay
    unacked: int = 0
    unacked_before: int = 0
    channels: int = 0
    log: list[str] = field(default_factory=list)
    blind: bool = False
    found: Mapping[str, Any] = field(default_factory=lambda: {"failure_detector_poll_ms": 5000})

    def _answer(self) -> None:
        if self.blind:
            raise NotReadyError("management API", "does not answer")

    def queues(self) -> Sequence[QueueState]:
        self._answer()
        nodes = tuple(f"rabbit@{node}" for node in self.day.ground.runtime.nodes)
        online = tuple(f"rabbit@{node}" for node in self.members_running())
        return [
            QueueState(
                vhost="/orders",
                name="orders.work",
                leader=online[0] if online else None,
                members=nodes,
                online=online,
                ready=9 if self.day.wedges else 0,
                unacked=self.unacked if self.day.loads else self.unacked_before,
                consumers=2,
                single_active=self.day.wedges,
                active=False if self.day.wedges else None,
            )
        ]

    def members_running(self) -> frozenset[str]:
        self._answer()
        states = self.day.ground.runtime.states()
        return frozenset(node for node, state in states.items() if state is NodeState.RUNNING)

    def alarms(self) -> Mapping[str, frozenset[str]]:
        self._answer()
        return {node: found for node, found in self.day.ground.broker.alarms().items() if found}

    def connections(self) -> int:
        return 4

    def channels_unacked(self) -> Mapping[str, int]:
        self._answer()
        return {"/orders": self.channels}

    def firing(self) -> frozenset[str]:
        if self.day.alerts_fail:
            raise NotReadyError("Prometheus", "does not answer")
        return self.day.firing()

    def value(self, query: str) -> float | None:
        return self.day.promql(query)

    def log_lines(self, since: datetime) -> Mapping[str, Sequence[str]]:
        del since
        return {"rmq1": self.log}

    def settings(self) -> Mapping[str, Any]:
        return self.found

    def versions(self) -> Mapping[str, str]:
        return {"rabbitmq": "4.3.6", "erlang": "27"}


@dataclass(slots=True)
class FakeDay:
    """A game day and all that a test may change of it. ``gap_s`` is the confirm gap that the load measures,
    from ``gap_at_s`` after publishing began."""

    ground: Any
    folder: Path
    text: str = TEXT
    starts_after_s: float = 3.0
    drain_s: float = 2.0
    never_publishes: bool = False
    dies_at_s: float | None = None
    leaves_result: bool = True
    deaf: bool = False
    wedges: bool = False
    alerts_fail: bool = False
    fires: bool = True
    clears: bool = True
    gap_s: float = 0.6
    gap_at_s: float = 20.2
    silent: bool = False
    changes: dict[str, Any] = field(default_factory=dict)
    promql: Callable[[str], float | None] = lambda query: 0.0
    suspected: Callable[[float], int] = lambda at_s: 0
    eyes: Any = None
    watch: Any = None
    loads: list[FakeLoad] = field(default_factory=list)
    lookouts: list[Lookout] = field(default_factory=list)
    on_sleep: Callable[[], None] = lambda: None
    kind: type[FakeLoad] = FakeLoad
    _was_down: bool = False

    def __post_init__(self) -> None:
        self.eyes = FakeEyes(self)

    def experiment(self) -> Experiment:
        path = self.folder / "day.yml"
        path.write_text(self.text, encoding="utf-8")
        there = known(self.ground.topology, faults=fault.names(), checks=check.names())
        return load(str(path), there)

    def live(self, at_s: float) -> Mapping[str, Any]:
        return {"suspected": self.suspected(at_s)}

    def firing(self) -> frozenset[str]:
        down = any(state is not NodeState.RUNNING for state in self.ground.runtime.states().values())
        self._was_down = self._was_down or down
        if not self.fires or not (down or (self._was_down and not self.clears)):
            return frozenset()
        return frozenset({"WarrenNodeDown"})

    def result(self, run: FakeLoad) -> LoadResult:
        start = self.ground.time.wall() - timedelta(seconds=run.at_s)
        gap = Silence(kind="confirm", t_s=self.gap_at_s, length_s=self.gap_s)
        series = [
            Second(t_s=float(at), confirmed_per_s=0 if self.silent else 300, consumed_per_s=300)
            for at in range(60)
        ]
        plain = LoadResult(
            run_id="work-1",
            profile="work",
            started_at=iso(start),
            ended_at=iso(self.ground.time.wall()),
            verdict=Verdict.PASSED,
            ledger=Ledger(published=18000, confirmed=18000, received=18000, deliveries=18010),
            availability=Availability(confirm_gap_max_s=self.gap_s, drain_s=2.0),
            publishing_at=iso(start),
            silences=(gap,),
            series=tuple(series),
        )
        return replace(plain, **self.changes)

    def stage(self) -> Stage:
        def start(wish: Wish, out: Path, hear: Callable[[str], None]) -> FakeLoad:
            del hear
            self.loads.append(self.kind(self, wish, out, self.ground.time.seconds))
            return self.loads[-1]

        @contextmanager
        def watching(lookout: Lookout) -> Iterator[None]:
            self.lookouts.append(lookout)
            try:
                yield
            finally:
                self.lookouts.clear()

        def sleep(duration_s: float) -> None:
            self.ground.time.sleep(duration_s)
            self.on_sleep()
            for lookout in self.lookouts:
                lookout.look()

        clock = Clock(now=self.ground.time.now, sleep=sleep)
        return Stage(
            chaos=replace(self.ground.context(), clock=clock, watch=self.watch or self.ground.watch),
            eyes=self.eyes,
            start_load=start,
            watching=watching,
            aside=lambda act: act(),
        )

    def play(self, *, seed: int = 7) -> GameDay:
        return self.played(seed=seed)[0]

    def played(self, *, seed: int = 7) -> tuple[GameDay, bool]:
        wanted = Wanted(
            experiment=self.experiment(), seed=seed, run_id=f"day-{len(self.loads) + 1}", folder=self.folder
        )
        (found,), interrupted = conduct(self.stage(), wanted)
        return found, interrupted
