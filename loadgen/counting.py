"""Reads the broker's own counts at both ends of a run and holds the result to them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from loadgen import broker_counters
from loadgen.broker_counters import Readings
from loadgen.reconcile import reconcile
from warren.errors import WarrenError
from warren.management import ManagementClient
from warren.node_metrics import NodeMetrics
from warren.results import LoadResult, Verdict


@dataclass(slots=True, kw_only=True)
class Counting:
    """One run's, and that of the runs whose names go on from its own: `begin` before the first publish,
    `end` after the last ack."""

    metrics: NodeMetrics
    management: ManagementClient
    run_id: str
    now_s: Callable[[], float] = time.monotonic
    _before: Readings = field(default_factory=dict)
    _strangers: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Read the counters; whoever is connected now is none of the run's."""
        self._strangers.update(self._others())
        self._before = self._read()

    def end(self, result: LoadResult) -> LoadResult:
        """``result`` with the reconciliation; a difference that nothing explains is a doubt."""
        after = self._read()
        self._strangers.update(self._others())
        found = reconcile(
            broker_counters.between(self._before, after),
            result.traffic,
            whole=not result.interrupted and result.verdict is Verdict.PASSED,
            strangers=sorted(self._strangers),
        )
        result = dataclasses.replace(result, reconciliation=found.to_dict())
        if not found.doubts:
            return result
        reasons = found.doubts if result.verdict is Verdict.PASSED else (*result.reasons, *found.doubts)
        verdict = Verdict.INCONCLUSIVE if result.verdict is Verdict.PASSED else result.verdict
        return dataclasses.replace(result, verdict=verdict, reasons=reasons)

    def _read(self) -> Readings:
        return broker_counters.read(self.metrics.nodes, self.metrics.page, self.now_s)

    def _others(self) -> Iterator[str]:
        """Connections that are not the run's; none where the broker does not say."""
        try:
            rows = self.management.rows("connections")
        except WarrenError:
            return
        for row in rows:
            name = _name(row)
            if not name.startswith((f"warren-load {self.run_id} ", f"warren-load {self.run_id}-")):
                yield name


def _name(row: dict[str, Any]) -> str:
    properties = row.get("client_properties") or {}
    return str(properties.get("connection_name") or row.get("name") or "unnamed")
