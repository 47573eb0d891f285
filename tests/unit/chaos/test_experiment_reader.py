"""Files of game days: what is wrong is refused whole, by file and key; and the whole catalogue is right."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from promql_parser import parse as parse_promql

from chaos import check, fault
from chaos.experiment_reader import load, names
from chaos.known import Known, known
from chaos.schedule import steps
from warren import checkout
from warren.errors import BadInputError, BadInputsError

from .fake_day import TEXT


@pytest.fixture(scope="module")
def there(lab: Any) -> Known:
    return known(lab, faults=fault.names(), checks=check.names())


def read(text: str, there: Known, tmp_path: Path, **overrides: str) -> Any:
    path = tmp_path / "day.yml"
    path.write_text(text, encoding="utf-8")
    return load(str(path), there, overrides)


MUTANTS = {
    "title: Leader killed\n": ("", "day.yml:title: must be given"),
    "schema: 1": ("schema: 2", "day.yml:schema: 2 is out of range"),
    "profile: work": ("profile: wrok", "day.yml:load.profile: 'wrok' is not known"),
    "rate: 300": ("rate: -1", "day.yml:load.rate: -1 is no rate"),
    "duration: 60s": ("duration: soon", "day.yml:load.duration: 'soon' is not a duration"),
    "{profile: work,": (
        "{profile: work, settings: {windo: 3},",
        "load.settings: windo as given: unknown key",
    ),
    "fault: kill": ("fault: kil", "day.yml:method[kill it].fault: 'kil' is not known"),
    "leader-of: orders.work": (
        "leader-of: orders.wrok",
        "method[kill it].target: has no queue 'orders.wrok'",
    ),
    "{leader-of: orders.work}": ("{node: rmq9}", "method[kill it].target: has no node 'rmq9'"),
    "target: {leader-of: orders.work}": ("target: {}", "method[kill it].target: must strike somebody"),
    "fault: kill, target": ("fault: kill, args: {grace_s: 3}, target", "has no parameter 'grace_s'"),
    "at: 20s, ": ("", "when is it due?"),
    "at: 20s,": ("after: that,", "method[kill it].after: there is no earlier step 'that'"),
    ", for: 10s": ("", "method[kill it].for: for how long?"),
    ", for: 10s}": (", for: 60s}", "load.duration: 60 s are less than the method may take (80 s)"),
    "name: WarrenNodeDown": ("name: WarrenNodeUp", "alerts[WarrenNodeUp].name: 'WarrenNodeUp' is not known"),
    "low: 0.1, high: 5": ("low: 9, high: 5", "expectations.confirm_gap_s.low: 9 is more than 5"),
    "low: 0.1, high: 5, ": ("", "expectations.confirm_gap_s: expects nothing"),
    ", high: 5, source: a test}": (", high: 5}", "expectations.confirm_gap_s.source: must be given"),
    "confirm_gap_s:": ("confirm_gap:", "day.yml:expectations.confirm_gap: unknown key"),
    "ask: alarms": (
        "ask: alarm",
        "steady-state-hypothesis.probes[no alarm].provider.ask: 'alarm' is not known",
    ),
    "type: broker, ask": ("type: brokr, ask", "provider.type: 'brokr' is not known"),
    "tolerance: 0, provider: {type: broker": ("provider: {type: broker", "tolerance: must be given"),
    "range: [null, 10]": ("range: [null]", "tolerance.range: must be a list of two numbers"),
    "when: [end], ": ("when: [during], ", "ledger.lost is known when the run is over"),
    "when: [end]": ("when: [ende]", "'ende' is no time to ask"),
    "figure: suspected": ("figure: suspekted", "provider.figure: 'suspekted' is not known"),
    "confirms: goes-on": ("confirms: maybe", "progress.confirms: 'maybe' is not known"),
    "progress:": ("panels: ['No: Such']\nprogress:", "panels: 'No: Such' is not known"),
    "progress: {": ("tolerates: [los]\nprogress: {", "tolerates: 'los' is not known"),
    "progress: {confirms": (
        "rollbacks: [{name: a, heal: nothing}]\nprogress: {confirms",
        "rollbacks[a].heal: there is no step 'nothing'",
    ),
    "stop-conditions:": (
        "rollbacks: [{name: a, fault: kill, target: {node: rmq1}, for: 1s}]\nstop-conditions:",
        "rollbacks[a].fault: a rollback breaks nothing",
    ),
    "teaches: What": ("teach: What", "day.yml:teach: unknown key"),
}


@pytest.mark.parametrize("old", MUTANTS)
def test_what_is_wrong_is_refused_by_file_and_key(old: str, there: Known, tmp_path: Path) -> None:
    new, said = MUTANTS[old]
    assert old in TEXT
    with pytest.raises(BadInputsError) as caught:
        read(TEXT.replace(old, new, 1), there, tmp_path)
    assert said in str(caught.value)


def test_all_that_is_wrong_is_told_at_once(there: Known, tmp_path: Path) -> None:
    text = TEXT.replace("fault: kill", "fault: kil").replace("WarrenNodeDown", "WarrenNodeUp")
    with pytest.raises(BadInputsError) as caught:
        read(text, there, tmp_path)
    assert len(caught.value.faults) == 2


def test_overrides_reach_into_lists_and_are_named_as_given(there: Known, tmp_path: Path) -> None:
    found = read(TEXT, there, tmp_path, **{"load.rate": "50", "method.kill it.for": "3s"})
    assert found.load.rate == "50"
    assert found.method[0].hold_s == 3
    with pytest.raises(BadInputsError, match=r"load\.rate as given: 'x' is no rate"):
        read(TEXT, there, tmp_path, **{"load.rate": "x"})


def test_unknown_experiment_says_where_the_known_ones_are(there: Known) -> None:
    with pytest.raises(BadInputError, match="is not known"):
        load("leader-kiled", there)


MONKEY = """
monkey:
  faults: {kill: {}, loss: {loss_percent: 20}}
  every: [5s, 10s]
  for: [2s, 4s]
  from: 5s
  until: 50s
