"""Game days: what was done to the cluster, what clients felt of it, and how it came back."""

from __future__ import annotations

from dashboards import marks
from dashboards.choices import CLUSTER, JOB
from dashboards.figures import FIRING, OLDEST_OF_ALL, WITHOUT_MAJORITY
from dashboards.gaps import confirm_gap
from dashboards.house import Board, Query, Section, lines, number, states, when_empty
from dashboards.looks import GREEN, ORANGE, RED
from dashboards.panels import backlog, leaders
from dashboards.queries import (
    EXPORTER,
    LOAD,
    NODE,
    RECORDED,
    answers,
    elections,
    total_rate,
)
from dashboards.runs import NO_RUN, NO_RUN_NOW, PROFILE, RUN
from dashboards.sections.felt import clients, ledger
from exporters import names
from loadgen import names as load

_NO_FAULT = "faults are drawn while one is in force"
_BY_RUN = "profile, run_id"


def board() -> Board:
    return Board(
        uid="warren-chaos",
        title="Warren / Chaos and game days",
        description="What was done to the cluster, what did clients feel of it, and is it whole again?",
        variables=(JOB, CLUSTER, PROFILE, RUN),
        sections=(
            _now(),
            _timelines(),
            when_empty(clients(), NO_RUN),
            when_empty(ledger(), NO_RUN_NOW),
            _cluster(),
        ),
    )


def _now() -> Section:
    return Section(
        title="Now",
        panels=(
            number(
                "Nodes away",
                "Nodes that do not answer. Good: 0, or those that the game takes away. See "
                "docs/runbooks/node-down.md.",
                "none",
                Query(expr=f"sum({answers()} == bool 0)", legend="nodes"),
                limits=((1, RED),),
                graph=False,
            ),
            number(
                "Faults in force",
                "Faults that Warren has injected and not yet healed, as the exporter tells them; `warren "
                "chaos status` knows them always. Good: 0 after a game. `warren chaos heal` undoes them all.",
                "none",
                Query(expr=marks.IN_FORCE, legend="faults"),
                limits=((1, ORANGE),),
                none="not told",
                graph=False,
            ),
            number(
                "Alerts firing",
                "Good: those that the fault should raise, and 0 once it is healed. Each has a page under "
                "docs/runbooks.",
                "none",
                Query(expr=FIRING, legend="alerts"),
                limits=((1, ORANGE),),
                graph=False,
            ),
            number(
                "Without a majority",
                "Queues that stand still. Good: 0, with one node of three away as well. See "
                "docs/runbooks/queue-quorum-lost.md.",
                "none",
                Query(expr=WITHOUT_MAJORITY, legend="queues"),
                limits=((1, RED),),
                graph=False,
            ),
            number(
                "Since a confirm",
                "Seconds since the run that waits longest last had a confirm, to the scrape; 300 stands for "
                "that and more. Good: one or two scrapes. The exact gap is in the run's result.",
                "s",
                Query(expr=f"max({confirm_gap()})", legend="since"),
                limits=((15, ORANGE), (30, RED)),
                none="no run",
            ),
            number(
                "Publishes given up",
                "Messages without a confirm within the deadline, over the whole runs. Good: 0: a fault may "
                "delay a publish, not lose it.",
                "none",
                Query(expr=f"sum({load.FAILED_PUBLISHES}{{{LOAD}}})", legend="failed"),
                limits=((1, RED),),
                graph=False,
                none="no run",
            ),
        ),
    )


def _timelines() -> Section:
    alerts = (
        f'max by (alertname) (ALERTS{{alertstate="firing",{RECORDED}}}) * 2'
        f' or max by (alertname) (ALERTS{{alertstate="pending",{RECORDED}}})'
        ' or label_replace(vector(0), "alertname", "all others", "", "")'
    )
    return Section(
        title="What happened when",
        panels=(
            states(
                "Faults",
                "Nodes that did not answer, and the faults that Warren knows of. Good: red only where the "
                "game put it. A node that stays red after the healing did not come back.",
                (
                    Query(expr=f"1 - {answers()}", legend="{{node}}"),
                    Query(
                        expr=f"{marks.FAULTS} + 1",
                        legend="{{fault}} on {{target}}",
                        may_be_empty=_NO_FAULT,
                    ),
                ),
                {"0": ("there", GREEN), "1": ("away", RED), "2": ("in force", ORANGE)},
                width=12,
                height=11,
            ),
            states(
                "Alerts",
                "When each alert was pending and fired. Good: soon after the fault, and gone soon after its "
                "healing. One that does not come is a rule to mend; one that stays is damage that is left.",
                Query(expr=alerts, legend="{{alertname}}"),
                {"0": ("quiet", GREEN), "1": ("pending", ORANGE), "2": ("firing", RED)},
                width=12,
                height=11,
            ),
            states(
                "Links during faults",
                "The links between nodes. Good: up but to a node that is away. Not up while both nodes "
                "answer is a partition: what the game meant, or what it found.",
                Query(
                    expr=f'erlang_vm_dist_node_state{{{NODE},peer!~"rabbitmqcli.*"}}',
                    legend="{{node}} to {{peer}}",
                ),
                {"3": ("up", GREEN), "2": ("coming up", ORANGE), "1": ("pending", RED)},
                width=24,
                height=8,
            ),
        ),
    )


def _cluster() -> Section:
    return Section(
        title="How the cluster bore it",
        panels=(
            lines(
                "Elections of queues",
                "Since the time range began, as steps. Good: one for each queue that the lost node led, and "
                "those of the rebalancing. Steps that go on are nodes that do not hear each other.",
                "short",
                Query(expr=f"sum({elections()})", legend="elections"),
                width=8,
                steps=True,
            ),
            lines(
                "Queues that miss members",
                "Good: as many as there are while a node is away, and 0 some seconds after it is back. One "
                "without a majority stands still.",
                "short",
                Query(expr=f"sum({names.UNDER_REPLICATED.name}{{{EXPORTER}}})", legend="a member is missing"),
                Query(expr=WITHOUT_MAJORITY, legend="no majority"),
                width=8,
                steps=True,
            ),
            leaders(
                "Where leaders are",
                "Queues that each node leads. Good: even before and, some time after the healing, again: "
                "docs/runbooks/leaders-unbalanced.md.",
                width=8,
            ),
            backlog(
                "Backlog of all queues",
                "Messages in queues that are not failed queues. Good: a hill beside the fault that is gone "
                "soon after. One that stays is consumers that did not come back.",
            ),
            lines(
                "Oldest message of all queues",
                "Greatest age in a queue that is not a failed queue. Good: as long as the fault at most, and "
                "back to seconds soon after.",
                "s",
                Query(expr=OLDEST_OF_ALL, legend="age"),
                width=8,
            ),
            lines(
                "Connections and channels opened",
                "Per second. Good: one peak for each client that the fault cut off. A rate that stays is "
                "clients that cannot come back.",
                "ops",
                Query(expr=total_rate("rabbitmq_connections_opened_total", NODE), legend="connections"),
                Query(expr=total_rate("rabbitmq_channels_opened_total", NODE), legend="channels"),
                width=8,
            ),
        ),
    )
