"""What the commands of game days print, and what they refuse before a cluster is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from chaos import gameday_page
from chaos.cli import chaos
from chaos.experiment_reader import names
from chaos.gameday import Played, Rehearsal
from chaos.probing import Answer
from chaos.schedule import steps
from warren.errors import BadInputError

from .fake_day import FakeDay


@pytest.fixture
def call(tmp_path: Path) -> Any:
    def invoke(*arguments: str) -> Result:
        env = {"WARREN_STATE": str(tmp_path / "state"), "WARREN_TOPOLOGY": "deploy/topology.yml"}
        return CliRunner().invoke(chaos, arguments, env=env, catch_exceptions=True)

    return invoke


def test_catalogue_tells_what_each_game_day_teaches(call: Any, tmp_path: Path) -> None:
    out = tmp_path / "list.json"
    said = call("experiments", "--json", str(out)).output
    plain = json.loads(out.read_text(encoding="utf-8"))
    assert [each["name"] for each in plain] == list(names())
    for each in plain:
        assert each["title"] in said
        assert each["teaches"] in said


def test_export_goes_to_the_screen_or_a_file(call: Any, tmp_path: Path) -> None:
    said = json.loads(call("export", "leader-killed", "--seed", "3").output)
    out = tmp_path / "day.json"
    assert call("export", "leader-killed", "--seed", "3", "--out", str(out)).exit_code == 0
    assert json.loads(out.read_text(encoding="utf-8")) == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "leader-kiled"), "is not known"),
        (("run", "leader-killed", "--set", "load.rate=fast"), "load.rate as given"),
        (("run", "leader-killed", "--set", "load.duration=30s"), "less than the method may take"),
        (("export", "leader-kiled"), "is not known"),
    ],
)
def test_what_is_wrong_is_refused_before_anything(call: Any, arguments: tuple[str, ...], said: str) -> None:
    done = call(*arguments)
    assert isinstance(done.exception, BadInputError)
    assert said in str(done.exception)


def test_verdict_comes_first_then_what_it_rests_on(ground: Any, tmp_path: Path) -> None:
    day = FakeDay(ground, tmp_path, fires=False)
    said = gameday_page.played(Played(day=day.play(), folder=tmp_path, report=None, interrupted=False))
    assert said.startswith("Leader killed: FAILED\n  WarrenNodeDown did not fire")
    for part in (
        "confirm_gap_s",
        "0.1 to 5  within",
        "order                not judged",
        "fired never",
        "seed       7",
    ):
        assert part in said


def test_plan_says_what_holds_now_and_whom_it_would_strike(ground: Any, tmp_path: Path) -> None:
    found = FakeDay(ground, tmp_path).experiment()
    answers = (Answer(probe="no alarm", when="start", t_s=0, value=0, holds=True),)
    whom = {"kill it": "rmq2"}
    rehearsal = Rehearsal(answers=answers, steps=steps(found, ("rmq1",), 1), whom=whom)
    said = gameday_page.plan(found, rehearsal, 1)
    for part in (
        "no alarm: is 0",
        "kill it: kill leader of orders.work for 10 s",
        "now: rmq2",
        "WarrenNodeDown fires within 30 s",
    ):
        assert part in said


def test_day_that_was_played_beside_another_says_beside_which(ground: Any, tmp_path: Path) -> None:
    day = FakeDay(ground, tmp_path).play()
    together = {"day": "a-1", "beside": {"retry": "b-1"}, "bystander": "its queue was led by rmq3"}
    found = Played(day=replace(day, together=together), folder=tmp_path, report=None, interrupted=False)
    assert "beside     retry (b-1)\n           its queue was led by rmq3" in gameday_page.played(found)
