"""Profiles: read strictly, overridden by key, fitted to the topology."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadgen import cli, scenario, summary
from loadgen.resolve import resolve, touched_queues
from warren.errors import BadInputError, BadInputsError
from warren.topology import Topology
from warren.topology_reader import load as load_topology

PLAIN: dict[str, Any] = {
    "schema": 1,
    "name": "mine",
    "description": "d",
    "vhost": "/orders",
    "rate": 10,
    "duration": "5s",
    "publishers": [
        {"name": "shop", "user": "orders-shop", "exchange": "orders.direct", "routing_key": "order.created"}
    ],
    "consumers": [{"name": "worker", "user": "orders-worker", "queue": "orders.work"}],
}


@pytest.fixture
def topology(checkout_root: Path) -> Topology:
    return load_topology(checkout_root / "deploy" / "topology.yml")


def read(folder: Path, overrides: dict[str, str] | None = None, **changes: Any) -> scenario.Scenario:
    (folder / "mine.yml").write_text(yaml.safe_dump({**PLAIN, **changes}), encoding="utf-8")
    return scenario.load("mine", overrides, folder=folder)


@pytest.mark.parametrize("name", scenario.names())
def test_every_profile_fits_the_topology(name: str, topology: Topology) -> None:
    found = resolve(scenario.load(name), topology)
    assert all(role.destinations for role in found.publishers)
    assert found.name == name


@pytest.fixture(scope="module")
def moved() -> dict[str, set[str]]:
    """What a profile may say that it moves: ``Dashboard: panel`` by the boards' JSON, alerts by the rules."""
    root = Path(__file__).resolve().parents[3] / "dashboards"
    panels: set[str] = set()
    for path in (root / "generated").glob("*.json"):
        board = json.loads(path.read_text(encoding="utf-8"))
        ahead = list(board["panels"])
        while ahead:
            panel = ahead.pop()
            ahead += panel.get("panels", [])
            panels.add(f"{board['title'].removeprefix('Warren / ')}: {panel.get('title')}")
    rules = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (root / "rules").glob("*.yml")]
    groups = [group for rule in rules for group in rule.get("groups", ())]
    return {"panels": panels, "alerts": {each["alert"] for group in groups for each in group["rules"]}}


@pytest.mark.parametrize("name", scenario.names())
def test_every_profile_names_panels_and_alerts_that_there_are(name: str, moved: dict[str, set[str]]) -> None:
    found = scenario.load(name)
    assert found.panels
    assert set(found.panels) <= moved["panels"]
    assert set(found.alerts) <= moved["alerts"]


@pytest.mark.parametrize("name", scenario.names())
def test_every_profile_can_be_shown_in_full(name: str) -> None:
    found = scenario.load(name)
    text = summary.profile(found)
    assert all(word in text for word in (found.description, *found.panels, *found.alerts, *found.oracles))
    assert all(role.name in text for role in found.roles)


def test_profiles_of_the_first_hour_are_there() -> None:
    assert {"work", "retry", "priority"} <= set(scenario.names())


