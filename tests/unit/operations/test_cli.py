"""The commands: the plan first, a yes before anything is done, the result as JSON, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from warren import cli
from warren.errors import NotReadyError
from warren.operate import options
from warren.operating import catalogue, record, wiring

from .conftest import Ground

Run = Callable[..., int]


@pytest.fixture
def run(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the real command line on the fake cluster; its exit code."""
    context = SimpleNamespace(topology=ground.topology, state=ground.state)
    monkeypatch.setattr(options, "context", lambda topology=None: context)
    monkeypatch.setattr(wiring, "site_of", lambda context: ground.site())

    def run(*words: str) -> int:
        return cli._run(["cluster", *words])

    return run


def test_every_operation_is_a_command_with_help(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for name in catalogue.names():
        assert run(name, "--help") == 0
        shown = capsys.readouterr().out
        assert "--dry-run" in shown
        assert "--undo" in shown
    assert run("--help") == 0
    assert "rotate-cookie" in capsys.readouterr().out


def test_dry_run_prints_the_plan_and_changes_nothing(
    run: Run, ground: Ground, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ground.processes()
    assert run("restart", "--dry-run", "--json", str(tmp_path / "plan.json")) == 0
    shown = capsys.readouterr().out
    assert "rmq2 (2 of 3): draining it" in shown
    assert "if it stops: go on: warren cluster restart --yes" in shown
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["done"] is False
    assert [step["what"] for step in plan["steps"]][:2] == [
        "look whether the cluster is whole",
        "rmq1 (1 of 3): waiting until every queue can spare it",
    ]
    assert ground.processes() == before


def test_where_nobody_can_answer_nothing_is_done(
    run: Run, ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ground.processes()
    monkeypatch.setattr("sys.stdin", open("/dev/null", encoding="utf-8"))  # noqa: SIM115, PTH123
    assert run("restart") == 2
    assert "warren cluster restart --yes" in capsys.readouterr().err
    assert ground.processes() == before


def test_yes_does_it_and_says_where_the_time_went(
    run: Run, ground: Ground, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ground.runtime.on("start", lambda: ground.time.sleep(6), times=None)
    assert run("restart", "--node", "rmq2", "--yes", "--json", str(tmp_path / "done.json")) == 0
    shown = capsys.readouterr().out
    assert "restart: done in 6.5 s" in shown
    assert "rmq2 (1 of 1): starting it" in shown
    done: dict[str, Any] = json.loads((tmp_path / "done.json").read_text())
    assert (done["done"], done["operation"], done["args"]["node"]) == (True, "restart", "rmq2")
    assert done["seconds"] == 6.5  # half a second for the leaders


def test_what_stops_on_its_way_exits_with_3_and_is_gone_on_with(
    run: Run, ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    ground.runtime.fail("start", node="rmq2")
    assert run("restart", "--yes") == 3
    told = capsys.readouterr().err
    assert "restart stopped at step" in told
    assert "rmq2 may be down" in told
    assert "go on: warren cluster restart --yes" in told
    assert "undo: warren cluster restart --undo" in told
    assert run("restart", "--yes") == 0
    assert "gone on with, begun at" in capsys.readouterr().out
    assert record.read(ground.state) is None
    assert not ground.broken()


def test_undo_puts_back_and_closes_it(run: Run, ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    ground.runtime.fail("start", node="rmq2")
    run("restart", "--yes")
    assert run("restart", "--undo", "--yes") == 0
    assert "restart: undone" in capsys.readouterr().out
    assert not ground.broken()
    assert run("restart", "--undo", "--yes") == 2


def test_record_of_another_version_is_told_by_its_path(run: Run, ground: Ground) -> None:
    record.path(ground.state).write_text('{"schema": 99}')
    with pytest.raises(NotReadyError, match="schema 99"):
        record.read(ground.state)
    assert run("restart", "--dry-run") == 3
