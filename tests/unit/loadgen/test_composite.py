"""Several profiles at once: read strictly, scaled together, and never two that take each other's messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from loadgen import composite, scenario, summary
from loadgen.resolve import resolve
from warren.errors import BadInputError, BadInputsError
from warren.topology import Topology
from warren.topology_reader import load as load_topology

PLAIN: dict[str, Any] = {
    "schema": 1,
    "name": "two",
    "description": "d",
    "duration": "20s",
    "parts": [
        {"profile": "work", "rate": 40, "set": {"consumers.worker.count": 1}},
        {"profile": "saga", "rate": 10, "start_after": "5s"},
    ],
}


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load_topology(Path(__file__).resolve().parents[3] / "deploy" / "topology.yml")


def read(folder: Path, *, given: dict[str, Any] | None = None, **changes: Any) -> composite.Composite:
    (folder / "two.yml").write_text(yaml.safe_dump({**PLAIN, **changes}), encoding="utf-8")
    return composite.load("two", folder=folder, **(given or {}))


def clashes(found: composite.Composite, topology: Topology) -> list[str]:
    resolved = [resolve(each, topology) for each in found.scenarios]
    return [str(each) for each in composite.clashes(found, resolved)]


@pytest.mark.parametrize("name", composite.names())
def test_every_composite_fits_the_topology_and_its_parts_keep_apart(name: str, topology: Topology) -> None:
    found = composite.load(name)
    assert found.name == name
    assert clashes(found, topology) == []


def test_day_is_in_both_virtual_hosts_and_modest() -> None:
    found = composite.load("mixed")
    assert {"/orders", "/users"} < {each.vhost for each in found.scenarios}
    assert found.rate_per_s <= 300
    assert len(found.parts) >= 15


def test_name_of_a_composite_is_not_that_of_a_profile() -> None:
    assert not set(composite.names()) & set(scenario.names())


def test_parts_end_together_and_take_their_settings(tmp_path: Path) -> None:
    work, saga = read(tmp_path).scenarios
    assert (work.duration_s, saga.duration_s) == (20.0, 15.0)
    assert (work.rate_per_s, saga.rate_per_s) == (40.0, 10.0)
    assert work.consumers[0].count == 1


def test_rate_of_all_scales_each_and_duration_is_that_of_all(tmp_path: Path) -> None:
    found = read(tmp_path, given={"rate_per_s": 100.0, "duration_s": 10.0})
    assert [each.rate_per_s for each in found.scenarios] == [80.0, 20.0]
    assert [each.duration_s for each in found.scenarios] == [10.0, 5.0]


def test_setting_goes_to_the_part_that_it_names(tmp_path: Path) -> None:
    found = read(tmp_path, given={"settings": {"work.consumers.worker.prefetch": "7", "saga.window": "5"}})
    work, saga = found.scenarios
    assert (work.consumers[0].prefetch, saga.window) == (7, 5)


@pytest.mark.parametrize("key", ["window", "nobody.window", "work"])
def test_setting_that_names_no_part_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(BadInputError, match="parts: work, saga"):
        read(tmp_path, given={"settings": {key: "5"}})


def test_unknown_key_of_a_part_is_refused_by_the_parts_profile(tmp_path: Path) -> None:
    with pytest.raises(BadInputsError, match="prefech"):
        read(tmp_path, given={"settings": {"work.consumers.worker.prefech": "7"}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": [{"profile": "wrok"}]}, "'wrok' is not known"),
        ({"parts": [{"profile": "work"}, {"profile": "work"}]}, "two are called 'work'"),
        ({"parts": [{"profile": "work", "start_after": "30s"}]}, "begins when the others have ended"),
        ({"parts": [{"profile": "work", "speed": 9}]}, "speed"),
        ({"duration": "soon"}, "duration"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_faults_of_the_file_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInputsError, match=message):
        read(tmp_path, **change)


def test_rate_as_fast_as_it_goes_is_refused_beside_others(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="must be a number"):
        read(tmp_path, given={"settings": {"work.rate": "max"}})


def test_unknown_composite_names_those_there_are() -> None:
    with pytest.raises(BadInputError, match=r"composites: .*mixed"):
        composite.load("mixd")


def test_parts_that_would_take_each_others_messages_are_found(tmp_path: Path, topology: Topology) -> None:
    """priority's support would take the failed orders of work, and each would be a loss there."""
    found = read(tmp_path, parts=[{"profile": "work"}, {"profile": "priority"}])
    (clash,) = clashes(found, topology)
    assert "work and priority both use orders.failed in /orders" in clash


def test_same_profile_twice_clashes_even_in_a_virtual_host_of_its_own(
    tmp_path: Path, topology: Topology
) -> None:
    found = read(tmp_path, parts=[{"profile": "mail"}, {"profile": "mail", "name": "more-mail"}])
    assert len(clashes(found, topology)) == 4


def test_composite_is_described_part_by_part() -> None:
    told = summary.composite(composite.load("mixed"))
    assert "saga  15/s in a vhost of its own" in told
    assert "mail  20/s in /users" in told
    assert "consumers.worker.count = 1" in told
