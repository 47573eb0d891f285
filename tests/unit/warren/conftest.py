"""Topologies for the tests of this folder: the deployed one, as data to edit and as read."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from warren.topology import Topology
from warren.topology_reader import loads

_DEPLOYED: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[3] / "deploy" / "topology.yml").read_text(encoding="utf-8")
)


@pytest.fixture
def data() -> dict[str, Any]:
    """The deployed topology as plain data, free to be edited."""
    return copy.deepcopy(_DEPLOYED)


@pytest.fixture
def read() -> Callable[[dict[str, Any]], Topology]:
    """Reads edited data as a file called topology.yml."""

    def reader(edited: dict[str, Any]) -> Topology:
        return loads(yaml.safe_dump(edited, sort_keys=False), "topology.yml")

    return reader


@pytest.fixture
def deployed(data: dict[str, Any], read: Callable[[dict[str, Any]], Topology]) -> Topology:
    """The deployed topology."""
    return read(data)
