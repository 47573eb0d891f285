"""The spec of a run of a profile, for tests of its oracle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from loadgen import resolve, scenario, specify
from loadgen.spec import LoadSpec
from warren.connection import Credentials
from warren.topology_reader import load as load_topology


@pytest.fixture(scope="session")
def spec_of(checkout_root: Path) -> Callable[[str], LoadSpec]:
    """Profile name → what a run of it is told, on the checkout's topology."""
    topology = load_topology(checkout_root / "deploy" / "topology.yml")
    account = Credentials(username="u", password="p")
    where = specify.Foreign(endpoints=(), credentials=account, ca_pem=None, vhost="/")

    def found(name: str) -> LoadSpec:
        order = specify.Order(scenario=scenario.load(name))
        return specify.foreign_spec(resolve.resolve(order.scenario, topology), order, "r", where, Path())

    return found
