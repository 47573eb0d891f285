"""Reads the broker's own counts at both ends of a run and holds the result to them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from loadgen import broker_counters, canary
from loadgen.broker_counters import Readings
from loadgen.reconcile import reconcile
from warren.errors import WarrenError
from warren.management import ManagementClient
from warren.management_facts import connection_name
from warren.node_metrics import NodeMetrics
from warren.results import LoadResult, Verdict


@dataclass(slots=True, kw_only=True)
class Counting:
    """One run's: `begin` before the first publish, `end` after the last ack. ``probe`` gives the page
    on which the canary tells what it sent meanwhile, and raises NotReadyError where there is none."""

    metrics: NodeMetrics
    management: ManagementClient
    probe: Callable[[], str]
    now_s: Callable[[], float] = time.monotonic
    wall_s: Callable[[], float] = time.time
    _before: Readings = field(default_factory=dict)
    _share: canary.Share | None = None
    _strangers: tuple[str, ...] = ()

    def begin(self) -> None:
        """Read the counters; whoever is connected now is none of the run's. The canary is known."""
        self._before, self._share = self._read()
        there = broker_counters.open_connections(self._before) - (self._share.open if self._share else 0)
        if there > 0:
            self._strangers = tuple(self._names()) or (f"{there} of them",)

    def end(self, result: LoadResult) -> LoadResult:
        """``result`` with the reconciliation; a difference that nothing explains is a doubt."""
        after, share = self._read()
        counted = canary.without(broker_counters.between(self._before, after), self._share, share)
        found = reconcile(
            counted,
            result.traffic,
            whole=not result.interrupted and result.verdict is Verdict.PASSED,
            strangers=self._strangers,
        )
        result = dataclasses.replace(result, reconciliation=found.to_dict())
        if not found.doubts:
            return result
        reasons = found.doubts if result.verdict is Verdict.PASSED else (*result.reasons, *found.doubts)
        verdict = Verdict.INCONCLUSIVE if result.verdict is Verdict.PASSED else result.verdict
        return dataclasses.replace(result, verdict=verdict, reasons=reasons)

    def _read(self) -> tuple[Readings, canary.Share | None]:
        return canary.beside(
            lambda: broker_counters.read(self.metrics.nodes, self.metrics.page, self.now_s),
            self.probe,
            wall_s=self.wall_s,
        )

    def _names(self) -> list[str]:
        """Who is connected, as far as the broker says; its list is up to 5 s old, so it only names."""
        try:
            names = sorted(connection_name(row) for row in self.management.rows("connections"))
        except WarrenError:
            return []
        return [name for name in names if not (self._share and name.startswith(canary.NAMED))]
