"""The demonstration: one fault, judged by two ledgers while it happens, and a third profile after it.

Each step runs a command that the user can type, and says it, so that the demonstration is also a lesson.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from warren.console import Say
from warren.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, DeadlineError, NotReadyError
from warren.results import LoadResult, read_result
from warren.signals import interruptible, terminate_as_interrupt
from warren.wait import Clock

#: The profiles that run while the leader is killed, and what they are run with.
UNDER_FAULT: Mapping[str, tuple[str, ...]] = {
    "work": ("--rate", "300", "--duration", "80s"),
    "retry": ("--rate", "10", "--duration", "60s"),
}
AFTER_FAULT: Mapping[str, tuple[str, ...]] = {"priority": ("--duration", "20s")}
#: Half of the work profile's time, and how long the node stays dead: the run outlasts the healing, so that
#: its page shows both ends of the fault.
KILL_AFTER_S, DEAD_FOR_S = 40.0, 8.0
#: A run waits up to 150 s for what the broker may hold back of a dead node, and may start an image build.
_START_DEADLINE_S, _RUN_DEADLINE_S = 120.0, 420.0
_HEAL_DEADLINE_S = 300.0


class Child(Protocol):
    """A command that runs: its lines go to a `Say`. ``marked`` is set when it publishes, or has ended."""

    marked: threading.Event
    ended: bool

    def wait(self, timeout_s: float) -> int: ...

    def interrupt(self) -> None: ...


class Start(Protocol):
    """Starts `warren` with arguments and hands its lines on under ``title``."""

    def __call__(self, title: str, arguments: Sequence[str], say: Say) -> Child: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One profile's part: its exit status and, where it wrote one, its result."""

    profile: str
    status: int
    result: LoadResult | None


@dataclass(slots=True)
class Demonstration:
    """Runs the legs; children that still run when it ends are interrupted, and faults healed."""

    start: Start
    say: Say
    results: Path
    clock: Clock
    children: dict[str, Child] = field(default_factory=dict)
    struck: bool = False

    def run(self) -> tuple[Leg, ...]:
        """All legs. Raises DeadlineError when one hangs, NotReadyError when a fault fails; KeyboardInterrupt
        (^C, SIGTERM, SIGHUP) passes through after healing."""
        with terminate_as_interrupt():
            try:
                return self._run()
            finally:
                self._clean_up()

    def _run(self) -> tuple[Leg, ...]:
        for profile, options in UNDER_FAULT.items():
            self._launch(profile, options)
        for profile in UNDER_FAULT:
            self._await_start(profile)
        self._sleep(KILL_AFTER_S)
        if self.children["work"].ended:
            raise NotReadyError("work", "ended before the fault came", "its last words are above")
        self.struck = True
        self._command("chaos", "kill", "--leader-of", "orders.work")
        self._sleep(DEAD_FOR_S)
        self._command("chaos", "heal")
        self.struck = False
        legs = [self._judge(profile) for profile in UNDER_FAULT]
        for profile, options in AFTER_FAULT.items():
            self._launch(profile, options)
            legs.append(self._judge(profile))
        return tuple(legs)

    def _launch(self, profile: str, options: Sequence[str]) -> None:
        path = self.results / f"{profile}.json"
        path.unlink(missing_ok=True)
        arguments = ["load", "run", profile, *options, "--purge"]
        self.say(f"$ warren {' '.join(arguments)}")
        self.children[profile] = self.start(profile, [*arguments, "--json", str(path)], self.say)

    def _await_start(self, profile: str) -> None:
        child = self.children[profile]
        if not child.marked.wait(_START_DEADLINE_S):
            raise DeadlineError(profile, f"did not begin to publish within {_START_DEADLINE_S:g} s")
        if child.ended:
            raise NotReadyError(profile, "ended before it published", "its last words are above")

    def _sleep(self, seconds: float) -> None:
        end = self.clock.now() + seconds
        while (left := end - self.clock.now()) > 0:
            self.clock.sleep(min(0.5, left))

    def _command(self, *arguments: str) -> None:
        self.say(f"$ warren {' '.join(arguments)}")
        child = self.children[arguments[0]] = self.start(arguments[0], arguments, self.say)
        status = child.wait(_HEAL_DEADLINE_S)
        del self.children[arguments[0]]
        if status != 0:
            raise NotReadyError(" ".join(arguments), f"ended with status {status}", "make cluster-status")

    def _judge(self, profile: str) -> Leg:
        status = self.children[profile].wait(_RUN_DEADLINE_S)
        del self.children[profile]
        path = self.results / f"{profile}.json"
        result = None
        if path.exists():
            result = read_result(path)
        return Leg(profile=profile, status=status, result=result)

    def _clean_up(self) -> None:
        """The children end first, for one may be about to strike; whatever they do, the fault is healed."""
        try:
            self._end_children()
        finally:
            if self.struck and self.start("chaos", ("chaos", "heal"), self.say).wait(_HEAL_DEADLINE_S) != 0:
                self.say("the leader may still be down: make chaos-heal")

    def _end_children(self) -> None:
        """A second ^C is handed on: it skips the drain of a run."""
        for child in self.children.values():
            child.interrupt()
        try:
            with interruptible():
                self._await_children()
        except KeyboardInterrupt:
            for child in self.children.values():
                child.interrupt()
            self._await_children()

    def _await_children(self) -> None:
        late: DeadlineError | None = None
        for child in self.children.values():
            try:
                child.wait(_RUN_DEADLINE_S)
            except DeadlineError as error:
                late = error
        if late is not None:
            raise late


def exit_code(legs: Sequence[Leg]) -> int:
    """A failed verdict outweighs an inconclusive one, and that any other status."""
    statuses = {leg.status for leg in legs}
    for worst in (EXIT_FAILED, EXIT_INCONCLUSIVE):
        if worst in statuses:
            return worst
    return max(statuses, default=0)


class Subprocess:
    """A real child in a session of its own, so that ^C reaches it only through `interrupt`."""

    def __init__(self, title: str, argv: Sequence[str], env: Mapping[str, str], say: Say) -> None:
        self.marked = threading.Event()
        self.ended = False
        self._process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(env),
            start_new_session=True,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, args=(title, say), daemon=True)
        self._reader.start()

    def _read(self, title: str, say: Say) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe, see above
        for line in self._process.stdout:
            if " publish " in line:
                self.marked.set()
            say(f"{title:>8} | {line.rstrip()}")
        self.ended = True
        self.marked.set()

    def wait(self, timeout_s: float) -> int:
        """The exit status, as a shell has it (128 and the signal's number where one ended the child); raises
        DeadlineError after ``timeout_s``, and the child is killed then."""
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            self._process.kill()
            self._process.wait()
            raise DeadlineError(str(self._process.args), f"still ran after {timeout_s:g} s") from error
        self._reader.join(timeout=5)
        return status if status >= 0 else 128 - status

    def interrupt(self) -> None:
        """What ^C would do: stop publishing, drain, judge."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)


def starter(env: Mapping[str, str]) -> Start:
    """Starts the `warren` that this process is."""

    def start(title: str, arguments: Sequence[str], say: Say) -> Child:
        return Subprocess(title, [sys.executable, "-m", "warren", *arguments], env, say)

    return start