def test_retry_touches_every_rung_and_the_failed_queue(topology: Topology) -> None:
    found = touched_queues(resolve(scenario.load("retry"), topology), topology)
    rungs = {"payments.wait-5s", "payments.wait-10s", "payments.wait-30s"}
    assert set(found) == {"payments.work", "payments.failed", *rungs}


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"rat": 5}, "rat"),
        ({"rate": 0}, "rate"),
        ({"rate": "fast"}, "rate"),
        ({"duration": "soon"}, "duration"),
        ({"size_bytes": 31}, "size_bytes"),
        ({"window": 0}, "window"),
        ({"publishers": []}, "mine.yml"),
        ({"schema": 2}, "schema"),
        ({"consumers": [{**PLAIN["consumers"][0], "prefetch": 0}]}, "consumers[worker].prefetch"),
        ({"consumers": [{**PLAIN["consumers"][0], "failure_rate": 1.5}]}, "consumers[worker].failure_rate"),
        ({"consumers": [{**PLAIN["consumers"][0], "failures": ["x"]}]}, "consumers[worker].failures"),
        ({"consumers": [{**PLAIN["consumers"][0], "does": "sleep"}]}, "consumers[worker].does"),
        ({"consumers": [{**PLAIN["consumers"][0], "on_failure": ["nack"]}]}, "consumers[worker].on_failure"),
        ({"consumers": [{**PLAIN["consumers"][0], "on_failure": []}]}, "consumers[worker].on_failure"),
        ({"consumers": [{**PLAIN["consumers"][0], "tries": 0}]}, "consumers[worker].tries"),
        ({"consumers": [{**PLAIN["consumers"][0], "tries": 3, "delays_s": [1]}]}, "consumers[worker].tries"),
        (
            {"consumers": [{**PLAIN["consumers"][0], "crash_on_tries": [0, 2], "delays_s": [1]}]},
            "consumers[worker].crash_on_tries",
        ),
        (
            {"consumers": [{**PLAIN["consumers"][0], "crash_on_tries": [0], "crash_every": 9}]},
            "consumers[worker].crash_on_tries",
        ),
        ({"consumers": [{**PLAIN["consumers"][0], "failures": [1, math.inf]}]}, "consumers[worker].failures"),
        ({"consumers": [{**PLAIN["consumers"][0], "failures": [10**400]}]}, "consumers[worker].failures"),
        ({"consumers": [{**PLAIN["consumers"][0], "delays_s": [math.inf]}]}, "consumers[worker].delays_s"),
        ({"consumers": [{**PLAIN["consumers"][0], "delays_s": 5}]}, "consumers[worker].delays_s"),
        (
            {"objects": {"queues": [{"name": "warren.q", "arguments": {"x-dead-letter-exchange": ["a"]}}]}},
            "objects.queues[warren.q].arguments.x-dead-letter-exchange",
        ),
        (
            {"objects": {"queues": [{"name": "warren.q", "arguments": {"x-message-ttl": "5s"}}]}},
            "objects.queues[warren.q].arguments.x-message-ttl",
        ),
        ({"tolerances": {"lost": 1}}, "tolerances.lost"),
        ({"thresholds": ["lots == 0"]}, "thresholds"),
        ({"oracles": ["wrok"]}, "oracles"),
    ],
)
def test_fault_is_refused_by_file_and_key(tmp_path: Path, changes: dict[str, Any], where: str) -> None:
    with pytest.raises(BadInputsError) as caught:
        read(tmp_path, **changes)
    assert "mine.yml" in str(caught.value)
    assert where in str(caught.value)


def test_profile_may_be_a_file_of_your_own(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.yml").write_text(yaml.safe_dump(PLAIN), encoding="utf-8")
    assert scenario.load(str(tmp_path / "elsewhere.yml")).name == "mine"
    with pytest.raises(BadInputError, match="is not known"):
        scenario.load(str(tmp_path / "nowhere.yml"))


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("flow", "memory-alarm at 5 s, for 4 s"),
        ("churn", "another channel every 40"),
        ("crash", "dies after 205, 4 of them"),
        ("slow-consumer", "slow from 3 s for 5 s"),
    ],
)
def test_what_a_profile_does_now_and_then_is_listed(name: str, word: str) -> None:
    assert word in summary.profile(scenario.load(name))


def test_unknown_profile_names_the_nearest_or_those_there_are() -> None:
    with pytest.raises(BadInputError, match="did you mean 'work'"):
        scenario.load("wrok")
    with pytest.raises(BadInputError, match=r"profiles: .*work"):
        scenario.load("nope")


def test_overrides_reach_into_lists_by_name(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"consumers.worker.count": "4", "rate": "max", "tolerances.failed_publishes": "9"},
        tolerances={},
    )
    assert (found.consumers[0].count, found.rate_per_s, found.tolerances.failed_publishes) == (4, None, 9)


def test_override_reaches_an_object_whose_name_has_dots(tmp_path: Path) -> None:
    own = {"queues": [{"name": "warren.wait"}, {"name": "warren.wait.5s", "arguments": {"x-message-ttl": 1}}]}
    key = "objects.queues.warren.wait.5s.arguments.x-message-ttl"
    found = read(tmp_path, {key: "5000"}, objects=own)
    assert found.objects is not None
    assert [dict(each.arguments) for each in found.objects.queues] == [{}, {"x-message-ttl": 5000}]


