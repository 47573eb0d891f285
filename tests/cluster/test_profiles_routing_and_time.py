"""Profiles of routing, time and failure on the real cluster, each in a virtual host of its own, some at once.

Each is also made to fail once: what is changed behind a run's back must be what its oracle finds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from warren.errors import EXIT_FAILED
from warren.results import LoadResult, Verdict, read_result

if TYPE_CHECKING:
    from conftest import ClusterUnderTest

SHORT = ("--duration", "4s", "--rate", "60")


def run(cluster: ClusterUnderTest, folder: Path, *profiles: str) -> Mapping[str, LoadResult]:
    """Run profiles side by side, each to a verdict that passes."""
    argv = {
        name: ["load", "run", name, "--quiet", "--json", str(folder / f"{name}.json"), *SHORT, *cluster.calm]
        for name in profiles
    }
    started = {name: cluster.start(words, output=folder / f"{name}.out") for name, words in argv.items()}
    for name, child in started.items():
        assert child.wait(timeout=240) == 0, (folder / f"{name}.out").read_text(encoding="utf-8")
    found = {name: read_result(folder / f"{name}.json") for name in profiles}
    assert all(each.verdict is Verdict.PASSED for each in found.values())
    assert all(each.ledger.confirmed == 240 for each in found.values())
    return found


def meddled_with(
    cluster: ClusterUnderTest, folder: Path, profile: str, meddle: Callable[[str], None]
) -> LoadResult:
    """Run a profile and ``meddle`` with its virtual host, given by name, once it publishes; it must fail."""
    path, output = folder / f"{profile}.json", folder / f"{profile}.out"
    child = cluster.start(["load", "run", profile, "--json", str(path), *SHORT, *cluster.calm], output=output)

    def publishes() -> bool:
        assert child.poll() is None, output.read_text(encoding="utf-8")
        return "publish  published" in output.read_text(encoding="utf-8")

    cluster.wait_for(publishes, "the run to publish", 120)
    vhost, everything = f"/warren.{profile}", {"configure": ".*", "write": ".*", "read": ".*"}
    cluster.management.put("permissions", vhost, cluster.management.user, body=everything)
    meddle(vhost)
    assert child.wait(timeout=240) == EXIT_FAILED, output.read_text(encoding="utf-8")
    return read_result(path)


def test_each_queue_gets_what_its_bindings_owe_it(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    found = run(cluster, tmp_path, "topic", "headers", "alternate", "returns")
    for name, result in found.items():
        bindings = result.oracles["bindings"]
        queues = [each for each in bindings.values() if isinstance(each, dict)]
        assert len(queues) == (1 if name == "returns" else 3)
        assert all(each["owed"] == each["received"] > 0 for each in queues)
        assert result.oracles["returns"]["vanished"] == 0
    assert found["alternate"].ledger.returned == 0
    assert all(found[name].ledger.returned > 0 for name in ("topic", "headers", "returns"))


def test_delays_and_times_to_live_are_kept(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    found = run(cluster, tmp_path, "ttl", "delayed")
    ends = found["ttl"].oracles["ends"]
    assert ends["delivered"] + ends["expired"] == 240
    assert ends["expired"] == found["ttl"].ledger.expired > 0
    assert found["ttl"].oracles["expiry"]["unattended"]["count"] > 0
    assert found["delayed"].oracles["delays"]["early"] == 0
    assert found["delayed"].oracles["arrived"]["arrived"] == 240


def test_what_fails_is_tried_as_often_as_said(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    found = run(cluster, tmp_path, "poison", "retry-native", "retry-republish")
    for queue in ("warren.plain", "warren.laddered"):
        assert list(found["poison"].oracles["deliveries"][queue]["always_failing"]) == ["delivered_4_times"]
    for name in ("retry-native", "retry-republish"):
        oracle = found[name].oracles
        assert oracle["tries"]["right"] == oracle["tries"]["judged"] == 240
        assert [oracle["delays"][f"step_{step}"]["said_s"] for step in (1, 2, 3)] == [1, 2, 2.5]
        assert all(oracle["delays"][f"step_{step}"]["count"] for step in (1, 2, 3))
    cost = [found[name].oracles["cost"]["publishes_per_payment"] for name in found if name != "poison"]
    assert cost[0] == 1 < cost[1]


def test_limit_that_is_not_the_one_that_was_said_is_found(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    limit = "objects.queues.warren.plain.arguments.x-delivery-limit=1"
    argv = ["load", "run", "poison", "--quiet", "--json", str(path), *SHORT, *cluster.calm, "--set", limit]
    done = cluster.warren(argv, timeout_s=240)
    assert done.returncode == EXIT_FAILED, done.stdout + done.stderr
    deliveries = read_result(path).oracles["deliveries"]
    assert deliveries["passed"] is False
    assert list(deliveries["warren.plain"]["always_failing"]) == ["delivered_2_times"]
    assert list(deliveries["warren.laddered"]["always_failing"]) == ["delivered_4_times"]


def test_binding_that_somebody_adds_is_a_leak(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    def bind(vhost: str) -> None:
        key = {"routing_key": "order.#"}
        cluster.management.post("bindings", vhost, "e", "warren.topic", "q", "warren.failures", body=key)

    result = meddled_with(cluster, tmp_path, "topic", bind)
    assert result.oracles["bindings"]["passed"] is False
    assert result.oracles["bindings"]["warren.failures"]["leaked"] == result.ledger.unexpected > 0


def test_delay_that_somebody_shortens_is_found(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    def shorten(vhost: str) -> None:
        policy = {"pattern": "wait-8s", "apply-to": "queues", "definition": {"message-ttl": 2500}}
        cluster.management.put("policies", vhost, "hurry", body=policy)

    delays = meddled_with(cluster, tmp_path, "delayed", shorten).oracles["delays"]
    assert delays["passed"] is False
    assert delays["after-8s"]["early"] > 0
    assert delays["after-1s"]["early"] == delays["after-3s"]["early"] == 0
