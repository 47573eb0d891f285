"""Which game days a matrix has, in which order, and what each is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from chaos import beside, check, experiment_reader
from chaos import fault as catalogue
from chaos.experiment import Experiment
from chaos.known import known
from chaos.statistics import matrix, page, templates
from chaos.statistics.matrix import Wanted
from chaos.statistics.store import Turn
from chaos.statistics.templates import Timers
from warren import checkout
from warren.errors import BadInputError
from warren.topology_reader import load as load_topology

TABLE = templates.read()
TIMERS = Timers(poll_s=5.0, tick_s=60.0)
SOME = Wanted(faults=("kill", "disk-alarm"), profiles=("work", "retry"))


def cells(wanted: Wanted = SOME) -> tuple[matrix.Cell, ...]:
    return matrix.cells(TABLE, wanted, TIMERS, missing=lambda fault: "")


def turns(found: Sequence[matrix.Cell], seed: int) -> tuple[Turn, ...]:
    return tuple(turn for bout in matrix.bouts(found, seed) for turn in bout)


def test_cells_are_faults_by_profiles() -> None:
    keys = [each.key for each in cells()]
    assert keys == ["kill-work", "kill-retry", "disk-alarm-work", "disk-alarm-retry"]


def test_repeats_are_the_templates_or_as_asked() -> None:
    assert {each.fault: each.repeats for each in cells()} == {"kill": 10, "disk-alarm": 5}
    assert {each.repeats for each in cells(Wanted(faults=("kill",), repeats=3))} == {3}
    assert {each.repeats for each in cells(Wanted(extent="quick", faults=("kill",)))} == {1}
    with pytest.raises(BadInputError, match="--repeats"):
        cells(Wanted(repeats=0))


def test_without_words_it_is_every_fault_on_the_tables_profiles() -> None:
    found = matrix.cells(TABLE, Wanted(), TIMERS)
    assert {each.fault for each in found} >= set(catalogue.names())
    assert {each.profile for each in found} == set(TABLE.extents["full"].profiles)


def test_experiment_of_a_cell() -> None:
    kill = cells()[0].document
    assert kill["load"] == {"profile": "work", "rate": 200.0, "duration": 10 + 40 + 20}
    (step,) = kill["method"]
    assert step == {
        "name": "strike",
        "at": 10.0,
        "fault": "kill",
        "target": {"leader-of": "orders.work", "vhost": "/orders"},
        "for": 40.0,
    }
    assert kill["expectations"]["confirm_gap_s"]["high"] == 5.0
    assert kill["presumes"] == {"failure_detector_poll_ms": 5000, "net_ticktime_s": 60.0}
    assert kill["alerts"][0]["name"] == "WarrenNodeDown"


def test_quick_experiment_is_short_expects_no_alert_and_sets_the_profile() -> None:
    found = {each.key: each.document for each in cells(Wanted(extent="quick", faults=("kill",)))}
    assert found["kill-work"]["load"]["duration"] == 16
    assert "alerts" not in found["kill-work"]
    assert "redundancy_s" not in found["kill-work"]["expectations"]
    assert found["kill-work"]["load"]["settings"] == {"tolerances.self_lag_p99_s": 2}
    assert found["kill-retry"]["load"]["settings"]["hold_back_s"] == 8


def test_brief_experiment_holds_as_long_as_the_whole_and_waits_for_no_alert() -> None:
    whole = {each.key: each for each in cells(Wanted(faults=("kill", "pause")))}
    for brief in cells(Wanted(extent="brief", faults=("kill", "pause"))):
        same = whole[brief.key].document
        assert brief.document["method"][0]["for"] == same["method"][0]["for"] == 40
        assert brief.document["expectations"] == same["expectations"]
        assert (brief.document["load"]["duration"], same["load"]["duration"]) == (55, 70)
        assert "alerts" in same
        assert brief.document["load"]["attach"] == "not-target"  # the broker's failover, not the client's
        assert "alerts" not in brief.document
        assert brief.repeats == whole[brief.key].repeats


def test_settings_of_a_fault_may_be_the_profiles_own() -> None:
    args = {"queue": "{queue}", "user": "{user}", "loss_percent": 20}
    table = replace(TABLE, templates={"kill": replace(TABLE.templates["kill"], args=args)})
    found = matrix.cells(table, Wanted(profiles=("retry",)), TIMERS)
    own = {"queue": "payments.work", "user": "orders-payments", "loss_percent": 20}
    assert found[0].document["method"][0]["args"] == own


def test_drain_is_expected_to_last_as_long_beyond_the_fault_as_the_profile_itself_holds_messages_back() -> (
    None
):
    def drain_s(wanted: Wanted) -> dict[str, float]:
        return {each.profile: each.document["expectations"]["drain_s"]["high"] for each in cells(wanted)}

    whole = drain_s(Wanted(faults=("disk-alarm",)))
    assert whole == {"work": 30.0, "retry": 75.0}
    # Nothing fails often enough to wait there.
    assert len(set(drain_s(Wanted(extent="quick", faults=("disk-alarm",))).values())) == 1


def test_what_is_held_is_in_the_interval_of_an_alarm() -> None:
    alarm = cells()[2].document
    hold_s = alarm["method"][0]["for"]
    assert alarm["expectations"]["confirm_gap_s"]["low"] == pytest.approx(0.8 * hold_s)


def test_cell_that_cannot_be_had_says_why_and_is_not_run() -> None:
    found = matrix.cells(
        TABLE, SOME, TIMERS, missing=lambda fault: "needs root on the host" if fault == "kill" else ""
    )
    assert [each.unavailable for each in found] == ["needs root on the host"] * 2 + [""] * 2
    assert {each.cell for each in turns(found, 1)} == {"disk-alarm-work", "disk-alarm-retry"}
    assert "needs root on the host" in page.plan_text(found)
    assert "10 runs" in page.plan_text(found)


def test_fault_of_another_version_is_unavailable() -> None:
    assert matrix.absent("kill") == ""
    assert "no such fault" in matrix.absent("meteorite")


def test_every_cell_comes_once_before_any_comes_twice() -> None:
    found = turns(cells(), 1)
    assert len(found) == 30
    for repeat in range(10):
        due = 4 if repeat < 5 else 2
        this = found[:due]
        found = found[due:]
        assert {each.repeat for each in this} == {repeat}
        assert len({each.cell for each in this}) == due


def test_every_fault_comes_once_before_any_under_another_profile() -> None:
    """A short budget has every fault at least once, and not always under the same profile."""
    for seed in range(20):
        found = turns(cells(Wanted(faults=("kill", "pause", "cpu"), repeats=2)), seed)
        for first in (0, 3, 6, 9):
            faults = [each.cell.rpartition("-")[0] for each in found[first : first + 3]]
            assert sorted(faults) == ["cpu", "kill", "pause"], seed
    firsts = {turns(cells(), seed)[0].cell for seed in range(40)}
    assert len(firsts) == 4


def test_clients_of_the_quick_one_are_beside_the_node_that_is_struck() -> None:
    """A run after a pause took a minute longer: the broker held what the frozen node's consumers had."""
    quick = {each.key: each.document["load"] for each in cells(Wanted(extent="quick"))}
    assert quick["pause-retry"]["attach"] == "not-target"
    assert "attach" not in quick["consumer-crash-work"]
    assert all("attach" not in each.document["load"] for each in cells())


