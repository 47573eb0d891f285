"""A cluster with the feature flags of one that was upgraded: it says so, and gets the others under load."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from warren import cluster as cluster_engine
from warren.context import open_context
from warren.state import base_folder

from .conftest import ROOT, ClusterUnderTest
from .test_operations import operate, under_load


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """Three nodes that began with those flags alone that 4.3 requires."""
    text = (ROOT / "deploy" / "topology.yml").read_text(encoding="utf-8")
    for before, after in (
        ("  name: warren\n", "  name: warren-test-flags\n"),
        ("base_port: 15600", "base_port: 16800"),
        ("feature_flags: all", "feature_flags: required"),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    path = tmp_path_factory.mktemp("flags") / "topology.yml"
    path.write_text(text, encoding="utf-8")
    # Beside the figures of the other operations.
    base = base_folder(os.environ).parent / "warren-test"
    env = {**os.environ, "WARREN_STATE": str(base), "WARREN_TOPOLOGY": str(path)}
    context = open_context(_say, topology_path=path, env=env)
    try:
        report = cluster_engine.up(context)
        yield ClusterUnderTest(context=context, env=env, report=report)
    finally:
        cluster_engine.destroy(context)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@pytest.mark.full
def test_flags_are_enabled_under_load(upgraded: ClusterUnderTest, tmp_path: Path) -> None:
    rows = upgraded.management.rows("feature-flags")
    stable = {row["name"] for row in rows if row["stability"] == "stable"}
    off = {row["name"] for row in rows if row["state"] == "disabled"}
    assert stable
    assert stable <= off
    verified = upgraded.warren(["cluster", "verify"])
    assert verified.returncode == 1
    assert "rabbitmq_4.3.0" in verified.stdout
    found = under_load(upgraded, tmp_path, "enable-feature-flags")
    assert found.load["traffic"]["links_lost"] == 0
    assert all(row["state"] == "enabled" for row in upgraded.management.rows("feature-flags"))
    assert upgraded.warren(["cluster", "verify"]).returncode == 0
    again = operate(upgraded, tmp_path, "enable-feature-flags")
    assert again["steps"] == []
