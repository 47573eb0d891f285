"""A run is held to the broker's own counts: equal, explained, or a doubt."""

from __future__ import annotations

from typing import Any

import pytest

from loadgen import summary
from loadgen.counting import Counting
from warren.errors import NotReadyError
from warren.results import LoadResult, Traffic, Verdict

from .canary_page import page as canary_page


class Metrics:
    """Nodes whose counters a test sets."""

    nodes = ("rmq1", "rmq2")

    def __init__(self) -> None:
        self.counts = {"received": 0, "confirmed": 0, "delivered_consume_manual_ack": 0}
        #: Opened, and closed, with those that were broken off before they were open.
        self.connections = (0, 0)
        self.open = 0

    def page(self, node: str) -> str:
        lines = ["# TYPE rabbitmq_erlang_uptime_seconds gauge", "rabbitmq_erlang_uptime_seconds 1000"]
        totals = {f"rabbitmq_global_messages_{name}_total": count for name, count in self.counts.items()}
        opened, closed = self.connections
        totals |= {"rabbitmq_connections_opened_total": opened, "rabbitmq_connections_closed_total": closed}
        for full, count in totals.items():
            lines += [
                f"# TYPE {full} counter",
                f'{full}{{protocol="amqp091"}} {count if node == "rmq1" else 0}',
            ]
        lines += ["# TYPE rabbitmq_connections gauge", f"rabbitmq_connections {self.open * (node == 'rmq1')}"]
        return "\n".join(lines) + "\n"


class Management:
    def __init__(self) -> None:
        self.names: list[str] | None = []

    def rows(self, *_path: str) -> list[dict[str, Any]]:
        if self.names is None:
            raise NotReadyError("management", "does not answer")
        return [{"name": "1.2.3.4:5", "client_properties": {"connection_name": name}} for name in self.names]


def result(verdict: Verdict = Verdict.PASSED, reasons: tuple[str, ...] = ("fine",)) -> LoadResult:
    return LoadResult(
        run_id="work-1",
        profile="work",
        started_at="2026-01-01T00:00:00Z",
        ended_at="2026-01-01T00:00:30Z",
        verdict=verdict,
        reasons=reasons,
        traffic=Traffic(sent=100, acked=100, deliveries=100),
    )


class Probe:
    """Where the canary tells what it sent, where there is one."""

    def __init__(self) -> None:
        self.flown: int | None = None

    def page(self) -> str:
        if self.flown is None:
            raise NotReadyError("probe", "does not answer")
        return canary_page(self.flown)


@pytest.fixture
def probe() -> Probe:
    return Probe()


@pytest.fixture
def ground(probe: Probe) -> tuple[Metrics, Management, Counting]:
    metrics, management = Metrics(), Management()
    counting = Counting(
        metrics=metrics,  # type: ignore[arg-type]
        management=management,  # type: ignore[arg-type]
        probe=probe.page,
        now_s=lambda: 5.0,
        wall_s=lambda: 1001.0,
    )
    counting.begin()
    return metrics, management, counting


def count(metrics: Metrics, by: int) -> None:
    metrics.counts = dict.fromkeys(metrics.counts, by)


def test_equal_counts_leave_the_verdict_and_say_so(ground: tuple[Metrics, Management, Counting]) -> None:
    metrics, management, counting = ground
    count(metrics, 100)
    management.names = ["warren-load work-1 shop-0"]
    found = counting.end(result())
    assert (found.verdict, found.reasons) == (Verdict.PASSED, ("fine",))
    assert "broker     its own counts are the ledger's" in summary.text(found)


def test_unexplained_difference_makes_a_passed_run_inconclusive(
    ground: tuple[Metrics, Management, Counting],
) -> None:
    metrics, _, counting = ground
    count(metrics, 101)
    found = counting.end(result())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert len(found.reasons) == 3
    assert "nothing explains it" in summary.text(found)


def test_failed_run_stays_failed_and_keeps_its_reasons(ground: tuple[Metrics, Management, Counting]) -> None:
    metrics, _, counting = ground
    count(metrics, 90)
    found = counting.end(result(Verdict.FAILED, ("1 confirmed message is lost",)))
    assert found.verdict is Verdict.FAILED
    assert found.reasons[0] == "1 confirmed message is lost"
    assert len(found.reasons) == 4


def test_clients_that_were_there_before_the_run_explain_a_difference_by_name(
    ground: tuple[Metrics, Management, Counting],
) -> None:
    metrics, management, counting = ground
    metrics.connections, metrics.open = (7, 12), 1
    management.names = ["warren-load retry-9 payer-0"]
    counting.begin()
    count(metrics, 150)
    found = counting.end(result())
    assert found.verdict is Verdict.PASSED
    assert found.reconciliation is not None
    assert found.reconciliation["explained"] == ["other clients were connected: warren-load retry-9 payer-0"]


def test_clients_that_the_broker_does_not_name_are_counted(
    ground: tuple[Metrics, Management, Counting],
) -> None:
    metrics, management, counting = ground
    metrics.connections, metrics.open = (7, 5), 2
    management.names = None
    counting.begin()
    count(metrics, 150)
    found = counting.end(result()).reconciliation
    assert found is not None
    assert found["explained"] == ["other clients were connected: 2 of them"]


def test_connection_that_the_management_api_still_lists_and_that_is_closed_explains_nothing(
    ground: tuple[Metrics, Management, Counting],
) -> None:
    """The API's list is up to 5 s old: the run before this one may still be on it."""
    metrics, management, counting = ground
    metrics.connections = (7, 7)
    management.names = ["warren-load retry-9 payer-0"]
    counting.begin()
    count(metrics, 150)
    assert counting.end(result()).verdict is Verdict.INCONCLUSIVE


def test_clients_that_came_meanwhile_explain_a_difference(
    ground: tuple[Metrics, Management, Counting],
) -> None:
    metrics, _, counting = ground
    metrics.connections = (3, 3)
    count(metrics, 150)
    found = counting.end(result()).reconciliation
    assert found is not None
    assert found["explained"] == ["3 connections of other clients were opened meanwhile"]


def test_what_the_canary_sent_meanwhile_is_taken_off_and_explains_nothing(
    ground: tuple[Metrics, Management, Counting], probe: Probe
) -> None:
    metrics, management, counting = ground
    metrics.connections, metrics.open = (6, 0), 6
    management.names = ["warren-canary rmq1 /orders"]
    probe.flown = 12
    counting.begin()
    probe.flown = 24
    count(metrics, 112)
    found = counting.end(result())
    assert (found.verdict, found.reasons) == (Verdict.PASSED, ("fine",))
    assert found.reconciliation is not None
    assert found.reconciliation["explained"] == []
    assert found.reconciliation["counters"]["received"]["broker"] == 100
    count(metrics, 113)
    assert counting.end(result()).verdict is Verdict.INCONCLUSIVE


def test_beside_the_canary_others_are_still_strangers(
    ground: tuple[Metrics, Management, Counting], probe: Probe
) -> None:
    metrics, management, counting = ground
    metrics.connections, metrics.open = (7, 0), 7
    management.names = ["warren-canary rmq1 /orders", "shop"]
    probe.flown = 12
    counting.begin()
    count(metrics, 150)
    found = counting.end(result()).reconciliation
    assert found is not None
    assert found["explained"] == ["other clients were connected: shop"]
