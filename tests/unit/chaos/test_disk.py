"""Faults of the disk: what they tell the library, what they take for proof, and what they leave alone."""

from __future__ import annotations

from typing import Any

import pytest

from chaos import disk, engine, page
from chaos import fault as catalogue
from chaos.fault import Site
from warren.errors import EXIT_NOT_READY, NotReadyError
from warren.journal import Fault, Phase
from warren.process import Completed
from warren.runtime.protocol import NodeState

DISK_FAULTS = ("slow-disk", "full-disk", "failing-disk")


@pytest.fixture
def site(ground: Any) -> Site:
    return ground.context().site


def begun(name: str, site: Site, **given: str) -> Fault:
    kind = catalogue.load(name)
    return Fault(
        fault_id="f",
        name=name,
        target="rmq2",
        args=catalogue.arguments(name, kind, given),
        phase=Phase.INJECTING,
        begun_at=site.now().isoformat(),
        evidence=dict(kind.before(site, "rmq2")),
    )


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("slow-disk", {}, (100_000, 0, 0, 0, 0, 0)),
        (
            "slow-disk",
            {"delay_ms": "0.5", "jitter_ms": "2", "write_delay_ms": "3"},
            (500, 2000, 3000, 0, 0, 0),
        ),
        ("full-disk", {"room_bytes": "4096"}, (0, 0, 0, 4096, 1, 0)),
        ("full-disk", {"seen_by_df": "yes"}, (0, 0, 0, 0, 2, 0)),
        ("failing-disk", {}, (0, 0, 0, 0, 0, 2)),
        ("failing-disk", {"calls": "both"}, (0, 0, 0, 0, 0, 3)),
    ],
)
def test_each_fault_sets_its_own_words_in_the_librarys_order(
    site: Site, ground: Any, name: str, given: dict[str, str], words: tuple[int, ...]
) -> None:
    catalogue.load(name).inject(site, begun(name, site, **given))
    assert tuple(ground.runtime.machine("rmq2")["disk"][1:7]) == words


@pytest.mark.parametrize("name", DISK_FAULTS)
def test_two_faults_of_one_disk_compose_and_are_healed_apart(site: Site, ground: Any, name: str) -> None:
    kinds = {each: (catalogue.load(each), begun(each, site)) for each in DISK_FAULTS}
    for kind, fault in kinds.values():
        kind.inject(site, fault)
    kind, fault = kinds[name]
    kind.heal(site, fault)
    words = ground.runtime.machine("rmq2")["disk"]
    for each, (other, _) in kinds.items():
        told = any(words[place] for place in other.place)  # type: ignore[attr-defined]
        assert told == (each != name), each


@pytest.mark.parametrize("name", DISK_FAULTS)
def test_cluster_that_was_not_made_for_it_is_told_with_the_command_that_makes_one(
    ground: Any, name: str
) -> None:
    ground.runtime.machine("rmq2")["disk"] = []
    order = engine.Order(fault=name, target=engine.Target(node="rmq2"))
    with pytest.raises(NotReadyError, match="without the library") as caught:
        engine.inject(ground.context(), order)
    assert caught.value.exit_code == EXIT_NOT_READY
    assert "warren cluster up --with-disk-faults" in caught.value.remedy
    assert not ground.journal.read().faults, "nothing was begun"


def test_list_says_which_faults_need_such_a_cluster() -> None:
    needing = {each["name"] for each in page.list_dict({}) if each["needs"] == disk.NEEDS}
    assert needing == set(DISK_FAULTS)


def test_heal_of_a_cluster_without_the_library_finds_nothing_and_fails_nothing(ground: Any) -> None:
    for node in ("rmq1", "rmq2", "rmq3"):
        ground.runtime.machine(node)["disk"] = []
    assert engine.heal(ground.context()).found == ()


@pytest.mark.parametrize("name", DISK_FAULTS)
def test_fault_is_found_under_its_own_name_and_not_on_a_frozen_node(
    ground: Any, site: Site, name: str
) -> None:
    catalogue.load(name).inject(site, begun(name, site))
    found = {each: catalogue.load(each).residue(site) for each in DISK_FAULTS}
    assert found == {each: ("rmq2",) if each == name else () for each in DISK_FAULTS}
    site.runtime.pause("rmq2")
    assert catalogue.load(name).residue(site) == ()


def test_file_of_another_form_is_not_written_to(site: Site, ground: Any) -> None:
    ground.runtime.machine("rmq2")["disk"][0] = 7
    with pytest.raises(NotReadyError, match="without the library"):
        disk.read(site, "rmq2")


def test_slow_disk_is_proven_by_the_time_that_syncs_took_before_and_after(site: Site) -> None:
    kind, fault = catalogue.load("slow-disk"), begun("slow-disk", site, delay_ms="40")
    disk.read(site, "rmq2")  # the fake's disk syncs whenever it is looked at
    fault = begun("slow-disk", site, delay_ms="40")
    kind.inject(site, fault)
    evidence = {**fault.evidence, **kind.prove(site, fault)}
    assert evidence["sync_p50_ms_before"] == 1.0
    assert evidence["sync_max_ms_after"] == 41.0
    assert evidence["calls_met"] >= 1


