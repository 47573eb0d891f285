"""Load and game days on three hosts that the collection has provisioned: the files are those that containers
are broken by, and the verdicts are drawn alike.

What the hosts' Prometheus says is part of the verdict; load comes from this machine. It takes a quarter of
an hour.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.provisioning import Fleet

pytestmark = [pytest.mark.cluster, pytest.mark.full, pytest.mark.timeout(2400)]
_DAY_S = 900.0


@dataclass(frozen=True)
class Provisioned:
    fleet: Fleet
    inventory: Path

    def result(self, *words: str) -> dict[str, Any]:
        """What a command that passes writes as its result."""
        path = self.fleet.folder / "result.json"
        path.unlink(missing_ok=True)
        self.fleet.warren(*words, "--hosts", str(self.inventory), "--json", str(path), timeout_s=_DAY_S)
        return dict(json.loads(path.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def provisioned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provisioned]:
    """The hosts, removed in the end whatever happened."""
    fleet = Fleet(folder=tmp_path_factory.mktemp("day"))
    try:
        fleet.prepare()
        first = fleet.play()
        assert first.returncode == 0, first.text[-6000:]
        yield Provisioned(fleet, fleet.one_inventory())
    finally:
        fleet.warren("hosts", "down")


def test_load_from_here_uses_the_accounts_of_the_topology(provisioned: Provisioned) -> None:
    result = provisioned.result("load", "run", "mail", "--rate", "50", "--duration", "10s")
    assert result["verdict"] == "passed", result["reasons"]
    assert result["ledger"]["confirmed"] == 500
    assert result["ledger"]["lost"] == 0


@pytest.mark.parametrize("day", ["leader-killed", "leader-paused"])
def test_game_day_is_proven_and_healed_over_ssh(provisioned: Provisioned, day: str) -> None:
    result = provisioned.result("chaos", "run", day)
    print(f"{day}: {result['verdict']} {result['reasons']}")  # noqa: T201 - shown by pytest -rA
    assert result["verdict"] == "passed", result
