"""Whom Alertmanager tells is the owner's own file; what is wrong in it is told by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from warren import receivers
from warren.errors import BadInputsError, NotReadyError
from warren.state import State, open_state
from warren.topology import Topology

GOOD = """
receivers:
  - {name: critical, webhook_configs: [{url: "https://hooks.example/1"}]}
  - {name: team, webhook_configs: [{url: "https://hooks.example/2"}]}
routes:
  - {matchers: ['vhost = "/orders"'], receiver: team}
"""


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state("lab", {"WARREN_STATE": str(tmp_path)})


@pytest.fixture
def named(deployed: Topology) -> Topology:
    return dataclasses.replace(deployed, receivers_file="receivers.yml")


def write(state: State, text: str, mode: int = 0o600) -> None:
    path = state.secrets / "receivers.yml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def test_without_a_file_there_are_none(deployed: Topology, state: State) -> None:
    assert receivers.read(deployed, state) == receivers.Receivers()


def test_a_file_is_taken_as_it_is(named: Topology, state: State) -> None:
    write(state, GOOD)
    found = receivers.read(named, state)
    assert [each["name"] for each in found.receivers] == ["critical", "team"]
    assert found.routes == [{"matchers": ['vhost = "/orders"'], "receiver": "team"}]


def test_a_file_that_is_named_and_missing_is_not_passed_over(named: Topology, state: State) -> None:
    with pytest.raises(NotReadyError, match="is not there"):
        receivers.read(named, state)


def test_a_file_that_others_may_read_is_refused(named: Topology, state: State) -> None:
    write(state, GOOD, mode=0o640)
    with pytest.raises(NotReadyError, match="others than its owner") as caught:
        receivers.read(named, state)
    assert "chmod 600" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("receivers: {name: critical}", "receivers: must be a list"),
        ("receivers: [critical]", "receivers: must be a list"),
        ("receivers: [{webhook_configs: []}]", "receivers[0].name"),
        ("receivers: [{name: nobody}]", "receivers[0].name"),
        ("receivers: [{name: a}, {name: a}]", "receivers[1].name"),
        ("routes: [{receiver: team}]", "routes[0].receiver: no receiver 'team'"),
        ("receiver: []", "receiver: unknown key"),
        ("receivers: [{name: 5}]", "receivers[0].name: 5 is no name"),
        ("receivers: [{name: [a]}]", "receivers[0].name: ['a'] is no name"),
        ("receivers: [{name: a, since: 2024-01-01}]", "receivers[0]: holds what JSON has not"),
        ("receivers: [{name: a, 5: b}]", "receivers[0]: holds what JSON has not"),
        ("routes: [{receiver: [critical]}]", "routes[0].receiver: no receiver ['critical']"),
        ("routes: [{routes: [{receiver: team}]}]", "routes[0].routes[0].receiver: no receiver 'team'"),
        ("routes: [{routes: team}]", "routes[0].routes: must be a list"),
    ],
)
def test_a_fault_is_named_and_the_file_is_refused(
    named: Topology, state: State, text: str, where: str
) -> None:
    write(state, text)
    with pytest.raises(BadInputsError) as caught:
        receivers.read(named, state)
    assert where in str(caught.value)


def test_a_route_may_lead_to_what_is_there_without_the_file(named: Topology, state: State) -> None:
    write(state, "routes: [{matchers: ['severity = info'], receiver: nobody}, {receiver: warning}]")
    assert len(receivers.read(named, state).routes) == 2