def test_profiles_of_a_fault_are_one_run_where_they_are_wanted_together() -> None:
    apart, found = cells(), cells(replace(SOME, together=True))
    assert [each.document for each in found] == [each.document for each in apart]
    runs = matrix.bouts(found, 1)
    assert (len(runs), len(matrix.bouts(apart, 1))) == (15, 30)
    for bout in runs:
        work, retry = bout
        assert (work.cell.rpartition("-")[2], retry.cell.rpartition("-")[2]) == ("work", "retry")
        assert (work.repeat, work.seed) == (retry.repeat, retry.seed)
    assert max(Counter(bout[0].seed for bout in runs).values()) == 1
    assert {bout[0].cell for bout in runs[:2]} == {"kill-work", "disk-alarm-work"}
    assert (matrix.together(found), matrix.together(apart)) == (("work", "retry"), ())
    assert "15 runs, of 30 cells" in page.plan_text(found)


def test_fault_that_strikes_one_queue_is_run_for_each_profile_alone() -> None:
    found = cells(Wanted(faults=("stuck-consumer", "kill"), repeats=1, together=True))
    assert sorted(len(bout) for bout in matrix.bouts(found, 1)) == [1, 1, 2]


def test_cells_of_one_run_can_be_played_as_one(tmp_path: Path) -> None:
    """Every fault under all profiles, by the very code that joins them; what cannot be joined must say so."""
    topology = load_topology(checkout.ROOT / "deploy" / "topology.yml")
    there = known(topology, faults=catalogue.names(), checks=check.names())
    found = matrix.cells(TABLE, Wanted(profiles=("work", "retry"), together=True), TIMERS)
    by_fault: dict[str, list[Experiment]] = {}
    for cell in found:
        path = tmp_path / f"{cell.key}.yml"
        path.write_text(yaml.safe_dump(dict(cell.document)), encoding="utf-8")
        by_fault.setdefault(cell.fault, []).append(experiment_reader.load(str(path), there))
    for fault, experiments in by_fault.items():
        if TABLE.templates[fault].alone:
            with pytest.raises(BadInputError):
                beside.method(experiments)
        else:
            assert beside.method(experiments)
    beside.refuse_clash(experiments, topology)


def test_rounds_are_ordered_by_the_seed_and_not_all_alike() -> None:
    assert turns(cells(), 1) == turns(cells(), 1)
    assert turns(cells(), 1) != turns(cells(), 2)
    rounds = [tuple(each.cell for each in turns(cells(), 1) if each.repeat == r) for r in range(5)]
    assert len(set(rounds)) > 1


def test_seeds_differ_and_do_not_hang_on_what_else_is_run() -> None:
    found = turns(cells(), 1)
    assert max(Counter(each.seed for each in found).values()) == 1
    alone = turns(cells(Wanted(faults=("kill",), profiles=("work",))), 1)
    assert set(alone) <= set(found)


def test_experiment_of_every_cell_can_be_read(tmp_path: Path) -> None:
    """By the very reader that plays them; those of faults that are not there yet are left out."""
    topology = load_topology(checkout.ROOT / "deploy" / "topology.yml")
    there = known(topology, faults=catalogue.names(), checks=check.names())
    for wanted in (Wanted(), Wanted(extent="quick"), Wanted(profiles=("priority",))):
        for cell in matrix.cells(TABLE, wanted, templates.timers(topology)):
            if cell.unavailable:
                continue
            path = tmp_path / f"{cell.key}.yml"
            path.write_text(yaml.safe_dump(dict(cell.document)), encoding="utf-8")
            found = experiment_reader.load(str(path), there)
            assert found.name == cell.key
            assert found.method[0].fault == cell.fault
            assert found.longest_s + 5 <= found.load.duration_s
