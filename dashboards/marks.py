"""Marks on every panel of every board: what was done to the cluster, what it suffered, and what ran.

Grafana marks the time in which a query's samples are above zero.
"""

from __future__ import annotations

from typing import Any

from dashboards.house import DATASOURCE
from dashboards.queries import EXPORTER, NODE, RECORDED, answers
from exporters import names as exported
from loadgen import names as load

#: For how long a start is marked, in seconds: long enough to be seen within a wide time range too.
_STARTED_S = 30

#: Faults in force, by kind and target.
FAULTS = f"(max by (fault, target) ({exported.FAULT_ACTIVE.name}{{{EXPORTER}}}) > 0)"
#: How many; nothing where nothing is told of faults, which is no proof that there are none.
IN_FORCE = f"max({exported.FAULTS_OPEN.name}{{{EXPORTER}}})"


def every() -> list[dict[str, Any]]:
    """All marks, the gravest first. Each query is one that may rightly find nothing."""
    firing = f'ALERTS{{alertstate="firing",{RECORDED},severity'
    started = f"rabbitmq_erlang_uptime_seconds{{{NODE}}} < {_STARTED_S}"
    return [
        _mark("Fault", "purple", FAULTS, "{{fault}} on {{target}}"),
        _mark("Node unreachable", "red", f"{answers()} == bool 0", "{{node}} does not answer"),
        _mark("Critical alert firing", "orange", f'{firing}="critical"}}', "{{alertname}} {{node}}{{queue}}"),
        _mark("Alert firing", "yellow", f'{firing}!="critical"}}', "{{alertname}} {{node}}{{queue}}"),
        _mark(
            "Node started",
            "green",
            f"rabbitmq_build_info{{{NODE}}} and on (cluster, node) ({started})",
            "{{node}} started with {{rabbitmq_version}}",
        ),
        _mark(
            "Load run",
            "blue",
            f'count by (profile, run_id) ({load.PUBLISHED}{{job="load",{RECORDED}}})',
            "load {{profile}}",
        ),
    ]


def _mark(name: str, color: str, expr: str, text: str) -> dict[str, Any]:
    return {
        "datasource": DATASOURCE,
        "enable": True,
        "expr": expr,
        "hide": False,
        "iconColor": color,
        "name": name,
        "step": "5s",
        "textFormat": text,
        "titleFormat": text,
        "useValueForTime": False,
    }