@pytest.mark.parametrize("key", ["consumers.wroker.count", "nothing.here", "rate.per.second"])
def test_override_that_leads_nowhere_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(BadInputError, match="--set"):
        read(tmp_path, {key: "1"})


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("2026-13-45", "month"),
        ("9" * 5000, "digits"),
        ("[" * 5000, "nested too deep"),
        ("{a: 1, a: 2}", "'a' is given twice"),
        ("[1", "expected"),
    ],
)
def test_override_that_is_no_value_is_refused_by_name(tmp_path: Path, value: str, word: str) -> None:
    with pytest.raises(BadInputError, match=word) as caught:
        read(tmp_path, {"rate": value})
    assert caught.value.where == "--set rate"


def test_override_of_an_unknown_key_is_refused_by_the_reader(tmp_path: Path) -> None:
    with pytest.raises(BadInputsError, match="cuont"):
        read(tmp_path, {"consumers.worker.cuont": "1"})


def test_failure_rate_is_a_plan_of_two(tmp_path: Path) -> None:
    found = read(tmp_path, consumers=[{**PLAIN["consumers"][0], "failure_rate": 0.25}])
    assert found.consumers[0].failures == (0.75, 0.25)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"publishers": [{**PLAIN["publishers"][0], "routing_key": "nowhere"}]}, "reaches no queue"),
        ({"publishers": [{**PLAIN["publishers"][0], "user": "ghost"}]}, "ghost"),
        ({"consumers": [{**PLAIN["consumers"][0], "queue": "ghost"}]}, "no queue 'ghost'"),
        ({"consumers": [{**PLAIN["consumers"][0], "queue": "orders.audit"}]}, "nobody consumes"),
    ],
)
def test_profile_that_does_not_fit_the_topology_is_refused(
    tmp_path: Path, topology: Topology, changes: dict[str, Any], word: str
) -> None:
    with pytest.raises(BadInputsError) as caught:
        resolve(read(tmp_path, **changes), topology)
    assert word in str(caught.value)


def test_options_become_overrides_and_set_wins() -> None:
    given = {
        "rate": "100",
        "duration": 10.0,
        "consumers": 3,
        "prefetch": 1,
        "publishers": 2,
        "settings": ("rate=7",),
    }
    assert cli.overrides("work", given) == {
        "rate": "7",
        "duration": "10.0",
        "publishers.shop.count": "2",
        "consumers.worker.count": "3",
        "consumers.worker.prefetch": "1",
    }


@pytest.mark.parametrize("setting", ["rate", "=5"])
def test_setting_without_key_or_value_is_refused(setting: str) -> None:
    with pytest.raises(BadInputError, match="KEY=VALUE"):
        cli.overrides("work", {"settings": (setting,)})


def test_value_from_the_command_line_is_not_blamed_on_the_file() -> None:
    with pytest.raises(BadInputsError) as caught:
        scenario.load("work", {"rate": "x"})
    assert [fault.where for fault in caught.value.faults] == ["rate as given"]


def test_perftest_body_is_as_small_as_its_twelve_bytes(tmp_path: Path) -> None:
    assert read(tmp_path, size_bytes=12, body="perftest").body == "perftest"
    with pytest.raises(BadInputsError, match="size_bytes"):
        read(tmp_path, size_bytes=12)
    with pytest.raises(BadInputsError, match="size_bytes"):
        read(tmp_path, size_bytes=11, body="perftest")


@pytest.mark.parametrize("layout", ["omq", 12])
def test_another_layout_of_a_body_is_refused(tmp_path: Path, layout: object) -> None:
    with pytest.raises(BadInputsError, match="body"):
        read(tmp_path, body=layout)


def test_perftest_body_carries_no_class(tmp_path: Path) -> None:
    shop = {**PLAIN["publishers"][0], "classes": [{"name": "a"}, {"name": "b"}]}
    with pytest.raises(BadInputsError, match="carry no class"):
        read(tmp_path, body="perftest", publishers=[shop])


def test_profile_that_needs_a_later_broker_is_refused_and_says_so(topology: Topology) -> None:
    old = replace(topology, broker=replace(topology.broker, version="4.0.5"))
    with pytest.raises(
        BadInputsError, match=r"retry-native.*came with RabbitMQ 4\.3, and the broker is 4\.0"
    ):
        resolve(scenario.load("retry-native"), old)
    resolve(scenario.load("retry-native"), old, foreign=True)  # whose version the topology does not say
    for name in ("work", "retry", "crash", "priority"):
        resolve(scenario.load(name), old)
