"""^C, a termination and a closed terminal: counted, and what is said to nobody ends nothing."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from inspect import signature
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from loadgen import launch, together
from loadgen.bench.engine import Bench
from loadgen.interrupts import on_interrupt

LIMIT_S = 20.0


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """What a run that began now has been told; signals are as they were afterwards."""
    told: list[int] = []
    with on_interrupt(told.append):
        yield told


def test_each_interrupt_and_termination_counts(heard: list[int]) -> None:
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)
    assert heard == [1, 2]


def test_a_closed_terminal_stops_publishing_and_never_skips_the_drain(heard: list[int]) -> None:
    """The shell hangs up on its jobs, and the kernel once more."""
    signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGHUP)
    assert heard == [1]
    signal.raise_signal(signal.SIGINT)
    assert heard == [1, 2]


def test_under_nohup_a_closed_terminal_is_nothing() -> None:
    told: list[int] = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with on_interrupt(told.append):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert told == []


#: Runs until it is told to stop, then says something to the terminal and leaves a result.
LISTENER = """
import sys, threading
from pathlib import Path
from rich.console import Console
from loadgen import progress
from loadgen.interrupts import on_interrupt
stop = threading.Event()
shown = progress.view(Console(stderr=True), title="t", quiet=False)
with on_interrupt(lambda count: stop.set()), shown as view:
    print("ready", flush=True)
    while not stop.wait(0.05):
        pass
    for second in range(3):
        view.show({"type": "note", "text": "drains"})
print("passed", flush=True)
Path(sys.argv[1]).write_text("judged")
"""
#: Is interrupted by it, and says so while it heals.
HEALER = """
import sys, time
from pathlib import Path
from warren.operate.options import say
from warren.signals import terminate_as_interrupt
try:
    with terminate_as_interrupt():
        print("ready", flush=True)
        while True:
            time.sleep(0.05)
except KeyboardInterrupt:
    say("heals")
    Path(sys.argv[1]).write_text("healed")
"""
#: Was let go by its shell: nobody tells it that the terminal is closed.
DISOWNED = """
import signal, sys, time
from pathlib import Path
from warren.operate.options import say
signal.signal(signal.SIGHUP, signal.SIG_IGN)
print("ready", flush=True)
while Path(sys.argv[1]).exists():
    time.sleep(0.05)
say("one")
say("two")
Path(sys.argv[1]).write_text("went on")
"""


@pytest.mark.parametrize(
    ("program", "left"), [(LISTENER, "judged"), (HEALER, "healed"), (DISOWNED, "went on")]
)
def test_who_outlives_its_terminal_goes_on_without_it(program: str, left: str, tmp_path: Path) -> None:
    result = tmp_path / "result"
    result.write_text("open", encoding="utf-8")
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY)\n{program}",
            result,
        ],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        _read_until(ours, b"ready\r\n")
        os.close(ours)
        result.unlink() if program is DISOWNED else None
        assert child.wait(LIMIT_S) == 0
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        child.wait(LIMIT_S)
    assert result.read_text(encoding="utf-8") == left


def _read_until(terminal: int, word: bytes) -> None:
    said, end_s = b"", time.monotonic() + LIMIT_S
    while word not in said:
        assert time.monotonic() < end_s, said
        if select.select([terminal], [], [], 0.5)[0]:
            said += os.read(terminal, 4096)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("begins", ["run_in_lab", "run_here", "run_built", "run_together"])
def test_what_is_made_before_a_run_begins_is_undone_on_a_termination(
    begins: str, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its virtual host, its target in Prometheus: unwinding takes them away, and death would not."""

    def told(*_: object, **__: object) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr(launch, "new_run", told)
    monkeypatch.setattr(launch.resolve, "resolve", told)
    monkeypatch.setattr(together, "fitted", told)
    begin = getattr(together if begins == "run_together" else launch, begins)
    anything: Any = Mock()
    given = dict.fromkeys(signature(begin).parameters, anything)
    with pytest.raises(KeyboardInterrupt):
        begin(**given)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_a_benchmark_made_is_removed_on_a_termination(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Mock()
    bench = Bench(context=Mock(), place=Mock(), image="", plan=Mock(), record=Mock(), stage=stage)
    monkeypatch.setattr(Bench, "missing", lambda *_: [])
    monkeypatch.setattr(Bench, "_cell", lambda *_: signal.raise_signal(number))
    bench.plan.estimate_s.return_value = 0.0  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        bench.run((Mock(),))
    stage.remove.assert_called_once_with()
