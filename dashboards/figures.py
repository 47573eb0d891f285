"""What several boards ask, of each queue that the reader chose, by virtual host and queue, and of all."""

from __future__ import annotations

from dashboards.queries import EXPORTER, NOT_FAILED, RECORDED, objective, queue_gauge
from exporters import names

#: How a line of one queue is called.
NAME = "{{vhost}} {{queue}}"
#: Age of the oldest message in seconds; where it is only known to be at least so much, that much.
AGE = f"({queue_gauge(names.AGE.name)} or {queue_gauge(names.AGE_AT_LEAST.name)})"
DEPTH = f"({queue_gauge(names.READY.name)} + {queue_gauge(names.UNACKED.name)})"
LAG_OBJECTIVE = objective("warren_objective_lag_seconds")
DEPTH_OBJECTIVE = objective("warren_objective_depth")
#: How many queues are late, and how many are too long, of those to which something is promised.
LATE = f"sum({AGE} > bool {LAG_OBJECTIVE})"
TOO_LONG = f"sum({DEPTH} > bool {DEPTH_OBJECTIVE})"
NOTHING_NEAR = "an objective is drawn once its queue has come up to a quarter of it"

#: Queues of the whole cluster that stand still.
WITHOUT_MAJORITY = f"sum({names.ONLINE.name}{{{EXPORTER}}} * 2 <= bool {names.MEMBERS.name}{{{EXPORTER}}})"
#: How many queues each node leads.
LED = f"count by (leader) ({names.LEADER.name}{{{EXPORTER}}})"
#: Of all queues that somebody is meant to empty: messages, and the age of the oldest, or what it is at least.
READY_OF_ALL = f"sum({names.READY.name}{{{EXPORTER},{NOT_FAILED}}})"
UNACKED_OF_ALL = f"sum({names.UNACKED.name}{{{EXPORTER},{NOT_FAILED}}})"
OLDEST_OF_ALL = (
    f"max({names.AGE.name}{{{EXPORTER},{NOT_FAILED}}} or "
    f"{names.AGE_AT_LEAST.name}{{{EXPORTER},{NOT_FAILED}}})"
)
#: Alerts that fire; of none there is no series.
FIRING = f'count(ALERTS{{alertstate="firing",{RECORDED}}}) or vector(0)'

#: Share that is promised where the topology promises none, by objective.
SHARES = {"lag": 0.99, "confirm_success": 0.999}


def budget_left(kept: str, objective_name: str) -> str:
    """What is left of the error budget, 1 for all of it; below 0 it is overspent.

    ``kept`` is the share that was kept. The budget is what the objective leaves to fail (Google's SRE
    workbook, chapter 2): with 0.99 promised, 0.995 kept has spent half.
    """
    promised = f'max(warren_objective_share{{{RECORDED},objective="{objective_name}"}})'
    return f"1 - (1 - {kept}) / (1 - scalar({promised} or vector({SHARES[objective_name]})))"


def lag_kept() -> str:
    """Share of the time range in which each queue with a lag objective kept it."""
    return f"avg_over_time(({AGE} <= bool {LAG_OBJECTIVE})[$__range:$__interval] @ end())"
