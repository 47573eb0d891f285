"""How long panels wait, without a Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dashboards import build, timing
from warren.prometheus import PrometheusClient, Sample
from warren.topology import Topology
from warren.topology_reader import load as load_topology
from warren.wait import Clock


class Prometheus(PrometheusClient):
    """Answers a query with two series after a quarter of a second, a range with one after half a second."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.asked: list[tuple[str, float, float]] = []

    def query(self, expression: str) -> list[Sample]:
        if expression == "time()":
            return [Sample(labels={}, value=7203.0)]
        self.now_s += 0.25
        return [Sample(labels={"queue": name}, value=1.0) for name in "ab"]

    def query_range(
        self, expression: str, *, start: float, end: float, step_s: float
    ) -> list[dict[str, Any]]:
        self.asked.append((expression, start, end))
        self.now_s += 0.5
        return [{"metric": {}, "values": []}]


@pytest.fixture
def topology(checkout_root: Path) -> Topology:
    return load_topology(checkout_root / "deploy" / "topology.yml")


@pytest.fixture
def prometheus() -> Prometheus:
    return Prometheus()


def rounds(prometheus: Prometheus, topology: Topology) -> list[timing.Timed]:
    return list(
        timing.Refresh(
            prometheus=prometheus,
            boards=build.boards(),
            values=timing.everything(topology),
            clock=Clock(now=lambda: prometheus.now_s),
        ).run()
    )


def test_every_panel_is_timed_by_all_its_queries(prometheus: Prometheus, topology: Topology) -> None:
    found = rounds(prometheus, topology)
    panels = [(board, panel) for board in build.boards() for panel in board.panels if panel.queries]
    assert [(one.board, one.panel) for one in found] == [(board.uid, panel.title) for board, panel in panels]
    for one, (_, panel) in zip(found, panels, strict=True):
        instant = sum(query.instant for query in panel.queries)
        assert one.took_s == instant * 0.25 + (one.queries - instant) * 0.5
        assert one.series == instant * 2 + (one.queries - instant)


def test_ranges_end_on_a_step_and_last_a_quarter_of_an_hour(
    prometheus: Prometheus, topology: Topology
) -> None:
    rounds(prometheus, topology)
    assert {(start, end) for _, start, end in prometheus.asked} == {(6300.0, 7200.0)}
    assert not [expr for expr, _, _ in prometheus.asked if "$" in expr]


def test_table_begins_with_the_slowest_and_says_how_many_are_too_slow() -> None:
    made = [
        timing.Timed(board="b", panel=name, queries=1, took_s=took_s, series=3)
        for name, took_s in (
            ("quick", 0.1),
            ("slow", 1.5),
            ("quick", 0.3),
            ("slow", 1.3),
            ("quick", 0.2),
            ("slow", 0.2),
        )
    ]
    lines = timing.table(made).splitlines()
    assert lines[2] == "| b | slow | 1 | 3 | 1.30 | 1.50 |"
    assert lines[3] == "| b | quick | 1 | 3 | 0.20 | 0.30 |"
    assert lines[-1].endswith(
        "2 queries: all of them take 1.5 s, half of them 0.750 s or less each, 1 more than 1 s"
    )


def test_panels_of_one_title_on_a_board_are_one_panel_only() -> None:
    """The table tells panels apart by their titles."""
    for board in build.boards():
        titles = [panel.title for panel in board.panels]
        assert sorted(titles) == sorted(set(titles))
