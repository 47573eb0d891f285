"""Runs both clients in turn, and meters them and the brokers from outside over each turn's window."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from loadgen import launch
from loadgen.bench import figures, ours, perftest
from loadgen.bench.cells import Cell
from loadgen.bench.figures import PERFTEST, WARREN, Turn
from loadgen.bench.meter import Meter, Window
from loadgen.bench.record import Record
from loadgen.bench.stage import Stage
from loadgen.container import Place
from loadgen.roles import Protocol
from warren.context import Context
from warren.errors import DeadlineError, InconclusiveError, NotReadyError
from warren.results import LoadResult, Second, iso
from warren.signals import terminate_as_interrupt

#: Publishing goes on for this long after the window, so that the second reading still meets it.
_AFTER_S = 2
#: Starting a client and ending it: about what a turn takes beyond its seconds.
_AROUND_S = 12
_END_DEADLINE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Turns of each client in each cell, and the seconds of a turn that do not count and that do."""

    repeats: int
    warmup_s: int
    window_s: int

    @property
    def seconds(self) -> int:
        return self.warmup_s + self.window_s + _AFTER_S

    def estimate_s(self, turns: int) -> int:
        """About how long so many turns take."""
        return turns * (self.seconds + _AROUND_S)


@dataclass(slots=True, kw_only=True)
class Bench:
    """Two clients on one cluster. ``place`` is where Warren's runs, ``image`` PerfTest's if it takes part:
    both are had before the first turn, since a build between turns would be measured with them."""

    context: Context
    place: Place
    image: str
    plan: Plan
    record: Record
    stage: Stage

    def missing(self, cell: Cell) -> list[tuple[int, str]]:
        """(turn, client) still to be measured, in order: the clients alternate, and who begins does too."""
        clients = self.record.clients
        order = [
            (turn, client)
            for turn in range(1, self.plan.repeats + 1)
            for client in (clients if turn % 2 else reversed(clients))
        ]
        return [(turn, client) for turn, client in order if not self.record.has(cell, client, turn)]

    @terminate_as_interrupt()
    def run(self, cells: tuple[Cell, ...]) -> dict[str, InconclusiveError]:
        """Measure what the record lacks; the cells that could not be measured to their end, each with why.

        Raises NotReadyError when a client or the cluster fails; what was measured is kept.
        """
        unmeasured = {}
        left = sum(len(self.missing(cell)) for cell in cells)
        self.context.say(
            f"{left} turns of {self.plan.seconds} s in {len(cells)} cells: about "
            f"{self.plan.estimate_s(left) / 60:.0f} minutes; each turn is kept in {self.record.path}"
        )
        try:
            for cell in cells:
                try:
                    self._cell(cell)
                except InconclusiveError as error:
                    self.context.say(f"{cell.name}: {error.where} {error.what}; on to the next cell")
                    unmeasured[cell.name] = error
        finally:
            self.stage.remove()
        return unmeasured

    def _cell(self, cell: Cell) -> None:
        missing = self.missing(cell)
        if not missing:
            return
        node = self.stage.build(cell).rpartition("@")[2]
        for turn, client in missing:
            self.context.say(f"{cell.name}: turn {turn} of {self.plan.repeats}, {client}")
            load, began = os.getloadavg()[0], iso(datetime.now(UTC))
            found = self._measure(client, cell, node)
            same: dict[str, Any] = {"cell": cell.name, "client": client, "turn": turn, "started_at": began}
            self.record.add(Turn(**same, load_average=load, **found))
            self.stage.empty(cell)

    def _measure(self, client: str, cell: Cell, node: str) -> dict[str, Any]:
        """One turn of ``client``."""
        return self._warren(cell, node) if client == WARREN else self._perftest(cell, node)

    def _warren(self, cell: Cell, node: str, protocol: Protocol | None = None) -> dict[str, Any]:
        """A turn of Warren's, on a stream where a ``protocol`` says how."""
        window = self._window()
        build = ours.spec(self.context, cell, node, self.plan.seconds, protocol)
        result, _ = launch.run_built(
            self.context, self.place, ours.PROFILE, build, view=ours.Listener(window.at)
        )
        if result.interrupted:
            raise KeyboardInterrupt
        return {**self._reduced(result.series, window), **_verdict(result)}

    def _perftest(self, cell: Cell, node: str) -> dict[str, Any]:
        window, seconds = self._window(), list[Second]()

        def hear(line: str) -> None:
            found = perftest.second(line)
            if found is not None:
                seconds.append(found)
                window.at(found.t_s + 1)

        name = f"{self.context.topology.cluster}-perftest"
        options = perftest.arguments(cell, self.plan.seconds)
        argv = perftest.command(self.context, self.image, name, options)
        try:
            deadline_s = self.plan.seconds + _END_DEADLINE_S
            _listen(argv, perftest.uri(self.context, node), hear, deadline_s=deadline_s)
        finally:
            self.context.run([self.context.engine.docker, "rm", "--force", name], timeout_s=30)
        return self._reduced(seconds, window)

    def _reduced(self, seconds: Any, window: Window) -> dict[str, float]:
        span = {"warmup_s": self.plan.warmup_s, "window_s": self.plan.window_s}
        return figures.reduce(seconds, window.used(), **span)

    def _window(self) -> Window:
        meter = Meter(docker=self.context.engine.docker, run=self.context.run)
        nodes = [self.context.runtime.container(node.name) for node in self.context.topology.nodes]
        span = {"warmup_s": self.plan.warmup_s, "window_s": self.plan.window_s}
        return Window(lambda: meter.cpu_s([self._client(), *nodes]), self.context.clock.now, **span)

    def _client(self) -> str:
        """The one container of load on this cluster, whichever client it is."""
        argv = [self.context.engine.docker, "ps", "--quiet", "--filter", "label=warren.role=load"]
        argv += ["--filter", f"label=warren.cluster={self.context.topology.cluster}"]
        found = self.context.run(argv, timeout_s=15).stdout.split()
        if len(found) != 1:
            raise NotReadyError("load on this cluster", f"{len(found)} containers run, one is wanted")
        return found[0]


def as_plan(plan: Plan) -> dict[str, Any]:
    """For the record."""
    return asdict(plan)


def _verdict(result: LoadResult) -> dict[str, Any]:
    return {"verdict": result.verdict.value, "confirmed": result.ledger.confirmed}


def _listen(argv: list[str], stdin: bytes, hear: Callable[[str], None], *, deadline_s: float) -> None:
    """Run PerfTest and hand over its lines.

    Raises NotReadyError with its last words when it fails, DeadlineError when it is ended for its length.
    """
    last = ""
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as child:
        guard = threading.Timer(deadline_s, child.kill)
        guard.start()
        try:
            assert child.stdin is not None  # noqa: S101 - started with a pipe
            assert child.stdout is not None  # noqa: S101 - started with a pipe
            child.stdin.write(stdin)
            child.stdin.close()
            for line in child.stdout:
                last = line.decode(errors="replace").strip() or last
                hear(last)
            child.wait()
            if not guard.is_alive():
                raise DeadlineError(PERFTEST, f"did not end within {deadline_s:g} s; last: {last[-300:]}")
        finally:
            guard.cancel()
            if child.poll() is None:
                child.terminate()
    if child.returncode != 0:
        raise NotReadyError(PERFTEST, f"ended with {child.returncode}: {last[-300:]}")
