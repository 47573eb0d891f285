"""Shared by every test: nothing may reach the user's own state."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def checkout_root() -> Path:
    """The folder that holds deploy/topology.yml."""
    return ROOT
