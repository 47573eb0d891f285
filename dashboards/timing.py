"""How long each panel waits for Prometheus: every query of every panel, asked as a refresh asks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from dashboards.house import Board, Panel
from dashboards.resolve import resolve
from warren.context import Context
from warren.prometheus import PrometheusClient
from warren.topology import Topology
from warren.wait import Clock

#: A quarter of an hour in steps of five seconds, as a chart of a usual width is asked for.
RANGE_S, STEP_S = 900.0, 5.0
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One panel asked once. ``took_s``: its queries one after the other, which a browser asks at once, so
    that a reader waits no longer than this; ``series``: of all answers."""

    board: str
    panel: str
    queries: int
    took_s: float
    series: int


def everything(topology: Topology) -> dict[str, str]:
    """The widest choice of every variable of the boards."""
    values = {"cluster": topology.cluster, "job": "rabbitmq"}
    return values | dict.fromkeys(("node", "vhost", "queue", "profile", "run"), ".+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """Asks ``prometheus`` what ``boards`` ask, with ``values`` for their variables."""

    prometheus: PrometheusClient
    boards: Sequence[Board]
    values: Mapping[str, str]
    clock: Clock

    def run(self) -> Iterator[Timed]:
        """Every panel that asks anything, once, in the boards' order.

        Raises NotReadyError when Prometheus does not answer, BadInputError for a query that it refuses.
        """
        end = self.prometheus.query("time()")[0].value // STEP_S * STEP_S
        for board in self.boards:
            for panel in board.panels:
                if panel.queries:
                    yield self._ask(board, panel, end)

    def _ask(self, board: Board, panel: Panel, end: float) -> Timed:
        began, series = self.clock.now(), 0
        for query in panel.queries:
            expr = resolve(query.expr, self.values)
            if query.instant:
                series += len(self.prometheus.query(expr))
                continue
            series += len(self.prometheus.query_range(expr, start=end - RANGE_S, end=end, step_s=STEP_S))
        return Timed(
            board=board.uid,
            panel=panel.title,
            queries=len(panel.queries),
            took_s=self.clock.now() - began,
            series=series,
        )


def measure(context: Context, boards: Sequence[Board], *, rounds: int) -> list[Timed]:
    """Every panel ``rounds`` times, with all that the running cluster has chosen.

    Raises NotReadyError when there is no Prometheus that answers.
    """
    refresh = Refresh(
        prometheus=context.prometheus,
        boards=boards,
        values=everything(context.topology),
        clock=context.clock,
    )
    return [timed for _ in range(rounds) for timed in refresh.run()]


def slowest(rounds: Sequence[Timed]) -> list[tuple[float, float, Timed]]:
    """(median s, greatest s, one of them) of each panel over several rounds, the slowest first."""
    own: dict[tuple[str, str], list[Timed]] = {}
    for each in rounds:
        own.setdefault((each.board, each.panel), []).append(each)
    made = [
        (median(one.took_s for one in same), max(one.took_s for one in same), same[-1])
        for same in own.values()
    ]
    return sorted(made, key=lambda each: -each[0])


def table(rounds: Sequence[Timed]) -> str:
    """Markdown: the slowest panels, and what all of them take."""
    found = slowest(rounds)
    lines = ["| board | panel | queries | series | median s | greatest s |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {one.board} | {one.panel} | {one.queries} | {one.series:,} | {middle:.2f} | {greatest:.2f} |"
        for middle, greatest, one in found[:_SHOWN]
    ]
    over = sum(middle > 1 for middle, _, _ in found)
    every = sum(middle for middle, _, _ in found)
    queries = sum(one.queries for _, _, one in found)
    middle = median(each for each, _, _ in found)
    return "\n".join(lines) + (
        f"\n\n{len(found)} panels, {queries} queries: all of them take {every:.1f} s, "
        f"half of them {middle:.3f} s or less each, {over} more than 1 s"
    )


def as_dict(rounds: Sequence[Timed]) -> dict[str, Any]:
    """For JSON: every panel of every round."""
    return {"schema": 1, "range_s": RANGE_S, "step_s": STEP_S, "panels": [asdict(each) for each in rounds]}
