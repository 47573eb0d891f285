"""The verifier against the real cluster: every wrong gives exactly its class, and no waiting is left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loadgen.selftest.cases import CASES
from loadgen.selftest.omission import DURATION_S, RATE_PER_S, by_arithmetic_s

if TYPE_CHECKING:
    from conftest import ClusterUnderTest


def selftest(cluster: ClusterUnderTest, tmp_path: Path, *options: str, timeout_s: float) -> dict[str, Any]:
    path = tmp_path / "selftest.json"
    done = cluster.warren(["load", "selftest", *options, "--json", str(path)], timeout_s=timeout_s)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


#: One of each kind: on the way in, on the way out, behind the run's back, of a confirm, and none.
FEW = ("clean", "lose", "duplicate", "purge", "drop-confirm")


@pytest.mark.parametrize(
    "names", [FEW, pytest.param([each.name for each in CASES], marks=pytest.mark.full)], ids=["few", "all"]
)
def test_every_wrong_gives_exactly_its_class(
    cluster: ClusterUnderTest, tmp_path: Path, names: Sequence[str]
) -> None:
    options = [option for name in names for option in ("--case", name)]
    found = selftest(cluster, tmp_path, *options, timeout_s=900)
    assert found["passed"] is True
    assert [each["case"] for each in found["cases"]] == list(names)
    listing = [cluster.context.engine.docker, "ps", "--all", "--quiet"]
    for label in ("role=middleman", f"cluster={cluster.topology.cluster}"):
        listing += ["--filter", f"label=warren.{label}"]
    assert cluster.context.run(listing, timeout_s=20).stdout == ""


@pytest.mark.full
def test_frozen_second_is_in_the_reported_latencies(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    found = selftest(cluster, tmp_path, "--coordinated-omission", timeout_s=240)
    assert [row["kind"] for row in found["rows"]] == ["confirm", "end_to_end"]
    for row in found["rows"]:
        assert row["messages"] == RATE_PER_S * DURATION_S
        assert row["reported_p99_s"] == pytest.approx(row["true_p99_s"], rel=0.02)
        assert row["reported_p999_s"] == pytest.approx(row["true_p999_s"], rel=0.02)
        # What had to wait must catch up, too, which a busy machine draws out: arithmetic is the least.
        assert row["true_p99_s"] > by_arithmetic_s(0.99) * 0.95
        assert row["true_p999_s"] > by_arithmetic_s(0.999) * 0.95
