"""A matrix and repeats from their first run to what is written of them, without a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos.record import GameDay, Verdict
from chaos.statistics import compare, matrix, page, repeats, running, templates
from chaos.statistics.outcome import Outcome
from chaos.statistics.store import Store
from chaos.statistics.turns import INTERRUPTED, Bout, Means
from warren.errors import BadInputError, InconclusiveError, NotReadyError, WarrenError
from warren.wait import Clock

MakeDay = Callable[..., GameDay]
TIMERS = templates.Timers(poll_s=5.0, tick_s=60.0)
WANTED = matrix.Wanted(faults=("kill", "pause"), profiles=("work",), repeats=2)


class Cluster:
    """Plays every experiment in ten seconds: gaps by fault, verdicts by the number of the run."""

    def __init__(self, make_day: MakeDay) -> None:
        self.make_day = make_day
        self.now_s = 0.0
        self.said: list[str] = []
        self.played: list[str] = []
        self.verdicts: dict[int, Verdict] = {}
        self.errors: dict[str, BaseException] = {}

    def play(self, paths: Sequence[Path], seed: int) -> list[GameDay]:
        self.now_s += 10.0
        return [self._play(path, seed) for path in paths]

    def _play(self, path: Path, seed: int) -> GameDay:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        fault = document["method"][0]["fault"]
        if fault in self.errors:
            raise self.errors[fault]
        self.played.append(path.stem)
        number = len(self.played)
        verdict = self.verdicts.get(number, Verdict.PASSED)
        gap_s = {"kill": 0.5, "pause": 7.0}[fault] + number / 100
        return self.make_day(
            f"{path.stem}-{number}",
            confirm=gap_s,
            seed=seed,
            verdict=verdict,
            reasons=() if verdict is Verdict.PASSED else ("why not",),
            settings={"failure_detector_poll_ms": 5000},
            versions={"rabbitmq": "4.3.6"},
        )

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.now_s, sleep=lambda s: None)

    def matrix(self, folder: Path, wanted: matrix.Wanted = WANTED, **order: Any) -> Outcome:
        cells = matrix.cells(
            templates.read(), wanted, TIMERS, missing=lambda fault: "needs root" if fault == "cpu" else ""
        )
        this = running.Order(cells=cells, folder=folder, **{"seed": 1, "facts": {"nodes": 3}, **order})
        return running.run_matrix(this, self.play, clock=self.clock, say=self.said.append)


@pytest.fixture
def cluster(make_day: MakeDay) -> Cluster:
    return Cluster(make_day)


def test_matrix_runs_every_cell_and_passes(cluster: Cluster, tmp_path: Path) -> None:
    found = cluster.matrix(tmp_path / "m")
    assert (found.made, found.planned, found.verdict, found.exit_code) == (4, 4, Verdict.PASSED, 0)
    assert sorted(cluster.played) == ["kill-work", "kill-work", "pause-work", "pause-work"]
    assert (found.settings, found.versions) == ({"failure_detector_poll_ms": 5000}, {"rabbitmq": "4.3.6"})
    assert found.loss.confirmed == 4000


def test_matrix_goes_on_where_its_budget_ended(cluster: Cluster, tmp_path: Path) -> None:
    first = cluster.matrix(tmp_path / "m", budget_s=25.0)
    assert (first.made, first.exit_code) == (2, 0)
    assert [each.made for each in first.cells] == [1, 1]
    assert "budget of 25 s" in first.stopped
    second = cluster.matrix(tmp_path / "m")
    assert (second.made, second.stopped, len(cluster.played)) == (4, "", 4)


def test_budget_too_short_for_every_cell_is_inconclusive(cluster: Cluster, tmp_path: Path) -> None:
    found = cluster.matrix(tmp_path / "m", budget_s=5.0)
    assert (found.made, found.verdict, found.exit_code) == (1, Verdict.INCONCLUSIVE, 4)
    assert "no run of it was made (not run yet)" in found.gaps[0]


@pytest.mark.parametrize(
    ("verdict", "exit_code"), [(Verdict.FAILED, 1), (Verdict.HANG, 1), (Verdict.INCONCLUSIVE, 4)]
)
def test_gravest_verdict_is_the_exit_code_and_is_named(
    cluster: Cluster, tmp_path: Path, verdict: Verdict, exit_code: int
) -> None:
    cluster.verdicts[3] = verdict
    found = cluster.matrix(tmp_path / "m")
    assert (found.verdict, found.exit_code) == (verdict, exit_code)
    (bad,) = [run for cell in found.cells for run in cell.summary.not_passed]
    for text in (page.matrix_text(found), page.matrix_markdown(found)):
        assert f"seed {bad.seed}" in text
        assert bad.run_id in text
        assert "why not" in text


@pytest.mark.parametrize("change", [{"seed": 2}, {"facts": {"nodes": 5}}])
def test_matrix_of_another_plan_is_not_mixed_in(
    cluster: Cluster, tmp_path: Path, change: dict[str, Any]
) -> None:
    cluster.matrix(tmp_path / "m")
    with pytest.raises(BadInputError, match=next(iter(change))):
        cluster.matrix(tmp_path / "m", **change)


def test_matrix_of_profiles_together_is_not_mixed_with_one_of_profiles_apart(
    cluster: Cluster, tmp_path: Path
) -> None:
    both = replace(WANTED, profiles=("work", "retry"), together=True)
    found = cluster.matrix(tmp_path / "m", both, facts={"nodes": 3, "together": ["work", "retry"]})
    assert (found.made, cluster.now_s) == (8, 40.0)
    for wanted in (WANTED, both):
        with pytest.raises(BadInputError, match="together"):
            cluster.matrix(tmp_path / "m", wanted)


def test_more_repeats_are_added_to_what_is_there(cluster: Cluster, tmp_path: Path) -> None:
    cluster.matrix(tmp_path / "m")
    found = cluster.matrix(tmp_path / "m", replace(WANTED, repeats=3))
    assert (found.made, len(cluster.played)) == (6, 6)


def test_interrupt_is_130_and_shows_what_there_is(cluster: Cluster, tmp_path: Path) -> None:
    cluster.errors["pause"] = KeyboardInterrupt()
    found = cluster.matrix(tmp_path / "m")
    assert (found.stopped, found.exit_code) == (INTERRUPTED, 130)
    assert "--resume goes on" in page.matrix_text(found)


def test_what_cannot_be_had_stands_in_the_grid_with_its_reason(cluster: Cluster, tmp_path: Path) -> None:
    found = cluster.matrix(
        tmp_path / "m", matrix.Wanted(faults=("kill", "cpu"), profiles=("work",), repeats=1)
    )
    assert (found.planned, found.verdict, found.gaps) == (1, Verdict.PASSED, ())
    for text in (page.matrix_text(found), page.matrix_markdown(found)):
        assert "needs root" in text


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(NotReadyError("rmq2", "is down"), 3), (InconclusiveError("rmq2", "did not bite"), 3)],
)
def test_nothing_made_is_not_ready(
    cluster: Cluster, tmp_path: Path, error: WarrenError, exit_code: int
) -> None:
    cluster.errors = {"kill": error, "pause": error}
    found = cluster.matrix(tmp_path / "m")
    assert (found.made, found.exit_code) == (0, exit_code)
    assert error.what in page.matrix_text(found)


def test_run_that_could_not_be_made_makes_it_inconclusive(cluster: Cluster, tmp_path: Path) -> None:
    cluster.errors["pause"] = NotReadyError("rmq2", "is down")
    found = cluster.matrix(tmp_path / "m")
    assert (found.verdict, found.exit_code) == (Verdict.INCONCLUSIVE, 4)
    cluster.errors.clear()
    assert cluster.matrix(tmp_path / "m").exit_code == 0


def test_outcome_is_written_as_json_markdown_and_a_page(cluster: Cluster, tmp_path: Path) -> None:
    found = cluster.matrix(tmp_path / "m")
    as_json, as_markdown, as_page = running.write_outcome(found, tmp_path / "m")
    plain = json.loads(as_json.read_text(encoding="utf-8"))
    assert plain["schema"] == 1
    assert plain["verdict"] == "passed"
    assert plain["loss"]["days"]["method"] == "rule of three"
    assert [cell["key"] for cell in plain["cells"]] == ["kill-work", "pause-work"]
    assert len(plain["cells"][0]["runs"]) == 2
    markdown = as_markdown.read_text(encoding="utf-8")
    assert "| kill | work | 2 passed |" in markdown
    for run in plain["cells"][1]["runs"]:
        assert str(run["seed"]) in markdown
    assert "<script" not in as_page.read_text(encoding="utf-8")


def test_newest_matrix_is_found(tmp_path: Path) -> None:
    assert running.newest_folder(tmp_path) is None
    for hour in (9, 11, 10):
        folder = running.new_folder(tmp_path, datetime(2026, 1, 2, hour, tzinfo=UTC))
        folder.mkdir()
        (folder / running.RECORDS).touch()
    running.new_folder(tmp_path, datetime(2026, 1, 3, tzinfo=UTC)).mkdir()  # begun, and not one line written
    quick = running.new_folder(tmp_path, datetime(2026, 1, 4, tzinfo=UTC), running.PREFIXES["quick"])
    quick.mkdir()
    (quick / running.RECORDS).touch()
    assert running.newest_folder(tmp_path) == tmp_path / "matrix-20260102-110000"
    assert running.newest_folder(tmp_path, running.PREFIXES["quick"]) == quick


# -- repeats ------------------------------------------------------------------------------------------------


def repeated(cluster: Cluster, path: Path, *, times: int = 3, budget_s: float | None = None) -> Outcome:
    what = repeats.Repeated(name="leader-killed", profile="work", document={"a": 1}, facts={"nodes": 3})
    experiment = path.with_name("leader-killed.yml")
    experiment.write_text(yaml.safe_dump({"method": [{"fault": "kill"}]}), encoding="utf-8")

    def conduct(bout: Bout) -> list[GameDay]:
        return cluster.play([experiment], bout[0].seed)

    means = Means(
        conduct=conduct, store=Store(path), clock=cluster.clock, say=cluster.said.append, budget_s=budget_s
    )
    return repeats.repeat(what, means, repeats=times, seed=42)


def test_repeats_list_their_seeds_and_the_first_is_the_one_given(cluster: Cluster, tmp_path: Path) -> None:
    found = repeated(cluster, tmp_path / "records.jsonl")
    seeds = [run.seed for run in found.cells[0].summary.runs]
    assert seeds[0] == 42
    assert len(set(seeds)) == 3
    text = page.repeats_text(found)
    assert all(str(seed) in text for seed in seeds)
    assert "0 of 3 days: at most 100 % (3/n, 95 %) with a loss" in text
    assert "confirm gap" in text
    assert "PASSED  3 of 3 runs" in text


def test_repeats_go_on_and_can_become_more(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    first = repeated(cluster, path, budget_s=12.0)
    assert (first.made, first.planned) == (1, 3)
    assert repeated(cluster, path).made == 3
    assert repeated(cluster, path, times=5).made == 5
    assert len(cluster.played) == 5


def test_zero_repeats_are_refused() -> None:
    with pytest.raises(BadInputError, match="--repeat"):
        repeats.turns("x", 0, 1)


# -- files for a comparison ----------------------------------------------------------------------------------


def test_record_files_are_found_by_path_folder_and_name(cluster: Cluster, tmp_path: Path) -> None:
    cluster.matrix(tmp_path / "matrix-1")
    cluster.matrix(tmp_path / "matrix-2")
    one, two = (tmp_path / name / running.RECORDS for name in ("matrix-1", "matrix-2"))
    assert running.record_files(str(one), tmp_path) == [one]
    assert running.record_files(str(tmp_path / "matrix-1"), tmp_path) == [one]
    assert running.record_files("matrix-*", tmp_path) == [one, two]
    assert running.record_files(f"matrix-2,{one},matrix-2", tmp_path) == [two, one]
    with pytest.raises(BadInputError, match="matrix-1, matrix-2"):
        running.record_files("matrix-3", tmp_path)


def test_two_matrices_can_be_compared(cluster: Cluster, tmp_path: Path) -> None:
    sides = []
    for name in ("m1", "m2"):
        cluster.matrix(tmp_path / name)
        cluster.played.extend(["other"] * 10)
        sides.append(compare.side(name, [(name, Store(tmp_path / name / running.RECORDS).read())]))
    found = compare.compare(*sides)
    assert [cell.cell for cell in found.cells] == ["kill-work", "pause-work"]
