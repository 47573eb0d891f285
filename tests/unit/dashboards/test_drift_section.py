"""The section on drift, held to the rules of every board."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboards.boards.cluster import CLUSTER
from dashboards.build import board_json
from dashboards.house import Board
from dashboards.sections.drift import drift
from exporters import names

from . import test_lint, test_promql
from .conftest import Json, panels_of


@pytest.fixture
def all_boards() -> tuple[Board, ...]:
    return (
        Board(
            uid="warren-drift-test", title="Drift", description="Drift?", variables=(CLUSTER,),
            sections=(drift(),),
        ),
    )  # fmt: skip


@pytest.fixture
def panels(all_boards: tuple[Board, ...]) -> list[tuple[str, Json]]:
    return [(panel["title"], panel) for panel in panels_of(board_json(all_boards[0]))]


def test_its_queries_hold_the_rules(all_boards: tuple[Board, ...]) -> None:
    test_promql.test_every_panel_query_parses(all_boards)
    test_promql.test_every_panel_selector_names_its_job_and_its_cluster(all_boards)
    test_promql.test_every_panel_metric_is_served_by_somebody(
        all_boards, {metric.name for metric in names.ALL}
    )
    test_lint.test_a_query_that_may_be_empty_says_why(all_boards)


def test_its_panels_hold_the_rules(panels: list[tuple[str, Json]], checkout_root: Path) -> None:
    assert len(panels) == 5
    test_lint.test_panel_datasource_rule(panels)
    test_lint.test_panel_title_description_rule(panels)
    test_lint.test_panel_description_says_what_is_good_or_what_to_do(panels)
    test_lint.test_panel_units_rule(panels)
    test_lint.test_panel_no_targets_rule(panels)
    test_lint.test_legends_can_be_read_by_a_person(panels)
    test_lint.test_runbooks_named_in_descriptions_are_there(panels, checkout_root)


def test_every_query_may_be_empty_since_drift_is_off_by_default() -> None:
    assert all(query.may_be_empty.startswith("off") for panel in drift().panels for query in panel.queries)
