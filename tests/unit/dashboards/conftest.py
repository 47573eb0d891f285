"""Every board, as code and as the JSON made of it."""

from __future__ import annotations

from typing import Any

import pytest

from dashboards.build import board_json, boards
from dashboards.house import Board

Json = dict[str, Any]


def panels_of(dashboard: Json) -> list[Json]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


@pytest.fixture(scope="session")
def all_boards() -> tuple[Board, ...]:
    return boards()


@pytest.fixture(scope="session")
def dashboards_json(all_boards: tuple[Board, ...]) -> list[Json]:
    return [board_json(board) for board in all_boards]


@pytest.fixture(scope="session")
def panels(dashboards_json: list[Json]) -> list[tuple[str, Json]]:
    """(where, panel) of every panel that is not a heading."""
    return [
        (f"{dashboard['uid']}: {panel['title']}", panel)
        for dashboard in dashboards_json
        for panel in panels_of(dashboard)
    ]