def test_slow_disk_is_not_proven_by_a_delay_that_no_measured_sync_shows(site: Site, ground: Any) -> None:
    kind, fault = catalogue.load("slow-disk"), begun("slow-disk", site, delay_ms="40")
    kind.inject(site, fault)
    ground.runtime.machine("rmq2")["disk"][1] = 0
    ground.runtime.machine("rmq2")["disk"][9] += 5
    with pytest.raises(NotReadyError, match="no sync was measured"):
        kind.prove(site, fault)


def test_healing_says_what_syncs_took_while_it_lasted(site: Site) -> None:
    kind, fault = catalogue.load("slow-disk"), begun("slow-disk", site)
    kind.inject(site, fault)
    disk.read(site, "rmq2")
    facts = kind.heal(site, fault)
    assert (facts["sync_p50_ms_during"], facts["sync_max_ms_during"]) == (101.0, 101.0)


def test_syncs_that_were_not_delayed_yet_are_not_taken_for_those_that_were(site: Site, ground: Any) -> None:
    kind, fault = catalogue.load("slow-disk"), begun("slow-disk", site)
    for _ in range(9):
        disk.read(site, "rmq2")  # between the look before the act, and the act
    kind.inject(site, fault)
    assert kind.prove(site, fault)["sync_p50_ms_after"] == 101.0


def test_counts_that_began_anew_with_the_container_are_no_bar_to_healing(site: Site, ground: Any) -> None:
    disk_words = ground.runtime.machine("rmq2")["disk"]
    disk_words[9] = 5000
    kind, fault = catalogue.load("slow-disk"), begun("slow-disk", site)
    kind.inject(site, fault)
    site.runtime.kill("rmq2")
    site.runtime.start("rmq2")
    assert "sync_p50_ms_during" not in kind.heal(site, fault)


def test_times_of_syncs_are_the_last_ones_and_no_more_than_are_kept() -> None:
    values = [0] * 1024
    values[8] = 600
    for count in range(600):
        values[16 + count % 512] = count * 1000
    words = disk.Words(tuple(values))
    assert words.sync_ms(2) == (598.0, 599.0)
    assert words.sync_ms(0) == ()
    assert words.sync_ms() == tuple(float(count) for count in range(88, 600))


@pytest.mark.parametrize(("name", "said"), [("full-disk", "enospc"), ("failing-disk", "eio")])
def test_node_that_ended_of_its_disk_proves_the_fault_and_healing_starts_it(
    site: Site, ground: Any, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    kind, fault = catalogue.load(name), begun(name, site)
    kind.inject(site, fault)
    ground.runtime.put("rmq2", NodeState.STOPPED)
    with pytest.raises(NotReadyError, match="says nothing"):
        kind.prove(site, fault)
    log = f"starting\n crash {{badmatch,{{error,{said}}}}}\n"
    monkeypatch.setattr(type(ground.runtime), "logs", lambda *_, **__: log)
    assert said in kind.prove(site, fault)["said"]
    kind.heal(site, fault)
    assert site.state("rmq2") is NodeState.RUNNING


def test_slow_disk_of_a_node_that_another_fault_stopped_is_over_and_starts_nothing(
    site: Site, ground: Any
) -> None:
    kind, fault = catalogue.load("slow-disk"), begun("slow-disk", site)
    kind.inject(site, fault)
    site.runtime.kill("rmq2")
    kind.heal(site, fault)
    assert site.state("rmq2") is NodeState.STOPPED


@pytest.mark.parametrize("name", ["full-disk", "failing-disk"])
@pytest.mark.parametrize("journaled", [True, False])
def test_node_whose_raft_logs_ended_is_started_anew_since_they_do_not_begin_again(
    site: Site, ground: Any, name: str, journaled: bool
) -> None:
    kind, fault = catalogue.load(name), begun(name, site)
    kind.inject(site, fault)
    before = site.runtime.process_id("rmq2")
    asked = ("rabbitmqctl", "eval", disk._LOGS_RUN)
    ground.runtime.replies[asked] = Completed(argv=asked, returncode=0, stdout="false\n", stderr="")
    facts = kind.heal(site, fault if journaled else Fault(fault_id="f", name=name, target="rmq2"))
    assert "had ended" in facts["started_anew"]
    assert site.runtime.process_id("rmq2") != before
    assert not ground.is_broken("rmq2")


def test_node_whose_raft_logs_run_on_is_not_touched_and_one_that_cannot_be_asked_is_asked_again(
    site: Site, ground: Any
) -> None:
    kind, fault = catalogue.load("full-disk"), begun("full-disk", site)
    kind.inject(site, fault)
    before = site.runtime.process_id("rmq2")
    assert "started_anew" not in kind.heal(site, fault)
    asked = ("rabbitmqctl", "eval", disk._LOGS_RUN)
    ground.runtime.replies[asked] = Completed(argv=asked, returncode=69, stdout="", stderr="no connection")
    with pytest.raises(NotReadyError, match="cannot be asked"):
        kind.heal(site, fault)
    assert site.runtime.process_id("rmq2") == before


def test_engine_that_fails_is_not_taken_for_a_cluster_without_the_library(site: Site, ground: Any) -> None:
    broken = Completed(argv=("od",), returncode=1, stdout="", stderr="Error response from daemon: no")
    ground.runtime.replies[disk._READ] = broken
    with pytest.raises(NotReadyError, match="cannot be asked") as caught:
        disk.read(site, "rmq2")
    assert not caught.value.remedy
