"""Where the dashboards of the cluster are while a run lasts, for the run's result."""

from __future__ import annotations

from loadgen import resolve
from loadgen.scenario import Scenario
from warren.context import Context
from warren.dashboards_record import KINDS, DashboardsRecord, served_at
from warren.errors import WarrenError


def where_shown(context: Context, scenario: Scenario) -> DashboardsRecord | None:
    """What serves the boards now, and which queues of them are the resolved ``scenario``'s.

    None where nothing does or the engine cannot say: a run's result is not lost for that.
    """
    try:
        service = next((each for each in KINDS if context.runtime.runs(each)), None)
    except WarrenError:
        return None
    if service is None:
        return None
    return DashboardsRecord(
        url=served_at(context.topology, service),
        service=service,
        cluster=context.topology.cluster,
        queues={scenario.vhost: resolve.touched_queues(scenario, context.topology)},
    )
