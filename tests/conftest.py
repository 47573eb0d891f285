"""Shared by every test: no test but those on a real cluster may reach the user's own state or variables."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The gate tries the same examples each time, or what nobody has changed could stop somebody else's work.
# WARREN_TEST_SEARCH=1 tries others, as many as --hypothesis-seed has numbers: what it finds gets a test.
settings.register_profile("gate", derandomize=True, database=None)
if not os.environ.get("WARREN_TEST_SEARCH"):
    settings.load_profile("gate")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def checkout_root() -> Path:
    """The folder that holds deploy/topology.yml."""
    return ROOT


@pytest.fixture(autouse=True)
def _own_environment(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder of the test's own, and none of the user's ``WARREN_…`` settings."""
    if request.node.get_closest_marker("cluster") is not None:
        return
    for name in [name for name in os.environ if name.startswith("WARREN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WARREN_STATE", str(tmp_path / "state"))


@pytest.fixture(autouse=True, scope="session")
def _signals_are_heard() -> Iterator[None]:
    """As for a command that somebody types: a suite in the background is started with SIGINT ignored, one
    under nohup with SIGHUP, and both would be passed on to every program that a test starts."""
    heard = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.getsignal(number) for number in heard}
    for number, handler in heard.items():
        if before[number] is signal.SIG_IGN:
            signal.signal(number, handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
