"""One load of a game day, and the experiment that it is judged by. Most days have one; those that are played
together have several under the same faults, each with its own ledger, figures and verdict."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from chaos.experiment import Experiment
from chaos.lookout import Listener
from chaos.probing import Answer


class LoadRun(Protocol):
    """The load under way: `loadgen.child.Child`, or a test's own."""

    last: Mapping[str, Any]
    ready: threading.Event

    @property
    def ended(self) -> bool: ...
    @property
    def words(self) -> str: ...
    def wait(self, timeout_s: float) -> int: ...
    def release(self) -> None: ...
    def interrupt(self) -> None: ...
    def kill(self) -> None: ...


@dataclass(slots=True, kw_only=True)
class Side:
    """``run_id`` names its record, ``folder`` is where its files go. ``publishing_s`` is when its load began
    to publish, in seconds since the day began. ``bystander`` says why the faults of the day did not strike
    what this load uses, where they did not: such a day says nothing of it."""

    experiment: Experiment
    run_id: str
    folder: Path
    seed: int
    load: LoadRun | None = None
    publishing_s: float = 0.0
    listener: Listener | None = None
    bystander: str = ""
    troubles: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    @property
    def profile(self) -> str:
        return self.experiment.load.profile

    @property
    def live(self) -> Mapping[str, Any]:
        return {} if self.load is None else self.load.last

    @property
    def ends_s(self) -> float:
        """When its load stops publishing, since the day began."""
        return self.publishing_s + self.experiment.load.duration_s
