"""Our boards show at least what RabbitMQ's own dashboards show, of what RabbitMQ 4.3 still has.

Metric by metric: each one that any of their panels asks for is asked for by a query of ours, under its own
name or a newer one, or `official_metrics.txt` says why not.
"""

from __future__ import annotations

from pathlib import Path

import promql_parser
import pytest

from dashboards.house import Board
from dashboards.resolve import resolve

from .test_promql import BROKER, OWN, VALUES, queries, recorded, selectors

HERE = Path(__file__).parent
REASONS = ("gone", "left", "other")


def lines(name: str) -> list[str]:
    text = (HERE / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def official() -> dict[str, list[str]]:
    """Metric → the panels of theirs that ask for it."""
    found: dict[str, list[str]] = {}
    for line in lines("official_panels.txt"):
        board, title, metrics = (part.strip() for part in line.split("|"))
        for metric in metrics.split():
            found.setdefault(metric, []).append(f"{board}: {title}")
    return found


@pytest.fixture(scope="module")
def explained() -> dict[str, tuple[str, str]]:
    """Metric → (kind, new name or reason)."""
    parts = [line.split(" ", 2) for line in lines("official_metrics.txt")]
    assert len({metric for metric, *_ in parts}) == len(parts)
    return {metric: (kind, text) for metric, kind, text in parts}


@pytest.fixture(scope="module")
def asked(all_boards: tuple[Board, ...], checkout_root: Path) -> set[str]:
    """Every metric behind a query of ours, through what is recorded too."""
    sources = {
        rule["record"]: {selector.name for selector in selectors(promql_parser.parse(rule["expr"]))}
        for _, rule in recorded(checkout_root)
    }
    names = {
        selector.name
        for _, expr in queries(all_boards)
        for selector in selectors(promql_parser.parse(resolve(expr, VALUES)))
    }
    return names | {name for record in names & sources.keys() for name in sources[record]}


def test_all_their_panels_are_listed(official: dict[str, list[str]]) -> None:
    assert len(lines("official_panels.txt")) == 173
    assert len({line.split(" |")[0] for line in lines("official_panels.txt")}) == 12
    assert len(official) == 130


def test_each_metric_of_their_panels_is_on_our_boards_or_its_absence_is_explained(
    official: dict[str, list[str]], explained: dict[str, tuple[str, str]], asked: set[str]
) -> None:
    missing = {
        metric: panels for metric, panels in official.items() if metric not in asked | explained.keys()
    }
    assert missing == {}


def test_each_newer_name_is_on_our_boards(explained: dict[str, tuple[str, str]], asked: set[str]) -> None:
    newer = {text for kind, text in explained.values() if kind == "="}
    assert newer - asked == set()


def test_what_is_said_to_be_gone_or_not_the_brokers_is_not_served(
    explained: dict[str, tuple[str, str]],
) -> None:
    served = set(BROKER.read_text().split())
    for metric, (kind, text) in explained.items():
        assert kind == "=" or (kind in REASONS and len(text) > 20), metric
        assert kind not in ("gone", "other") or metric not in served, metric
        assert kind != "left" or metric in served, metric
        assert kind != "=" or text in served | OWN, metric


def test_nothing_is_explained_that_needs_no_explanation(
    official: dict[str, list[str]], explained: dict[str, tuple[str, str]], asked: set[str]
) -> None:
    assert explained.keys() - official.keys() == set()
    assert explained.keys() & asked == set()
