"""The self-test's own course: what is kept of a run, what an interrupt ends, who purges when."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadgen import resolve
from loadgen.selftest import cases, engine, omission
from loadgen.selftest.outcome import Outcome
from warren import checkout, topology_reader
from warren.cli import root
from warren.errors import BadInputError
from warren.results import Availability, Ledger, LoadResult, Verdict

LOSE, CLEAN = cases.case("lose"), cases.case("clean")


def result(run_id: str, *, lost: int = 0, interrupted: bool = False) -> LoadResult:
    return LoadResult(
        run_id=run_id,
        profile="work",
        started_at="",
        ended_at="",
        verdict=Verdict.FAILED if lost else Verdict.PASSED,
        ledger=Ledger(published=400, confirmed=400, lost=lost),
        availability=Availability(),
        interrupted=interrupted,
    )


class Rig:
    """The engine with runs that were made up."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: list[LoadResult]) -> None:
        self.runs = tmp_path
        self.told: list[str] = []
        self.views: list[Any] = []
        self.deleted: list[tuple[str, ...]] = []
        for each in results:
            (tmp_path / each.run_id).mkdir()
        monkeypatch.setattr(engine.launch, "place", lambda _context: None)

        def through(
            _context: Any, _place: Any, plan: Any, _settings: Any, *, view: Any, starter: Any
        ) -> tuple[Mapping[str, Any], LoadResult]:
            self.views.append(view)
            return {"did": len(plan.picked), "vanished": 0, "problems": []}, results.pop(0)

        monkeypatch.setattr(engine, "through", through)
        self.context: Any = SimpleNamespace(
            say=lambda _line: None,
            state=SimpleNamespace(runs=tmp_path),
            management=SimpleNamespace(delete=lambda *path: self.deleted.append(path)),
        )

    def run(self, *chosen: cases.Case) -> tuple[list[Outcome], bool]:
        return engine.run(self.context, chosen, tell=lambda found: self.told.append(found.case))


def test_run_of_a_case_that_failed_is_kept_and_others_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, [result("a"), result("b", lost=3), result("c")])
    outcomes, interrupted = rig.run(CLEAN, LOSE, LOSE)
    assert [each.passed for each in outcomes] == [True, True, False]
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert rig.told == ["clean", "lose", "lose"]
    assert not interrupted


def test_interrupted_run_ends_the_table_and_is_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, monkeypatch, [result("a"), result("b", interrupted=True), result("c")])
    outcomes, interrupted = rig.run(CLEAN, LOSE, LOSE)
    assert ([each.case for each in outcomes], interrupted) == (["clean"], True)


def test_queue_is_purged_once_and_when_it_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, monkeypatch, [result("a")])
    rig.run(cases.case("purge"))
    for event in ({"type": "note"}, *({"type": "progress", "t_s": at} for at in (0, 1, 2))):
        rig.views[0].show(event)
    assert rig.deleted == [("queues", "/warren.selftest", "warren.selftest", "contents")]


@pytest.mark.parametrize("options", [["--coordinated-omission", "--case", "lose"], ["--perftest"]])
def test_options_that_do_not_fit_are_refused_before_anything(options: list[str]) -> None:
    with pytest.raises(BadInputError):
        root.main(["load", "selftest", *options], prog_name="warren", standalone_mode=False)


def test_profile_fits_any_topology_and_touches_nobodys_queue() -> None:
    found = engine.profile(omission.SETTINGS)
    resolved = resolve.resolve(found, topology_reader.load(checkout.path("deploy", "topology.yml")))
    assert resolved.own_vhost or resolved.vhost == "/warren.selftest"
    assert [role.destinations for role in resolved.publishers] == [("warren.selftest",)]
    assert (resolved.rate_per_s, resolved.consumers[0].count) == (omission.RATE_PER_S, 1)
