"""Looks all the while at what a game day is judged by: members, alerts, probes, stop conditions.

It only reads and remembers. Over a real cluster it looks in a thread of its own, since an act must not keep
it from looking at the rest; a test looks by hand.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chaos.experiment import Probe
from chaos.eyes import Eyes, QueueState
from chaos.probing import Answer, Ground, ask
from warren.errors import WarrenError

#: How often each is looked at: members are as fresh as the broker's own figures, alerts as a scrape.
EVERY_S = 1.0
_ALERTS_EVERY_S = 2.0
_JOIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at the cluster: how many nodes are away, how many members of queues, which queues have no
    leader; None where the broker did not say."""

    t_s: float
    nodes_away: int | None
    members_missing: int | None
    leaderless: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool | None:
        if self.nodes_away or self.members_missing or self.leaderless:
            return False
        return None if None in (self.nodes_away, self.members_missing) else True


@dataclass(frozen=True, slots=True, kw_only=True)
class Wedged:
    """A queue with a single active consumer that had consumers, messages and no active one at ``t_s``."""

    t_s: float
    queue: str
    ready: int


@dataclass(slots=True)
class Listener:
    """What is looked at of one load: ``live`` gives its last progress, ``during`` and ``stops`` are the
    probes and stop conditions of its experiment. What was found is in ``answers`` and ``suspected``."""

    live: Callable[[], Mapping[str, Any]]
    during: Sequence[Probe] = ()
    stops: Sequence[Probe] = ()
    answers: list[Answer] = field(default_factory=list)
    suspected: list[tuple[float, int]] = field(default_factory=list)


@dataclass(slots=True)
class Lookout:
    """``listeners`` are those of the loads, ``now_s`` gives seconds since the game day began.

    ``tripped`` is the answer of the first stop condition that did not hold; ``died`` says why it looks no
    more, where it does not.
    """

    eyes: Eyes
    nodes: int
    listeners: Sequence[Listener]
    now_s: Callable[[], float]
    now: Callable[[], datetime]
    since: datetime
    looks: list[Look] = field(default_factory=list)
    alerts: list[tuple[float, str, frozenset[str]]] = field(default_factory=list)
    alerts_trouble: str = ""
    wedged: list[Wedged] = field(default_factory=list)
    tripped: Answer | None = None
    died: str = ""
    _alerts_next_s: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        """Look at everything once."""
        for each in self.listeners:
            each.suspected.append((self.now_s(), int(each.live().get("suspected", 0))))
        self._look_at_members()
        if self.now_s() >= self._alerts_next_s:
            self._alerts_next_s = self.now_s() + _ALERTS_EVERY_S
            self._look_at_alerts()
        for each in self.listeners:
            self._listen(each)

    def _listen(self, to: Listener) -> None:
        ground = Ground(eyes=self.eyes, since=self.since, live=to.live())
        for probe in to.stops:
            answer = ask(probe, ground, when="stop", t_s=self.now_s())
            if answer.holds is False and self.tripped is None:
                self.tripped = answer
        to.answers += [ask(probe, ground, when="during", t_s=self.now_s()) for probe in to.during]

    def _look_at_members(self) -> None:
        at_s = self.now_s()
        away = missing = None
        queues: Sequence[QueueState] = ()
        with suppress(WarrenError):
            away = self.nodes - len(self.eyes.members_running())
        with suppress(WarrenError):
            queues = self.eyes.queues()
            missing = sum(len(set(queue.members) - set(queue.online)) for queue in queues)
        leaderless = tuple(
            f"{queue.vhost}:{queue.name}" for queue in queues if queue.members and not queue.leader
        )
        self.looks.append(
            Look(t_s=self.now_s(), nodes_away=away, members_missing=missing, leaderless=leaderless)
        )
        self.wedged += [_wedge(at_s, queue) for queue in queues if _is_wedged(queue)]

    def _look_at_alerts(self) -> None:
        try:
            self.alerts.append((self.now_s(), self.now().isoformat(), self.eyes.firing()))
        except WarrenError as error:
            self.alerts_trouble = error.what

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Look every second for as long as the block lasts."""

        def go() -> None:
            try:
                while not self._over.wait(EVERY_S):
                    self.look()
            except Exception as error:  # in a thread nobody else would hear of it
                self.died = f"{type(error).__name__}: {error}"

        watcher = threading.Thread(target=go, name="lookout", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._over.set()
            watcher.join(_JOIN_S)


def _is_wedged(queue: QueueState) -> bool:
    return bool(queue.single_active and queue.consumers and queue.ready and queue.active is False)


def _wedge(at_s: float, queue: QueueState) -> Wedged:
    return Wedged(t_s=at_s, queue=f"{queue.vhost}:{queue.name}", ready=queue.ready or 0)
