"""The demonstration's order of acts, without a cluster: a start that notes what was asked for."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from warren.console import Say, silent
from warren.demo import page
from warren.demo.engine import Demonstration, Leg, Subprocess, exit_code
from warren.errors import DeadlineError, NotReadyError
from warren.results import LoadResult, Verdict
from warren.wait import Clock


@dataclass
class FakeChild:
    stage: Stage
    title: str
    arguments: Sequence[str]
    marked: threading.Event = field(default_factory=threading.Event)
    ended: bool = False

    def wait(self, timeout_s: float) -> int:
        self.stage.waited.append(self.title)
        self.stage.on_wait(self.title)
        if "--json" in self.arguments:
            result = LoadResult(
                run_id=f"{self.title}-1",
                profile=self.title,
                started_at="",
                ended_at="",
                verdict=Verdict.PASSED,
            )
            Path(self.arguments[-1]).write_text(json.dumps(result.to_dict()))
        return self.stage.statuses.get(" ".join(self.arguments[:2]), 0)

    def interrupt(self) -> None:
        self.stage.interrupted.append(self.title)


@dataclass
class Stage:
    """Notes every command; ``dead`` names profiles that end before they publish."""

    statuses: dict[str, int] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    waited: list[str] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)
    on_wait: Callable[[str], None] = lambda title: None
    now: float = 0.0

    def __call__(self, title: str, arguments: Sequence[str], say: Say) -> FakeChild:
        self.asked.append(" ".join(arguments[:4]) if arguments[0] == "chaos" else " ".join(arguments[:3]))
        child = FakeChild(self, title, arguments)
        child.marked.set()
        child.ended = title in self.dead
        return child

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def demonstration(stage: Stage, folder: Path) -> Demonstration:
    clock = Clock(now=lambda: stage.now, sleep=stage.sleep)
    return Demonstration(start=stage, say=silent, results=folder, clock=clock)


def test_kills_the_leader_while_both_profiles_run_and_judges_all_three(tmp_path: Path) -> None:
    stage = Stage()
    legs = demonstration(stage, tmp_path).run()
    assert stage.asked == [
        "load run work",
        "load run retry",
        "chaos kill --leader-of orders.work",
        "chaos heal",
        "load run priority",
    ]
    assert [leg.profile for leg in legs] == ["work", "retry", "priority"]
    assert exit_code(legs) == 0
    assert not stage.interrupted


def test_heals_and_interrupts_the_runs_when_the_healing_command_fails(tmp_path: Path) -> None:
    stage = Stage(statuses={"chaos heal": 3})
    with pytest.raises(NotReadyError, match="chaos heal"):
        demonstration(stage, tmp_path).run()
    assert stage.interrupted == ["work", "retry"]
    assert stage.asked[-2:] == ["chaos heal", "chaos heal"], "it must be tried again on the way out"


def test_breaks_nothing_when_a_run_ended_before_it_published(tmp_path: Path) -> None:
    stage = Stage(dead={"retry"})
    with pytest.raises(NotReadyError, match="retry: ended before it published"):
        demonstration(stage, tmp_path).run()
    assert not any(asked.startswith("chaos") for asked in stage.asked)


def test_heals_although_a_run_that_was_interrupted_hangs(tmp_path: Path) -> None:
    def hang(title: str) -> None:
        if title == "work":
            raise DeadlineError("work", "still ran after 420 s")

    stage = Stage(statuses={"chaos heal": 3}, on_wait=hang)
    with pytest.raises(DeadlineError):
        demonstration(stage, tmp_path).run()
    assert stage.asked[-1] == "chaos heal"
    assert "retry" in stage.waited, "the others are waited for all the same"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_heals_when_it_is_told_to_end_while_the_leader_is_dead(
    tmp_path: Path, number: signal.Signals
) -> None:
    """In a process of its own, which a signal that nobody handles would end."""
    told = tmp_path / "asked"
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores it
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            stage = Stage()
            demo = demonstration(stage, tmp_path)
            rest = stage.sleep

            def sleep(seconds: float) -> None:
                rest(seconds)
                if demo.struck:
                    signal.raise_signal(number)

            demo.clock = Clock(now=lambda: stage.now, sleep=sleep)
            demo.run()
        except KeyboardInterrupt:
            told.write_text("\n".join([*stage.asked, *stage.interrupted]))
            status = 130
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 130
    lines = told.read_text().splitlines()
    assert lines[-3:] == ["chaos heal", "work", "retry"]


def test_interrupted_command_of_chaos_is_told_too_and_ends_before_the_healing(tmp_path: Path) -> None:
    def interrupt(title: str) -> None:
        if title == "chaos" and not stage.interrupted:
            raise KeyboardInterrupt

    stage = Stage(on_wait=interrupt)
    with pytest.raises(KeyboardInterrupt):
        demonstration(stage, tmp_path).run()
    assert "chaos" in stage.interrupted, "else it may strike after the healing has looked"
    assert stage.asked[-1] == "chaos heal"


def test_command_that_a_signal_ended_has_failed() -> None:
    script = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert Subprocess("work", [sys.executable, "-c", script], dict(os.environ), silent).wait(20) == 137


@pytest.mark.parametrize(
    ("statuses", "code"), [((0, 0, 0), 0), ((0, 4, 1), 1), ((0, 4, 0), 4), ((0, 3, 0), 3), ((3, 4, 0), 4)]
)
def test_worst_verdict_decides_the_exit_code(statuses: tuple[int, ...], code: int) -> None:
    legs = [Leg(profile=str(place), status=status, result=None) for place, status in enumerate(statuses)]
    assert exit_code(legs) == code


def test_page_tells_a_run_without_a_result(tmp_path: Path) -> None:
    text = page.text([Leg(profile="work", status=3, result=None)], tmp_path)
    assert "work      no result (exit status 3)" in text
