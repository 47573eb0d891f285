"""Game days that never were, with figures that are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chaos.record import Expectation, GameDay, Verdict
from chaos.statistics.store import Turn

MakeDay = Callable[..., GameDay]


def build_day(
    run_id: str = "kill-1",
    *,
    verdict: Verdict = Verdict.PASSED,
    confirm: float | None = 0.5,
    interval: tuple[float | None, float | None] = (0.1, 3.0),
    lost: int = 0,
    confirmed: int = 1000,
    proven: bool = True,
    seed: int = 7,
    **more: Any,
) -> GameDay:
    """One day of one fault; ``confirm`` is its confirm gap in seconds."""
    return GameDay(
        experiment="kill-work",
        title="kill under work",
        run_id=run_id,
        seed=seed,
        started_at="2026-01-02T03:04:05.000Z",
        ended_at="2026-01-02T03:05:05.000Z",
        verdict=verdict,
        profile="work",
        load={
            "ledger": {"confirmed": confirmed, "lost": lost, "received": confirmed - lost},
            "availability": {"confirm_gap_max_s": 9.9, "delivery_gap_max_s": 1.5, "drain_s": 2.0},
        },
        faults=({"name": "kill", "injected_at": "2026-01-02T03:04:15.000Z" if proven else None},),
        expectations=(
            Expectation(name="confirm_gap_s", value=confirm, low=interval[0], high=interval[1], source="ra"),
        ),
        **more,
    )


@pytest.fixture
def make_day() -> MakeDay:
    return build_day


@pytest.fixture
def turn() -> Callable[..., Turn]:
    def make(repeat: int = 0, cell: str = "kill-work", seed: int = 7) -> Turn:
        return Turn(cell=cell, repeat=repeat, seed=seed)

    return make
