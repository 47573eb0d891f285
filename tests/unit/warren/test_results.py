"""The result schema: what is written is what is read, and verdicts have their exit codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from warren.dashboards_record import DashboardsRecord
from warren.errors import BadInputError
from warren.fault_record import FaultRecord
from warren.results import (
    Availability,
    Latencies,
    Ledger,
    LoadResult,
    Percentiles,
    Second,
    Verdict,
    exit_code_of,
    iso,
    read_result,
    write_result,
)


def full_result() -> LoadResult:
    return LoadResult(
        run_id="work-1",
        profile="work",
        started_at="2026-01-02T03:04:05.678Z",
        ended_at="2026-01-02T03:05:05.678Z",
        verdict=Verdict.FAILED,
        params={"rate_per_s": 500},
        reasons=("1 confirmed message is lost",),
        ledger=Ledger(
            published=3, confirmed=2, nacked=1, lost=1, dead_lettered={"rejected": 1}, lost_examples=("q: 1",)
        ),
        series=(Second(t_s=0.0, published_per_s=3.0, confirm_p50_s=0.01),),
        latency_s=Latencies(confirm=Percentiles(p50=0.001, count=2)),
        availability=Availability(confirm_gap_max_s=0.4, failed_publishes=1),
        faults=(FaultRecord(name="kill", target="rmq1", injected_at="2026-01-02T03:04:30.000Z"),),
        oracles={"tries": {"passed": True, "judged": 2}},
        dashboards=DashboardsRecord(
            url="https://localhost:1", service="view", cluster="lab", queues={"/": ("a", "b")}
        ),
    )


def test_result_written_and_read_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_result(full_result(), path)
    assert read_result(path) == full_result()
    assert [each.name for each in tmp_path.iterdir()] == ["result.json"]


def test_result_begins_with_the_schemas_keys_in_order() -> None:
    keys = list(full_result().to_dict())
    assert keys[:8] == [
        "schema",
        "run_id",
        "profile",
        "started_at",
        "ended_at",
        "params",
        "verdict",
        "reasons",
    ]
    assert {
        "ledger",
        "rates",
        "series",
        "latency_s",
        "availability",
        "resources",
        "faults",
        "oracles",
    } <= set(keys)


def test_reader_ignores_keys_of_later_versions() -> None:
    raw = json.loads(json.dumps(full_result().to_dict()))
    raw["later"] = 1
    raw["ledger"]["later"] = 2
    assert LoadResult.from_dict(raw) == full_result()


@pytest.mark.parametrize("broken", [{}, {"schema": 2}, {"schema": 1}, {"schema": 1, "verdict": "perhaps"}])
def test_reader_refuses_what_is_no_result(broken: dict[str, object]) -> None:
    with pytest.raises(BadInputError):
        LoadResult.from_dict(broken)


def test_reader_names_a_file_that_is_not_json(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"x\.json"):
        read_result(path)


@pytest.mark.parametrize(
    ("verdict", "code"), [(Verdict.PASSED, 0), (Verdict.FAILED, 1), (Verdict.INCONCLUSIVE, 4)]
)
def test_each_verdict_has_its_exit_code(verdict: Verdict, code: int) -> None:
    assert exit_code_of(verdict) == code
    assert exit_code_of(verdict, interrupted=True) == 130


def test_times_are_written_in_utc() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))
    assert iso(at) == "2026-01-02T01:04:05.678Z"
    assert iso(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00.000Z"
