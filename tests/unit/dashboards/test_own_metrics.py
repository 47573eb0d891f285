"""Each metric that Warren itself serves is on a board, or it is said here why not."""

from __future__ import annotations

import promql_parser
import pytest

from dashboards.house import Board
from dashboards.resolve import resolve
from exporters import names
from loadgen import names as load

from .test_promql import VALUES, queries, selectors

#: Metric → why no panel asks for it.
REASONS: dict[str, str] = {}
LOAD = {*load.COUNTERS, *load.HISTOGRAMS, *load.GAUGES, load.CLIENT_CPU}
EXPORTED = {metric.name for metric in names.ALL}
HISTOGRAMS = {metric.name for metric in names.ALL if metric.kind == "histogram"} | set(load.HISTOGRAMS)


@pytest.fixture(scope="module")
def asked(all_boards: tuple[Board, ...]) -> set[str]:
    """Every metric that a panel's query asks for."""
    return {
        selector.name
        for _, expr in queries(all_boards)
        for selector in selectors(promql_parser.parse(resolve(expr, VALUES)))
    }


def missing(served: set[str], asked: set[str]) -> set[str]:
    """What is served and neither asked for nor explained; a histogram is asked for by its buckets."""
    shown = asked | {name for name in HISTOGRAMS if f"{name}_bucket" in asked}
    return served - shown - REASONS.keys()


def test_everything_that_is_served_is_shown_or_explained(asked: set[str]) -> None:
    assert missing(EXPORTED | LOAD, asked) == set()


def test_metric_that_nobody_shows_is_caught(asked: set[str]) -> None:
    assert missing({"warren_new"}, asked) == {"warren_new"}
    assert missing({names.BY_PRIORITY.name}, asked - {names.BY_PRIORITY.name}) == {names.BY_PRIORITY.name}


def test_nothing_is_explained_that_is_shown_or_not_served(asked: set[str]) -> None:
    assert REASONS.keys() & asked == set()
    assert REASONS.keys() - EXPORTED - LOAD == set()
    assert all(len(reason) > 20 for reason in REASONS.values())
