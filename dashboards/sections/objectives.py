"""Sections of the board of load: what was promised, how near it is, and what is left of the error budgets."""

from __future__ import annotations

from dashboards.figures import AGE, LAG_OBJECTIVE, LATE, budget_left, lag_kept
from dashboards.house import Column, Query, Section, number, table
from dashboards.looks import ORANGE, RED
from dashboards.panels import against_promise, by_queue
from dashboards.queries import LOAD
from loadgen import names as load

_AGE_PROMISED = f"({AGE} and on (vhost, queue) {LAG_OBJECTIVE})"
_LEFT = ((float("-inf"), RED), (0, ORANGE), (0.25, "green"))


def _confirms_kept() -> str:
    confirmed, failed = (f"sum({metric}{{{LOAD}}})" for metric in (load.CONFIRMED, load.FAILED_PUBLISHES))
    return f"({confirmed} / (({confirmed} + {failed}) > 0))"


def objectives() -> Section:
    return Section(
        title="Objectives",
        panels=(
            number(
                "Lag budget left",
                "Of the time and queues that may be over their lag objective, what the time range has left. "
                "Good: above 25 %. Below 0 % more was late than is promised: see the table.",
                "percentunit",
                Query(expr=budget_left(f"avg({lag_kept()})", "lag"), legend="left"),
                limits=_LEFT,
                none="nothing promised",
                width=6,
                graph=False,
            ),
            number(
                "Confirm budget left",
                "Of the publishes that may fail, what the chosen runs have left. Good: 100 %. Below 0 % more "
                "failed than is promised.",
                "percentunit",
                Query(expr=budget_left(_confirms_kept(), "confirm_success"), legend="left"),
                limits=_LEFT,
                none="no run",
                width=6,
                graph=False,
            ),
            number(
                "Queues over their objective",
                "Queues whose oldest message is older now than was promised. Good: 0. See "
                "docs/runbooks/queue-lag.md.",
                "none",
                Query(expr=LATE, legend="queues"),
                none="nothing promised",
                limits=((1, RED),),
                width=6,
                graph=False,
            ),
            number(
                "Nearest to its objective",
                "Greatest share that a queue's oldest message has of its lag objective. Good: below 50 %.",
                "percentunit",
                Query(expr=f"max({AGE} / {LAG_OBJECTIVE})", legend="share"),
                none="nothing promised",
                limits=((0.5, ORANGE), (1, RED)),
                width=6,
            ),
            against_promise(
                "Lag and its objective",
                "Age of the oldest message of each queue with an objective; dashed, the objective. Good: "
                "below its dashed line. Above it: more consumers, or find out why they are slow.",
                "s",
                _AGE_PROMISED,
                "warren_objective_lag_seconds",
            ),
            by_queue(
                "Of the lag objective",
                "The oldest message's age over what was promised; dashed, all of it. Good: below 100 %. This "
                "compares queues whose promises differ.",
                "percentunit",
                f"{AGE} / {LAG_OBJECTIVE}",
                limits=((1, RED),),
                height=9,
            ),
            table(
                "Error budgets of queues",
                "One row a queue with a lag objective, over the time range, first those whose promise is "
                "being broken. Good: some budget left in every row.",
                {"vhost": "Virtual host", "queue": "Queue"},
                (
                    Column(heading="Promised", expr=LAG_OBJECTIVE, unit="s"),
                    Column(heading="Oldest", expr=AGE, unit="s"),
                    Column(heading="Kept", expr=lag_kept(), unit="percentunit"),
                    Column(
                        heading="Budget left",
                        expr=budget_left(lag_kept(), "lag"),
                        unit="percentunit",
                        limits=_LEFT,
                    ),
                ),
                height=8,
                lowest="Budget left",
            ),
        ),
    )
