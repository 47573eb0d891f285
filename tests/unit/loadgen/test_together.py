"""Parts are started one by one, wait for each other, and are released, interrupted and ended together."""

from __future__ import annotations

import io
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadgen.composite import CompositePart
from loadgen.container import Place
from loadgen.dayview import DayView
from loadgen.progress import Quiet
from loadgen.spec import LoadSpec
from loadgen.together import Ensemble
from warren.errors import NotReadyError
from warren.process import Completed

PLACE = Place(docker="docker", image="i", network="n", cluster="c")
LIMIT_S = 10.0


class Child:
    """A container that says what a test puts in; its input is closed when it is released."""

    def __init__(self) -> None:
        self.lines: queue.Queue[bytes | None] = queue.Queue()
        self.stdin: Any = io.BytesIO()
        self.stdout: Any = self

    def __iter__(self) -> Iterator[bytes]:
        while (line := self.lines.get(timeout=LIMIT_S)) is not None:
            yield line

    def say(self, **event: Any) -> None:
        self.lines.put(json.dumps(event).encode() + b"\n")

    def end(self) -> None:
        self.lines.put(None)

    @property
    def released(self) -> bool:
        return bool(self.stdin.closed)

    def wait(self, timeout: float | None = None) -> int:
        return 0

    def kill(self) -> None: ...


class Ground:
    """An ensemble of scripted containers, and what docker was asked to do."""

    def __init__(self, runs: Path) -> None:
        self.asked: list[str] = []
        self.children: dict[str, Child] = {}
        shown = DayView(Quiet(), planned_s=1, start_after_s={})
        self.ensemble = Ensemble(runs, self._docker, shown)
        self.error: list[BaseException] = []
        self.unsticking: Any = SimpleNamespace(hear=lambda event, show: self.heard.append(event["type"]))
        self.heard: list[str] = []

    def start(self, name: str, **about: Any) -> Child:
        child = self.children[name] = Child()
        spec = LoadSpec(
            run_id=f"day-{name}", nonce=1, seed=1, profile=name, vhost="/", endpoints=(), ca_pem=None,
            users=(), publishers=(), consumers=(), folder="", held=True,
        )  # fmt: skip
        part = CompositePart(name=name, profile=name, **about)
        self.ensemble.start(part, spec, PLACE, lambda _argv: child, self.unsticking)
        return child

    def go(self) -> threading.Thread:
        def run() -> None:
            try:
                self.ensemble.go()
            except NotReadyError as error:
                self.error.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def _docker(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        self.asked.append(" ".join(argv[1:]))
        if argv[1] == "rm":
            self.children[argv[-1].removeprefix("c-load-day-")].end()
        return Completed(argv=tuple(argv), returncode=0, stdout="", stderr="")


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def wait(probe: Callable[[], bool]) -> bool:
    end = time.monotonic() + LIMIT_S
    settled = threading.Event()
    while not probe() and time.monotonic() < end:
        settled.wait(0.01)
    return probe()


def test_nobody_begins_before_all_are_ready(ground: Ground, tmp_path: Path) -> None:
    work, mail = ground.start("work"), ground.start("mail")
    going = ground.go()
    work.say(type="ready")
    assert wait(lambda: ground.ensemble.parts[0].ready)
    assert [work.released, mail.released] == [False, False]
    mail.say(type="ready")
    assert wait(lambda: work.released and mail.released)
    work.say(type="anew", t_s=200)
    assert wait(lambda: ground.heard == ["anew"])
    work.end()
    mail.end()
    going.join(LIMIT_S)
    assert (ground.error, ground.asked) == ([], [])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["day-mail", "day-work"]


def test_part_that_begins_later_is_released_later(ground: Ground) -> None:
    work, late = ground.start("work"), ground.start("late", start_after_s=0.5)
    going = ground.go()
    for child in (work, late):
        child.say(type="ready")
    assert wait(lambda: work.released)
    assert not late.released
    assert wait(lambda: late.released)
    for child in (work, late):
        child.end()
    going.join(LIMIT_S)


def test_part_that_cannot_begin_lets_none_begin(ground: Ground) -> None:
    work, mail = ground.start("work"), ground.start("mail")
    going = ground.go()
    work.say(type="ready")
    mail.say(type="error", where="rmq1:5671", what="refused", remedy="mend it", exit_code=3)
    mail.end()
    going.join(LIMIT_S)
    (error,) = ground.error
    assert "part mail: rmq1:5671" in str(error)
    assert ground.asked == ["rm --force c-load-day-work"]
    assert not work.released


def test_part_that_ends_without_a_word_is_named(ground: Ground) -> None:
    ground.start("work").say(type="ready")
    ground.start("mail").end()
    ground.go().join(LIMIT_S)
    assert "part mail" in str(ground.error[0])


def test_error_of_one_in_the_middle_waits_for_the_others(ground: Ground) -> None:
    work, mail = ground.start("work"), ground.start("mail")
    going = ground.go()
    for child in (work, mail):
        child.say(type="ready")
    assert wait(lambda: work.released and mail.released)
    mail.say(type="error", where="load", what="broke", remedy="", exit_code=3)
    mail.end()
    assert wait(lambda: ground.ensemble.parts[1].over)
    assert going.is_alive()
    work.end()
    going.join(LIMIT_S)
    assert "part mail: load" in str(ground.error[0])


def test_interrupt_reaches_every_part_and_the_third_ends_them(ground: Ground) -> None:
    work, late = ground.start("work"), ground.start("late", start_after_s=3600)
    going = ground.go()
    for child in (work, late):
        child.say(type="ready")
    assert wait(lambda: work.released)
    ground.ensemble.interrupt(1)
    names = ("c-load-day-work", "c-load-day-late")
    assert ground.asked == [f"kill --signal INT {name}" for name in names]
    assert wait(lambda: late.released)
    ground.ensemble.interrupt(3)
    going.join(LIMIT_S)
    assert ground.asked[2:] == [f"rm --force {name}" for name in names]
