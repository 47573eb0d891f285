"""The list of queues, read from the management API without overwhelming it.

The broker works out what it tells of all queues in one process of the node that is asked, one question after
another, whether or not who asked still waits (``rabbit_mgmt_db_cache``, seen on 4.3.6). At ten thousand
queues that takes seconds of a core, and questions that were given up pile up before the next. So no node is
asked while it owes an answer, a slow one is waited for beside the next that is asked, and where the answer
takes long the next question comes after a pause; until then scrapes are told what is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, Protocol

from exporters.dead_lettering import BINDING_COLUMNS, dead_letter_targets
from exporters.queue_facts import QUEUE_COLUMNS, QueueFacts, QueueKey, read_queue
from warren.errors import NotReadyError
from warren.management import ApiError

#: While a node is frozen the management API of the others is silent too, until they hold it for down (net
#: tick time, 60 s); their metrics are not. What is known of queues is used on for so long.
KNOWN_FOR_S = 120.0
#: Bindings are read this often only: they change seldom and may be many. Said in HELP of the lag metrics.
_BINDINGS_EVERY_S = 60.0
#: One answer may take this long; the broker's own listener gives up at sixty seconds (seen on 4.3.6).
ANSWER_S = 50.0
#: A list that came this soon is read in every scrape, which waits for it.
_QUICK_S = 0.5
#: The broker gives the same answer again for five times as long as it took to make
#: (``management_db_cache_multiplier``), so there is no sense in asking sooner.
_PAUSE = 5.0
_LONGEST_PAUSE_S = 30.0
#: A node is held for silent where it takes so many times as long as the last answer took.
_SILENT = 3.0
_SERVERS_FAULT = 500


class Asked(Protocol):
    """What is asked of the management API."""

    def rows(self, *path: str, node: str | None = None, columns: Sequence[str] = ()) -> list[dict[str, Any]]:
        """The objects below ``/api/``; raises NotReadyError."""


class OneAtATime:
    """Begins work that is not under way; who asks for the same meanwhile is given the same future."""

    def __init__(self, executor: Executor) -> None:
        self._executor, self._lock = executor, Lock()
        self._under_way: dict[object, Future[Any]] = {}

    def begin(self, what: object, work: Callable[[], Any]) -> Future[Any]:
        with self._lock:
            last = self._under_way.get(what)
            if last is not None and not last.done():
                return last
            begun = self._under_way[what] = self._executor.submit(work)
        begun.add_done_callback(lambda done: self._end(what, done))
        return begun

    def _end(self, what: object, done: Future[Any]) -> None:
        """Nothing is kept of what is done: an answer may be large, and who asked has it."""
        with self._lock:
            if self._under_way.get(what) is done:
                del self._under_way[what]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """One node's answer; ``rows`` are taken out as they are read."""

    at_s: float
    took_s: float
    rows: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What one reading told. ``at_s`` is when it was asked for (monotonic), ``took_s`` how long it took."""

    at_s: float
    took_s: float
    facts: tuple[QueueFacts, ...]
    dead_letter_targets: frozenset[QueueKey]

    @property
    def slow(self) -> bool:
        """It takes too long for a scrape to wait for it."""
        return self.took_s > _QUICK_S

    @property
    def pause_s(self) -> float:
        """How long after it the broker is left alone."""
        return min(_PAUSE * self.took_s, _LONGEST_PAUSE_S) if self.slow else 0.0

    def good(self, now_s: float) -> bool:
        """Whether a slow list still stands for what is so now: until twice the time of a turn has passed."""
        turn_s = self.took_s + self.pause_s
        return self.slow and now_s - self.at_s <= min(2 * turn_s, KNOWN_FOR_S)


class QueueList:
    """Reads in the background by ``begin``; `known` is what the last reading told, None before the first."""

    def __init__(
        self,
        nodes: Sequence[str],
        *,
        management: Asked,
        readings: OneAtATime,
        silent_s: float,
        now: Callable[[], float],
    ) -> None:
        """``silent_s``: a node that has not answered for so long is not the only one to be asked."""
        self._nodes, self._management, self._readings = tuple(nodes), management, readings
        self._silent_s, self._now = silent_s, now
        self._preferred = self._nodes[0]
        self._bindings: list[dict[str, Any]] = []
        self._bindings_at_s: float | None = None
        self.known: Known | None = None

    def begin(self) -> Future[list[str]] | None:
        """A reading, whose result is what had to be left as it was; None where it is not yet time for one."""
        known = self.known
        if known is not None and self._now() < known.at_s + known.took_s + known.pause_s:
            return None
        return self._readings.begin("queues", self._read)

    def _read(self) -> list[str]:
        told = self._first_told()
        # Row by row, so that they do not all stand in memory beside what is made of them.
        facts = tuple(read_queue(told.rows.pop()) for _ in range(len(told.rows)))
        if self._bindings_at_s is not None:
            self._know(told, facts)
        complaints = self._read_bindings()
        self._know(told, facts)
        return complaints

    def _know(self, told: _Told, facts: tuple[QueueFacts, ...]) -> None:
        targets = dead_letter_targets(facts, self._bindings)
        self.known = Known(at_s=told.at_s, took_s=told.took_s, facts=facts, dead_letter_targets=targets)

    def _first_told(self) -> _Told:
        """The list from the node that answers first: one is asked, and the next as well where it is silent.

        Raises NotReadyError where none of them gives one, and at once where one refuses who asks.
        """
        silent_s = max(self._silent_s, _SILENT * self.known.took_s if self.known else 0.0)
        ahead = [self._preferred, *(node for node in self._nodes if node != self._preferred)]
        asked: dict[Future[Any], str] = {}
        error: NotReadyError = NotReadyError("management API", "no node was asked")
        while ahead or asked:
            if ahead:
                node = ahead.pop(0)
                asked[self._readings.begin(("queues", node), partial(self._ask, node))] = node
            done, _ = wait(asked, timeout=silent_s if ahead else None, return_when=FIRST_COMPLETED)
            for future in done:
                node = asked.pop(future)
                try:
                    told: _Told = future.result()
                except NotReadyError as raised:
                    error = raised
                    if isinstance(raised, ApiError) and raised.status < _SERVERS_FAULT:
                        raise
                else:
                    self._preferred = node
                    return told
        raise error

    def _ask(self, node: str) -> _Told:
        at_s = self._now()
        rows = self._management.rows("queues", node=node, columns=QUEUE_COLUMNS)
        return _Told(at_s=at_s, took_s=self._now() - at_s, rows=rows)

    def _read_bindings(self) -> list[str]:
        """Raises NotReadyError where they were never read: then nobody knows what is dead-lettered where."""
        if self._bindings_at_s is not None and self._now() - self._bindings_at_s < _BINDINGS_EVERY_S:
            return []
        try:
            self._bindings = self._management.rows("bindings", node=self._preferred, columns=BINDING_COLUMNS)
        except NotReadyError as error:
            if self._bindings_at_s is None:
                raise
            return [f"bindings are not read anew: {error}"]
        self._bindings_at_s = self._now()
        return []
