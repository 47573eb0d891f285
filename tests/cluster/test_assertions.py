"""Every assertion about a cluster, against the real one: each is a test of its own name.

The facts are read once, as `warren cluster verify` reads them. What the topology waives is told by the skip.
"""

from __future__ import annotations

import pytest

from warren.assertions import verify
from warren.assertions.facts import Facts
from warren.gate import leader_spread


@pytest.fixture(scope="module")
def facts(cluster_session) -> Facts:
    cluster_session.wait_ready()
    nodes = [node.erlang_name for node in cluster_session.topology.nodes]
    cluster_session.management.post("rebalance", "queues")  # an earlier test may have killed a leader
    cluster_session.wait_for(
        lambda: leader_spread(cluster_session.management.queues(), nodes).even, "leaders to spread", 60
    )
    return verify.look(cluster_session.context)


@pytest.mark.parametrize("name", [each.id for each in verify.ASSERTIONS if each.on != "hosts"])
def test_cluster_holds(facts: Facts, name: str) -> None:
    chosen = [assertion for assertion in verify.ASSERTIONS if assertion.id == name]
    (result,) = verify.judge(facts, chosen)
    if result.verdict == "waived":
        pytest.skip(f"waived: {result.reason} ({result.evidence})")
    assert result.verdict == "passed", f"{result.title}: {result.evidence}"


def test_waivers_name_assertions_that_can_be_waived(cluster_session) -> None:
    verify.check_waivers(cluster_session.topology)
