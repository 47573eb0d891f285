"""The section on drift: what of the running cluster is not as its topology says."""

from __future__ import annotations

from dataclasses import replace

from dashboards.house import Column, Panel, Query, Section, lines, number, table
from dashboards.looks import ORANGE, RED
from exporters import names

#: Figures of the process that watches for drift.
DRIFT = 'job="drift",cluster=~"$cluster"'
_OFF = "off by default: nobody compares until the topology names a user for it (monitoring.drift)"

_DIFFERENCES = f"max by (kind) ({names.DRIFT_DIFFERENCES.name}{{{DRIFT}}})"
_READABLE = f"max by (kind) ({names.DRIFT_READABLE.name}{{{DRIFT}}})"
_COMPARED_AT = f'max({names.COLLECTOR_SUCCESS.name}{{{DRIFT},collector="drift"}})'


def drift() -> Section:
    """Empty where drift is not watched."""
    return Section(title="Drift", panels=tuple(_may_be_off(panel) for panel in (*_now(), *_where())))


def _now() -> tuple[Panel, ...]:
    return (
        number(
            "Differences from the topology",
            "What is not as the topology says, all kinds together. Good: 0. `warren topology diff` says what "
            "it is; see docs/runbooks/topology-drift.md.",
            "none",
            Query(expr=f"sum({_DIFFERENCES})", legend="differences"),
            limits=((1, ORANGE),),
            width=8,
            graph=False,
            none="not compared",
        ),
        number(
            "Kinds not compared",
            "Kinds that the watching account may not read, or that could not be read. Good: 0 with an "
            "administrator's account, 5 with the tag monitoring alone. See docs/runbooks/drift-unreadable"
            ".md.",
            "none",
            Query(expr=f"sum(1 - {_READABLE})", legend="kinds"),
            width=8,
            graph=False,
            none="not compared",
        ),
        number(
            "Last compared",
            "Time since the cluster was last compared with its topology. Good: below a minute. Longer, the "
            "cluster did not answer or did not let the account in.",
            "s",
            Query(expr=f"time() - {_COMPARED_AT}", legend="ago"),
            limits=((60, ORANGE), (300, RED)),
            width=8,
            graph=False,
            none="never",
        ),
    )


def _where() -> tuple[Panel, ...]:
    return (
        lines(
            "Differences by kind",
            "Differences of each kind that has any, and of all together. Good: a line at 0. A step is a "
            "change by hand, or a topology that was changed and not applied.",
            "short",
            Query(expr=f"sum({_DIFFERENCES})", legend="all kinds"),
            Query(expr=f"{_DIFFERENCES} > 0", legend="{{kind}}"),
            steps=True,
        ),
        table(
            "Kinds that differ or were not compared",
            "One row for each kind that differs now or could not be compared. Good: no row. Sort by "
            "Differences; `warren topology diff` names each.",
            {"kind": "Kind"},
            (
                Column(heading="Differences", expr=f"{_DIFFERENCES} > 0", unit="none", limits=((1, ORANGE),)),
                Column(heading="Not compared", expr=f"1 - {_READABLE} > 0", unit="none"),
            ),
            width=12,
            height=8,
        ),
    )


def _may_be_off(panel: Panel) -> Panel:
    return replace(panel, queries=tuple(replace(query, may_be_empty=_OFF) for query in panel.queries))
