"""How a profile says its pace, and every way in which it can be said wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from loadgen import phases, scenario
from loadgen.curve import Curve
from warren.errors import BadInputError, BadInputsError

PLAIN: dict[str, Any] = {
    "schema": 1,
    "name": "mine",
    "description": "d",
    "vhost": "/orders",
    "publishers": [
        {"name": "shop", "user": "orders-shop", "exchange": "orders.direct", "routing_key": "order.created"}
    ],
    "consumers": [{"name": "worker", "user": "orders-worker", "queue": "orders.work"}],
}


def read(
    folder: Path, entries: list[Any] | None, overrides: dict[str, str] | None = None, **changes: Any
) -> scenario.Scenario:
    given = {**PLAIN, **({} if entries is None else {"phases": entries}), **changes}
    (folder / "mine.yml").write_text(yaml.safe_dump(given), encoding="utf-8")
    return scenario.load("mine", overrides, folder=folder)


def test_every_kind_is_read(tmp_path: Path) -> None:
    (tmp_path / "day.csv").write_text("t_s,rate_per_s\n0,10\n60,20\n120,0\n", encoding="utf-8")
    found = read(
        tmp_path,
        [
            {"ramp": [100, 500], "for": "10s"},
            {"steady": 500, "for": "30s", "name": "plateau"},
            {"spike": 2000, "for": "5s"},
            {"steps": [100, 200], "for": "10s each"},
            {"soak": 50, "for": "1h"},
            {"replay": "day.csv", "scale": 2, "speed": 4},
        ],
    )
    named = {phase.name: phase for phase in found.phases}
    assert list(named) == ["ramp", "plateau", "spike", "step-100", "step-200", "soak", "replay"]
    assert [phase.for_s for phase in found.phases] == [10, 30, 5, 10, 10, 3600, 30]
    assert [phase.messages for phase in found.phases] == [3000, 15000, 10000, 1000, 2000, 180000, 15 * 60]
    assert found.duration_s == 3695
    assert found.rate_per_s == 2000


def test_phases_of_one_name_are_told_apart(tmp_path: Path) -> None:
    found = read(tmp_path, [{"steady": 1, "for": 1}, {"spike": 9, "for": 1}, {"steady": 1, "for": 1}])
    assert [phase.name for phase in found.phases] == ["steady", "spike", "steady-2"]


def test_rate_scales_phases_to_their_highest(tmp_path: Path) -> None:
    found = read(tmp_path, [{"ramp": [100, 400], "for": 10}, {"steady": 200, "for": 5}], {"rate": "800"})
    assert found.rate_per_s == 800
    assert [phase.messages for phase in found.phases] == [5000, 2000]


def test_phase_is_overridden_by_its_name(tmp_path: Path) -> None:
    found = read(tmp_path, [{"steady": 1, "for": "1s", "name": "a"}], {"phases.a.for": "7s"})
    assert found.duration_s == 7


def test_duration_beside_phases_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInputsError, match="follows from the phases") as caught:
        read(tmp_path, [{"steady": 1, "for": 1}], {"duration": "5s"})
    assert "phases.NAME.for" in str(caught.value)


def test_phases_that_are_set_take_the_place_of_the_files_pace() -> None:
    pace = "[{steady: 50, for: 2s}, {steady: 80, for: 2s}]"
    found = scenario.load("work", {"phases": pace})
    assert (found.rate_per_s, found.duration_s) == (80, 4)
    assert scenario.load("work", {"phases": pace, "rate": "160"}).phases[0].messages == 200
    with pytest.raises(BadInputsError, match="follows from the phases"):
        scenario.load("work", {"phases": pace, "duration": "9s"})


def test_without_phases_rate_and_duration_are_needed(tmp_path: Path) -> None:
    with pytest.raises(BadInputsError) as caught:
        read(tmp_path, None)
    assert "rate: must be given" in str(caught.value)
    assert "duration: must be given" in str(caught.value)


@pytest.mark.parametrize(
    ("entries", "changes", "word"),
    [
        ([{"for": "5s"}], {}, "does not say what it is"),
        ([{"steady": 1, "ramp": [1, 2], "for": "5s"}], {}, "says steady and ramp"),
        ([{"steady": 1}], {}, "phases[0].for: must be given"),
        ([{"steady": "fast", "for": 1}], {}, "phases[0].steady"),
        ([{"steady": -1, "for": 1}], {}, "out of range"),
        ([{"steady": 0, "for": 1}], {}, "hold no message"),
        ([{"steady": 1, "for": "0s"}], {}, "less than 0.1 s"),
        ([{"steady": 1, "for": "soon"}], {}, "'soon' is not a duration"),
        ([{"steady": 1, "for": "5s each"}], {}, "'5s each' is not a duration"),
        ([{"steady": 1, "for": 1, "speed": 2}], {}, "phases[0].speed: unknown key"),
        ([{"ramp": [1], "for": 1}], {}, "must be [from, to]"),
        ([{"ramp": 5, "for": 1}], {}, "must be a list of rates"),
        ([{"steps": [], "for": 1}], {}, "must be a list of rates"),
        ([{"steps": [1, float("inf")], "for": 1}], {}, "must be a list of rates"),
        ([{"replay": "nowhere.csv"}], {}, "nowhere.csv: cannot be read"),
        ([{"steady": 5, "for": 1}], {"rate": "max"}, "cannot be 'max' beside phases"),
        ([{"steady": 5, "for": 1, "name": "Not Good"}], {}, "not a valid name"),
        ([], {}, "hold no message"),
        (None, {"rate": "max", "duration": 5, "arrivals": "poisson"}, "poisson needs a rate"),
        (None, {"rate": 5, "duration": 5, "arrivals": "bursts"}, "'bursts' is not known"),
    ],
)
def test_fault_is_named(
    tmp_path: Path, entries: list[Any] | None, changes: dict[str, Any], word: str
) -> None:
    with pytest.raises(BadInputsError) as caught:
        read(tmp_path, entries, **changes)
    assert word in str(caught.value)


# --- replay


def curve(folder: Path, text: str) -> list[tuple[float, float]]:
    path = folder / "curve.csv"
    path.write_text(text, encoding="utf-8")
    return phases.read_curve(path)


def test_curve_holds_each_rate_until_the_next_row(tmp_path: Path) -> None:
    (tmp_path / "day.csv").write_text("t_s,rate_per_s\n100,10\n110,0\n120,30\n125,0\n", encoding="utf-8")
    found = read(tmp_path, [{"replay": "day.csv"}])
    whole = Curve(found.phases)
    assert whole.total == 10 * 10 + 30 * 5
    assert whole.time_of(100) == pytest.approx(20)
    assert whole.duration_s == 25


def test_speed_shortens_and_leaves_the_rates(tmp_path: Path) -> None:
    (tmp_path / "day.csv").write_text("t_s,rate_per_s\n0,10\n60,0\n", encoding="utf-8")
    found = read(tmp_path, [{"replay": "day.csv", "speed": 6}])
    assert (found.duration_s, found.rate_per_s) == (10, 10)


@pytest.mark.parametrize(
    ("text", "where", "word"),
    [
        ("time,rate\n0,1\n1,0\n", "curve.csv:1", "header must be t_s,rate_per_s"),
        ("t_s,rate_per_s\n0,1\n0,2\n1,0\n", "curve.csv:3", "0 s is not after 0 s"),
        ("t_s,rate_per_s\n0,1\n5,x\n", "curve.csv:3", "'5,x' is not two numbers"),
        ("t_s,rate_per_s\n0,1,2\n", "curve.csv:2", "is not two numbers"),
        ("t_s,rate_per_s\n0,-1\n1,0\n", "curve.csv:2", "-1 is no rate"),
        ("t_s,rate_per_s\n0,nan\n1,0\n", "curve.csv:2", "not two finite numbers"),
        ("t_s,rate_per_s\n0,1\n", "curve.csv", "fewer than two rows"),
        ("t_s,rate_per_s\n0,1\n1,1\n", "curve.csv", "end with a row of rate 0"),
        ("", "curve.csv", "fewer than two rows"),
    ],
)
def test_faulty_curve_is_refused_by_line(tmp_path: Path, text: str, where: str, word: str) -> None:
    with pytest.raises(BadInputError) as caught:
        curve(tmp_path, text)
    assert where in str(caught.value)
    assert word in str(caught.value)


def test_run_without_phases_has_one() -> None:
    (only,) = phases.whole(500.0, 30.0, ())
    assert (only.name, only.messages) == ("steady", 15_000)
    assert phases.whole(None, 30.0, ())[0].name == "max"
