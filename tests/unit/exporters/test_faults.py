"""Open faults as the exporter tells them: off the file that chaos' journal keeps beside itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporters import names
from exporters.collector import Reach, Scrape
from exporters.collectors.faults import FaultsCollector, collector
from warren.connection import Credentials
from warren.errors import BadInputError, NotReadyError
from warren.journal import Fault, Journal, Phase


def told(path: Path) -> dict[str, list[tuple[dict[str, str], float]]]:
    families = FaultsCollector(path).collect(Scrape(None, 1.0))  # type: ignore[arg-type]  # it asks no broker
    return {each.name: [(sample.labels, sample.value) for sample in each.samples] for each in families}


def test_before_the_first_fault_there_is_none(tmp_path: Path) -> None:
    assert told(tmp_path / "open.json") == {names.FAULT_ACTIVE.name: [], names.FAULTS_OPEN.name: [({}, 0)]}


def test_a_fault_is_told_from_its_intent_to_the_end_of_its_healing(tmp_path: Path) -> None:
    path = tmp_path / "open.json"
    journal = Journal(tmp_path / "journal.jsonl", lambda: datetime.now(UTC), told=path)
    kill = Fault(fault_id="kill-1", name="kill", target="rmq2")
    for phase in (Phase.INJECTING, Phase.INJECTED, Phase.HEALING):
        kill = journal.append(kill, phase)
        found = told(path)
        assert found[names.FAULT_ACTIVE.name] == [({"fault": "kill", "target": "rmq2"}, 1)]
        assert found[names.FAULTS_OPEN.name] == [({}, 1)]
    journal.append(kill, Phase.HEALED)
    assert told(path)[names.FAULTS_OPEN.name] == [({}, 0)]
    assert path.stat().st_mode & 0o777 == 0o644


def test_what_cannot_be_read_is_said_and_not_taken_for_none(tmp_path: Path) -> None:
    path = tmp_path / "open.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(NotReadyError, match="cannot be read"):
        told(path)


def test_trouble_with_the_file_does_not_keep_the_journal_from_being_written(tmp_path: Path) -> None:
    journal = Journal(
        tmp_path / "journal.jsonl", lambda: datetime.now(UTC), told=tmp_path / "nowhere" / "open.json"
    )
    journal.append(Fault(fault_id="kill-1", name="kill", target="rmq2"), Phase.INJECTING)
    assert len(journal.open_faults()) == 1


def test_collector_without_a_file_is_refused() -> None:
    credentials = Credentials(username="u", password="p")
    reach = Reach(nodes=(), credentials=credentials, ca=Path("ca"), timeout_s=1.0)
    with pytest.raises(BadInputError, match="names no file"):
        collector(reach)
