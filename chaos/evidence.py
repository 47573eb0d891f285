"""All that the verdict on a game day rests on, gathered; judging it changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chaos.experiment import Experiment
from chaos.eyes import QueueState
from chaos.lookout import Look, Wedged
from chaos.probing import Answer
from warren.journal import Fault
from warren.results import LoadResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen while the day lasted; ``alerts`` are (seconds, time, names of those that fire),
    ``suspected`` (seconds, messages that the run missed)."""

    looks: Sequence[Look] = ()
    answers: Sequence[Answer] = ()
    alerts: Sequence[tuple[float, str, frozenset[str]]] = ()
    alerts_trouble: str = ""
    wedged: Sequence[Wedged] = ()
    suspected: Sequence[tuple[float, int]] = ()
    tripped: Answer | None = None
    died: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What was found when all was over. ``logs`` and the queues are None where they could not be read, and
    ``trouble`` says why. ``orphans`` is how many unacknowledged messages of a virtual host no channel owned
    before the day began."""

    queues: Sequence[QueueState] | None = None
    channels_unacked: Mapping[str, int] | None = None
    orphans: Mapping[str, int] = field(default_factory=dict)
    logs: Mapping[str, Sequence[str]] | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One game day. Times in seconds are since ``began``. ``faults`` are the journal's own of this day.

    ``live`` is the last progress of the load. ``hangs`` are waits that did not end; ``troubles`` is what else
    went wrong: a fault that did not bite, a load that could not run.
    """

    experiment: Experiment
    began: datetime
    load: LoadResult | None = None
    live: Mapping[str, Any] = field(default_factory=dict)
    faults: Sequence[Fault] = ()
    seen: Seen = field(default_factory=Seen)
    left: Left = field(default_factory=Left)
    hangs: Sequence[str] = ()
    troubles: Sequence[str] = ()
    interrupted: bool = False

    @property
    def window(self) -> tuple[datetime, datetime] | None:
        """From the first act to the last healing; None where nothing was broken, or not all was healed."""
        begun = [fault.begun_at or fault.injected_at for fault in self.faults]
        healed = [fault.healed_at for fault in self.faults]
        if not begun or None in begun or None in healed:
            return None
        first = min(datetime.fromisoformat(str(each)) for each in begun)
        return first, max(datetime.fromisoformat(str(each)) for each in healed)

    @property
    def is_cut_short(self) -> bool:
        """Whether the day did not come to its own end: what did not happen may have been about to."""
        return bool(self.interrupted or self.troubles or self.hangs)

    def since(self, at: datetime) -> float:
        """Seconds from the beginning of the day to ``at``."""
        return (at - self.began).total_seconds()
