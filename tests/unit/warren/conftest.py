"""Topologies for the tests of this folder: the deployed one, as data to edit and as read."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from warren.topology import Topology
from warren.topology_reader import load, loads

_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast, where it is built
_PATH = Path(__file__).parents[3] / "deploy" / "topology.yml"
_DEPLOYED: dict[str, Any] = yaml.safe_load(_PATH.read_text(encoding="utf-8"))


@pytest.fixture
def data() -> dict[str, Any]:
    """The deployed topology as plain data, free to be edited."""
    return copy.deepcopy(_DEPLOYED)


@pytest.fixture
def read() -> Callable[[dict[str, Any]], Topology]:
    """Reads edited data as a file called topology.yml."""

    def reader(edited: dict[str, Any]) -> Topology:
        return loads(yaml.dump(edited, sort_keys=False, Dumper=_Dumper), "topology.yml")

    return reader


@pytest.fixture(scope="session")
def deployed() -> Topology:
    """The deployed topology; it is frozen, so that all tests can share it."""
    return load(_PATH)
