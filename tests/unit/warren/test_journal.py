from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from warren.errors import DeadlineError, NotReadyError
from warren.journal import Fault, Journal, Phase
from warren.wait import Clock

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Time:
    """Wall and monotonic time that moves when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def sleep(self, duration_s: float) -> None:
        self.seconds += duration_s

    def clock(self) -> Clock:
        return Clock(now=lambda: self.seconds, sleep=self.sleep)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def journal(tmp_path: Path, time: Time) -> Journal:
    return Journal(tmp_path / "journal.jsonl", time.wall, time.clock())


def kill_of(node: str, fault_id: str = "kill-1") -> Fault:
    return Fault(fault_id=fault_id, name="kill", target=node, args={"grace_s": 5.0}, run_id="run-7", seed=42)


def test_missing_journal_reads_as_empty(journal: Journal) -> None:
    assert journal.open_faults() == ()


def test_fault_is_open_from_its_intent_on_and_closed_by_healed_only(journal: Journal) -> None:
    fault = kill_of("rmq2")
    for phase in (Phase.INJECTING, Phase.INJECTED, Phase.OBSERVED, Phase.FAILED, Phase.HEALING):
        fault = journal.append(fault, phase)
        assert [each.fault_id for each in journal.open_faults()] == ["kill-1"], phase
    journal.append(fault, Phase.HEALED)
    assert journal.open_faults() == ()


def test_what_is_seen_or_said_after_the_healing_does_not_open_the_fault_again(journal: Journal) -> None:
    fault = journal.append(kill_of("rmq2"), Phase.HEALED)
    for phase in (Phase.OBSERVED, Phase.HEALING, Phase.FAILED):
        journal.append(fault, phase, evidence={"leader_after": "rmq1"})
        assert journal.open_faults() == (), phase
    assert journal.read().faults[0].evidence == {"leader_after": "rmq1"}


def test_reader_gives_back_everything_that_was_written(journal: Journal, time: Time) -> None:
    written = journal.append(kill_of("rmq2"), Phase.INJECTING, evidence={"process_id": 71})
    time.seconds = 1.5
    written = journal.append(written, Phase.INJECTED, evidence={"process_id_after": None})
    (read,) = journal.open_faults()
    assert read == written
    assert (read.name, read.target, read.args) == ("kill", "rmq2", {"grace_s": 5.0})
    assert (read.run_id, read.seed) == ("run-7", 42)
    assert read.begun_at == "2026-03-04T05:06:07.000Z"
    assert read.injected_at == "2026-03-04T05:06:08.500Z"
    assert read.evidence == {"process_id": 71, "process_id_after": None}


def test_time_of_the_act_goes_before_time_of_the_line(journal: Journal, time: Time) -> None:
    fault = journal.append(kill_of("rmq2"), Phase.INJECTING)
    time.seconds = 9.0
    fault = journal.append(fault, Phase.INJECTED, acted_at="2026-03-04T05:06:08.000Z")
    assert fault.injected_at == "2026-03-04T05:06:08.000Z"


def test_every_line_is_on_disk_before_append_returns(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bytes] = []
    real = os.fsync

    def spy(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            synced.append(journal.path.read_bytes())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    journal.append(kill_of("rmq2"), Phase.INJECTING)
    assert len(synced) == 1
    assert json.loads(synced[0])["phase"] == "injecting"


def test_journal_is_readable_by_its_owner_only(journal: Journal) -> None:
    journal.append(kill_of("rmq2"), Phase.INJECTING)
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("cut", [2, 20, 60])
def test_torn_last_line_is_skipped_and_told(journal: Journal, cut: int) -> None:
    fault = journal.append(kill_of("rmq2"), Phase.INJECTING)
    journal.append(fault, Phase.INJECTED)
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-cut])
    reading = journal.read()
    assert [each.fault_id for each in reading.open] == ["kill-1"]
    assert reading.open[0].phase is Phase.INJECTING
    assert len(reading.damage) == 1
    assert f"{journal.path}:2" in reading.damage[0]


def test_line_after_a_torn_one_is_not_swallowed(journal: Journal) -> None:
    fault = journal.append(kill_of("rmq2"), Phase.INJECTING)
    with journal.path.open("ab") as handle:
        handle.write(b'{"fault_id": "kill-1", "phase": "inj')
    journal.append(fault, Phase.HEALED)
    reading = journal.read()
    assert reading.open == ()
    assert len(reading.damage) == 1


@pytest.mark.parametrize(
    "line",
    [
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"fault_id": "x", "name": "kill", "target": "rmq1", "at": "noon"}',
    ],
)
def test_damaged_line_never_hides_the_others(journal: Journal, line: bytes) -> None:
    journal.append(kill_of("rmq1", "kill-1"), Phase.INJECTING)
    with journal.path.open("ab") as handle:
        handle.write(line + b"\n")
    journal.append(kill_of("rmq2", "kill-2"), Phase.INJECTING)
    reading = journal.read()
    assert [each.target for each in reading.open] == ["rmq1", "rmq2"]
    assert len(reading.damage) == 1


def test_fault_whose_first_line_is_lost_is_still_open(journal: Journal) -> None:
    fault = journal.append(kill_of("rmq2"), Phase.INJECTING)
    journal.append(fault, Phase.INJECTED)
    journal.path.write_bytes(journal.path.read_bytes().splitlines(keepends=True)[1])
    (read,) = journal.open_faults()
    assert (read.target, read.is_proven) == ("rmq2", True)


def test_writers_at_the_same_time_lose_no_line(journal: Journal) -> None:
    def write(number: int) -> None:
        journal.append(kill_of("rmq1", f"kill-{number}"), Phase.INJECTING, evidence={"text": "x" * 9000})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(64)))
    reading = journal.read()
    assert len(reading.open) == 64
    assert reading.damage == ()


def test_unwritable_journal_is_an_error_before_the_act(tmp_path: Path, time: Time) -> None:
    journal = Journal(tmp_path / "missing" / "journal.jsonl", time.wall, time.clock())
    with pytest.raises(NotReadyError, match="cannot be opened"):
        journal.append(kill_of("rmq2"), Phase.INJECTING)


def test_second_command_waits_for_the_first_and_says_so(journal: Journal) -> None:
    with (
        journal.exclusive(),
        pytest.raises(DeadlineError, match="held by another chaos command"),
        journal.exclusive(deadline_s=3.0),
    ):
        pass
    with journal.exclusive(deadline_s=0.0):
        pass


@pytest.fixture
def struck(journal: Journal, time: Time) -> Callable[[float, float | None], None]:
    """Journals a fault that is injected and healed at these seconds after START."""

    def strike(injected_s: float, healed_s: float | None) -> None:
        time.seconds = injected_s
        fault = journal.append(kill_of("rmq2", f"kill-{injected_s:g}"), Phase.INJECTING)
        fault = journal.append(fault, Phase.INJECTED, evidence={"seen": True})
        if healed_s is not None:
            time.seconds = healed_s
            journal.append(fault, Phase.HEALED)

    return strike


@pytest.mark.parametrize(
    ("injected_s", "healed_s", "counts"),
    [
        (0, 5, False),
        (0, 10, True),
        (0, 99, True),
        (12, 15, True),
        (20, 99, True),
        (21, 99, False),
        (0, None, True),
        (21, None, False),
    ],
)
def test_faults_between_are_those_in_force_at_any_moment_of_the_run(
    journal: Journal,
    struck: Callable[[float, float | None], None],
    injected_s: float,
    healed_s: float | None,
    counts: bool,
) -> None:
    struck(injected_s, healed_s)
    found = journal.faults_between(START + timedelta(seconds=10), START + timedelta(seconds=20))
    assert len(found) == counts


def test_record_of_a_fault_is_what_results_carry(
    journal: Journal, struck: Callable[[float, float | None], None]
) -> None:
    struck(1, 3)
    (record,) = journal.faults_between(START, START + timedelta(seconds=9))
    assert (record.name, record.target) == ("kill", "rmq2")
    assert record.injected_at == "2026-03-04T05:06:08.000Z"
    assert record.healed_at == "2026-03-04T05:06:10.000Z"
    assert record.evidence == {"seen": True}


def test_record_says_whether_the_healing_was_under_way(journal: Journal, time: Time) -> None:
    def told() -> str:
        (record,) = journal.faults_between(START, START + timedelta(seconds=9))
        return record.told

    fault = journal.append(kill_of("rmq2"), Phase.INJECTED)
    assert told() == "not healed when the run ended"
    time.seconds = 2
    journal.append(fault, Phase.HEALING)
    assert told() == "being healed when the run ended"
    journal.append(fault, Phase.FAILED, error="not whole")
    assert told() == "not healed when the run ended"
    journal.append(fault, Phase.HEALING)
    journal.append(fault, Phase.HEALED)
    assert told() == "healed at 2026-03-04T05:06:09.000Z"


def test_faults_that_something_else_has_healed_are_closed_with_its_name(journal: Journal) -> None:
    journal.append(kill_of("rmq1", "kill-1"), Phase.INJECTED)
    journal.append(kill_of("rmq2", "kill-2"), Phase.INJECTING)
    before = journal.open_faults()
    journal.append(kill_of("rmq3", "kill-3"), Phase.INJECTING)
    closed = journal.close(before, "cluster up")
    assert [each.fault_id for each in closed] == ["kill-1", "kill-2"]
    assert [each.fault_id for each in journal.open_faults()] == ["kill-3"]
    assert {each.evidence.get("healed_by") for each in journal.read().faults[:2]} == {"cluster up"}
    assert journal.close(before, "cluster up") == ()


def test_fault_that_was_only_found_and_healed_is_in_no_result(journal: Journal) -> None:
    journal.append(kill_of("rmq2"), Phase.HEALING)
    journal.append(kill_of("rmq2"), Phase.HEALED)
    assert journal.faults_between(START - timedelta(hours=1), START + timedelta(hours=1)) == []
