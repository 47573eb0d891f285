"""A load run in a process of its own, for whoever does something to the cluster meanwhile: chaos.

The child is `warren load run`, so its run is the very one that a user types; it is in a session of its own,
and ends when nobody listens to it any more. https://docs.python.org/3/library/subprocess.html
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadgen import composite, resolve, scenario
from warren.durations import parse_duration_s
from warren.errors import BadInputError, DeadlineError, NotReadyError
from warren.topology import Topology

#: Of what a run prints, kept to say why it failed.
_LAST_WORDS = 12
#: For a killed child to be gone.
_KILL_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The load that is wanted. ``rate`` and ``duration`` as on the command line, None: the profile's own;
    ``settings`` are key paths of the profile; ``beside``: other loads run meanwhile; ``held``: it
    publishes only when it is released. Clients ``attach`` to these nodes first; none: to all."""

    profile: str
    rate: str | None = None
    duration: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    seed: int = 1
    beside: bool = False
    held: bool = False
    attach: tuple[str, ...] = ()

    def arguments(self, out: Path) -> list[str]:
        """What `warren` is given for it; the result goes to ``out``."""
        found = ["load", "run", self.profile, "--purge", "--events", "--seed", str(self.seed)]
        found += ["--rate", self.rate] if self.rate is not None else []
        found += ["--duration", self.duration] if self.duration is not None else []
        found += ["--beside"] if self.beside else []
        found += ["--held"] if self.held else []
        found += ["--attach", ",".join(self.attach)] if self.attach else []
        for key, value in self.settings.items():
            found += ["--set", f"{key}={value}"]
        return [*found, "--json", str(out)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is known of a wish before it runs: seconds of publishing, and what the profile names."""

    duration_s: float
    panels: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()


def profiles() -> tuple[str, ...]:
    """Every profile and composite that there is."""
    return (*scenario.names(), *composite.names())


def composites() -> tuple[str, ...]:
    """Those of `profiles` that are several profiles at once."""
    return composite.names()


def plan(wish: Wish) -> Plan:
    """What ``wish`` would be; raises BadInputError for a profile or a setting that is none."""
    if wish.profile in composite.names():
        rate = None if wish.rate is None else float(wish.rate)
        length_s = None if wish.duration is None else parse_duration_s(wish.duration)
        day = composite.load(wish.profile, rate_per_s=rate, duration_s=length_s, settings=wish.settings)
        return Plan(duration_s=day.duration_s)
    overrides = {"rate": wish.rate, "duration": wish.duration}
    given = {key: value for key, value in overrides.items() if value is not None}
    found = scenario.load(wish.profile, {**given, **wish.settings})
    return Plan(duration_s=found.duration_s, panels=found.panels, alerts=found.alerts)


def refuse_clash(wishes: Sequence[Wish], topology: Topology) -> None:
    """Raise BadInputError where two of ``wishes`` would take each other's messages if they ran at once, or
    where one is a composite, whose own parts share the broker's counts already."""
    owner: dict[tuple[str, str], str] = {}
    for wish in wishes:
        if wish.profile in composite.names():
            raise BadInputError(wish.profile, "is several profiles at once, and runs beside no other")
        found = resolve.resolve(scenario.load(wish.profile, dict(wish.settings)), topology)
        for queue in composite.used(found):
            if other := owner.get((found.vhost, queue)):
                what = f"{other} and {wish.profile} both use {queue} in {found.vhost}"
                raise BadInputError("load", what, "name profiles that share no queue")
            owner[found.vhost, queue] = wish.profile


class Child:
    """A run under way. ``last`` is its last progress, ``ready`` is set when one that is held only waits to be
    released; all but `wait` return at once."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], hear: Callable[[str], None]) -> None:
        self.last: Mapping[str, Any] = {}
        self.ready, self.publishing = threading.Event(), threading.Event()
        self._words: list[str] = []
        self._hear = hear
        try:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(env),
                start_new_session=True,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise NotReadyError("load", f"cannot be started: {error.strerror}") from error
        self._readers = [
            threading.Thread(target=read, daemon=True) for read in (self._read_events, self._read_words)
        ]
        for reader in self._readers:
            reader.start()

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def words(self) -> str:
        """The last lines that it said to people."""
        return "\n".join(self._words)

    def wait(self, timeout_s: float) -> int:
        """The exit status, as a shell has it. Raises DeadlineError after ``timeout_s``: it runs on then."""
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise DeadlineError("load", f"still ran after {timeout_s:g} s") from error
        for reader in self._readers:
            reader.join(timeout=5)
        return status if status >= 0 else 128 - status

    def release(self) -> None:
        """Let one that is held begin to publish: its input ends."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe, see above
        self._process.stdin.close()

    def interrupt(self) -> None:
        """What ^C would do: stop publishing, drain, judge; a second one skips the drain."""
        if not self.ended:
            self._process.send_signal(signal.SIGINT)

    def kill(self, *, within_s: float = _KILL_S) -> None:
        """End it by force, its container too: the third interrupt takes that away."""
        for _ in range(3):
            self.interrupt()
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read_events(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe, see above
        for line in self._process.stdout:
            event = _event(line)
            if event is None:
                continue
            if event.get("type") == "progress":
                self.last = event
                self.publishing.set()
            elif event.get("type") == "ready":
                self.ready.set()
            elif event.get("type") == "note":
                self._hear(str(event.get("text", "")))

    def _read_words(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe, see above
        for line in self._process.stderr:
            self._words = [*self._words, line.rstrip()][-_LAST_WORDS:]


def start(wish: Wish, out: Path, *, env: Mapping[str, str], hear: Callable[[str], None]) -> Child:
    """Start the run; its result is written to ``out``. ``hear`` is told what happens on the way.

    Raises NotReadyError when there can be no process.
    """
    child = Child([sys.executable, "-m", "warren", *wish.arguments(out)], env, hear)
    if not wish.held:
        child.release()
    return child


def _event(line: str) -> Mapping[str, Any] | None:
    """The event that a line is; None for one that is for people."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
