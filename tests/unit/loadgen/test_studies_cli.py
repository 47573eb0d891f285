"""`warren load merge|compare|sweep|record` as they are typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from loadgen import cli, launch, merge, record, scenario, sweeping
from warren.errors import BadInputError
from warren.results import Latencies, Ledger, LoadResult, Percentiles, Rates, Verdict, write_result

PATIENCE = "p99_end_to_end_s < 0.2"


def result(run_id: str, *, p99_s: float = 0.1, rate: float = 500.0, passed: bool = True) -> LoadResult:
    return LoadResult(
        run_id=run_id,
        profile="work",
        started_at="2026-03-01T12:00:00.000Z",
        ended_at="2026-03-01T12:00:30.000Z",
        verdict=Verdict.PASSED if passed else Verdict.FAILED,
        reasons=() if passed else (PATIENCE,),
        ledger=Ledger(published=10, confirmed=10),
        rates=Rates(published_per_s=rate),
        latency_s=Latencies(end_to_end=Percentiles(p50=0.01, p99=p99_s, max=p99_s, count=10)),
    )


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WARREN_STATE", str(tmp_path / "state"))
    return tmp_path


def typed(*argv: str) -> Result:
    return CliRunner().invoke(cli.load, list(argv), standalone_mode=False)


def test_compare_prints_writes_and_exits_by_its_limits(tmp_path: Path) -> None:
    for name, p99_s in (("a.json", 0.1), ("b.json", 0.3)):
        write_result(result(name, p99_s=p99_s), tmp_path / name)
    found = typed(
        "compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"),
        "--fail-if", "p99_end_to_end_s > +10%", "--json", str(tmp_path / "out.json"),
    )  # fmt: skip
    assert found.return_value == 1
    assert "FAILED  p99_end_to_end_s > +10%" in found.output
    assert json.loads((tmp_path / "out.json").read_text())["fail_if"][0]["crossed"] is True


def test_merge_writes_result_and_page_beside_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = tmp_path / "big-part1of2"
    part.mkdir()
    (part / "measured.json").write_text("{}")
    given: list[Any] = []

    def merged(folders: list[Path], out: Path) -> LoadResult:
        given.append((folders, out))
        out.mkdir()
        return result("big", passed=False)

    monkeypatch.setattr(merge, "merge", merged)
    found = typed("merge", str(part), "--out", str(tmp_path / "big"))
    assert given == [([part], tmp_path / "big")]
    assert found.return_value == 1
    assert {path.name for path in (tmp_path / "big").iterdir()} == {"result.json", "report.html"}


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A lab that passes up to 700 messages per second; what it was asked for."""
    orders: list[Any] = []

    def run(_context: Any, order: Any, **_: Any) -> tuple[LoadResult, Path]:
        orders.append(order)
        rate = order.scenario.rate_per_s
        return result(f"r{len(orders)}", rate=rate, p99_s=rate / 5000, passed=rate <= 700), Path()

    monkeypatch.setattr(launch, "run_in_lab", run)
    return orders


def test_sweep_finds_draws_and_writes(lab: list[Any], tmp_path: Path) -> None:
    page, out = tmp_path / "sweep.html", tmp_path / "sweep.json"
    found = typed("sweep", "work", "--threshold", PATIENCE, "--html", str(page), "--json", str(out))
    assert found.return_value == 0
    assert "work: the highest rate that passes is 6" in found.output
    content = json.loads(out.read_text())
    assert 700 / 1.05 - 1 <= content["highest_per_s"] <= 700
    assert [point["passed"] for point in content["points"]] == [True] * 9 + [False]
    assert "<svg" in page.read_text()
    assert all(PATIENCE in order.scenario.thresholds for order in lab)


def test_sweep_purges_only_what_its_own_runs_left(lab: list[Any], tmp_path: Path) -> None:
    typed("sweep", "work", "--html", str(tmp_path / "sweep.html"))
    assert [order.purge for order in lab] == [False] + [True] * (len(lab) - 1)
    lab.clear()
    typed("sweep", "work", "--purge", "--html", str(tmp_path / "sweep.html"))
    assert lab[0].purge is True


def test_sweep_elsewhere_needs_an_account_before_the_first_run(lab: list[Any]) -> None:
    refused = typed("sweep", "work", "--url", "amqps://mq1")
    assert isinstance(refused.exception, BadInputError)
    assert lab == []


def test_runs_elsewhere_are_made_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def run(order: Any, resolved: scenario.Scenario, foreign: Any, **_: Any) -> tuple[LoadResult, Path]:
        made.append((resolved.rate_per_s, foreign))
        return result("r"), Path()

    monkeypatch.setattr(launch, "run_here", run)
    context: Any = cli.options.context(None)
    asked = sweeping.asked("work", settings=[], thresholds=[], duration_s=3.0)
    sweeping.elsewhere(context, asked, "there")(250.0)  # type: ignore[arg-type]
    assert made == [(250.0, "there")]


class Management:
    """A queue to which ten messages come between two readings."""

    count = 0

    def get(self, *_: str) -> Mapping[str, Any]:
        return {"rates_mode": "basic"}

    def rows(self, *_: str) -> list[dict[str, Any]]:
        self.count += 10
        return [{"name": "orders.work", "message_stats": {"publish": self.count}}]


def test_record_makes_a_curve_of_a_foreign_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o600)
    asked: list[Any] = []
    monkeypatch.setattr(record, "foreign", lambda *args, **kw: asked.append((args, kw)) or Management())
    monkeypatch.setattr(record, "SHORTEST_S", 0.01)
    out = tmp_path / "curve.csv"
    found = typed(
        "record", "orders.work", "--vhost", "/orders", "--for", "40ms", "--every", "20ms", "--out", str(out),
        "--url", "https://mq1", "--user", "me", "--password-file", str(password),
    )  # fmt: skip
    assert found.return_value == 0, found.exception
    assert asked[0][1]["password"] == "secret"
    lines = out.read_text().splitlines()
    assert lines[0] == "t_s,rate_per_s"
    assert len(lines) == 4
    assert lines[-1].endswith(",0")


def test_record_refuses_what_the_broker_does_not_tell_so_often(tmp_path: Path) -> None:
    refused = typed(
        "record", "q", "--vhost", "/", "--for", "1m", "--every", "1s", "--out", str(tmp_path / "c")
    )
    assert isinstance(refused.exception, BadInputError)
    assert not (tmp_path / "c").exists()