"""


def test_monkey_draws_the_same_steps_from_the_same_seed(there: Known, tmp_path: Path) -> None:
    head, method = TEXT.split("method:")
    found = read(head + method[method.index("expectations:") :] + MONKEY, there, tmp_path)
    nodes = ("rmq1", "rmq2", "rmq3")
    drawn = steps(found, nodes, 7)
    assert drawn == steps(found, nodes, 7)
    assert drawn != steps(found, nodes, 8)
    assert {step.fault for seed in range(9) for step in steps(found, nodes, seed)} == {"kill", "loss"}
    assert all(2 <= (step.hold_s or 0) <= 4 for step in drawn)
    assert drawn[0].moment.at_s == 5
    assert all(step.moment.after == before.name for before, step in pairwise(drawn))


@pytest.mark.parametrize("name", names())
def test_game_day_of_the_catalogue_is_right(name: str, there: Known) -> None:
    found = load(name, there)
    assert found.title
    assert found.teaches.endswith(".")
    assert found.expectations
    assert all(len(interval.source) > 10 for interval in found.expectations.values())
    assert found.panels
    for probe in (*found.probes, *found.stop_conditions):
        if probe.provider == "promql":
            parse_promql(probe.what["query"])


@pytest.mark.parametrize("name", names())
def test_game_day_has_a_page_that_teaches(name: str, there: Known) -> None:
    found = load(name, there)
    text = checkout.path("docs", "gamedays").joinpath(f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {found.title}\n")
    for heading in ("## What happens", "## What you will see", "## Why", "## What to do"):
        assert heading in text
    assert f"warren chaos run {name}" in text
    for panel in found.panels:
        assert f"**{panel}**" in text
    for part in text.split("**")[1::2]:
        if ": " in part:
            assert part in there.panels, f"{part} is no panel"
    for alert in found.alerts:
        assert alert.name in text
    for figure, interval in found.expectations.items():
        low, high = ("" if bound is None else f"{bound:g}" for bound in (interval.low, interval.high))
        assert f"| `{figure}` | {low} | {high} | {interval.source.strip()} |" in text


def test_catalogue_is_large_enough() -> None:
    assert len(names()) >= 20
