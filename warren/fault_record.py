"""A fault as results carry it, and how its end is told everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRecord:
    """A fault that was in force while the run lasted; times ISO-8601 UTC, those of the acts.

    It is as it was when the run ended: ``healed_at`` None where it was not healed by then. ``healing_at``
    is when that was begun, None too where it was not, or had failed.
    """

    name: str
    target: str
    injected_at: str
    healing_at: str | None = None
    healed_at: str | None = None
    evidence: Any = None

    @property
    def told(self) -> str:
        """How it ended, for people."""
        return f"healed at {self.healed_at}" if self.healed_at else unhealed(self.healing_at)


def unhealed(healing_at: str | None) -> str:
    """What to say of a fault that outlived the run: its cluster was not whole again by then."""
    return f"{'being' if healing_at else 'not'} healed when the run ended"
