"""Section of the cluster's board: whether Warren's own exporter, probe and drift collector see all."""

from __future__ import annotations

from dashboards.house import Query, Section, lines, states
from dashboards.looks import GREEN, ORANGE, RED
from dashboards.queries import EXPORTER, WATCHERS
from exporters import names


def watchers() -> Section:
    """What the other figures of Warren's own rest upon."""
    return Section(
        title="What watches",
        panels=(
            states(
                "The exporter reads",
                "Whether the exporter got an answer of each node, and of any, at each scrape. Good: unbroken "
                "green. One red row is that node; where all are red nothing is known of queues: "
                "docs/runbooks/exporter-down.md.",
                (
                    Query(expr=f"max({names.UP.name}{{{EXPORTER}}})", legend="any node"),
                    Query(expr=f"max by (member) ({names.NODE_UP.name}{{{EXPORTER}}})", legend="{{member}}"),
                ),
                {"1": ("reads it", GREEN), "0": ("does not", RED)},
                height=7,
            ),
            states(
                "Collectors",
                "Whether each collector had all that it needs. Good: unbroken green. Red is figures that are "
                "missing or old: docs/runbooks/exporter-down.md, for canary and certificates "
                "docs/runbooks/probe-down.md, for drift docs/runbooks/drift-unreadable.md.",
                Query(
                    expr=f"max by (collector) ({names.COLLECTOR_UP.name}{{{WATCHERS}}})",
                    legend="{{collector}}",
                ),
                {"1": ("has all", GREEN), "0": ("does not", RED)},
                height=7,
            ),
            lines(
                "Time taken",
                "What reading the broker took in a scrape, and each collector when it last ran; canary, "
                "certificates and drift work in the background. Good: a scrape far below its interval.",
                "s",
                Query(expr=f"max({names.SCRAPE_DURATION.name}{{{EXPORTER}}})", legend="scrape"),
                Query(
                    expr=f"max by (collector) ({names.COLLECTOR_DURATION.name}{{{WATCHERS}}})",
                    legend="{{collector}}",
                ),
                width=8,
                height=7,
            ),
            lines(
                "Since a collector last had all",
                "Good: seconds, a minute for certificates, half a minute for drift. A line that climbs is a "
                "collector that hangs or is refused; its figures are as old as that. At thousands of queues "
                "their list is read between scrapes, and is as old as its line says.",
                "s",
                Query(
                    expr=f"time() - min by (collector) ({names.COLLECTOR_SUCCESS.name}{{{WATCHERS}}})",
                    legend="{{collector}}",
                ),
                Query(expr=f"max({names.QUEUES_AGE.name}{{{EXPORTER}}})", legend="list of queues"),
                limits=((180, ORANGE),),
                width=8,
                height=7,
            ),
            lines(
                "Queues told of",
                "Queues that the exporter tells of, and those that it leaves out because there are too many. "
                "Good: none left out; of those nothing is shown and no alert comes: "
                "docs/runbooks/queues-left-out.md.",
                "none",
                Query(expr=f"max({names.SCRAPED_QUEUES.name}{{{EXPORTER}}})", legend="told of"),
                Query(expr=f"max({names.LEFT_OUT.name}{{{EXPORTER}}})", legend="left out"),
                steps=True,
                width=8,
                height=7,
            ),
        ),
    )
