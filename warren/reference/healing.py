"""The table in docs/chaos.md of drivers that were killed: by whom each fault was healed, and how soon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from warren.reference import marked

BEGIN = marked.begin("driver-killed")
_HEAD = ("| fault | by the watchdog | whole | by `chaos heal` | whole |", "|---|---|---|---|---|")

_WHO, _KEYS = ("watchdog", "heal"), ("undone_after_s", "whole_after_s")
#: By fault, by who healed it, what took how many seconds.
Figures = Mapping[str, Mapping[str, Mapping[str, Any]]]


def with_table(page: str, figures: Figures) -> str:
    """``page`` with the table between its marks written anew; raises BadInputError where one is missing."""
    rows = [_row(fault, healers) for fault, healers in sorted(figures.items())]
    return marked.between(page, BEGIN, [*_HEAD, *rows])


def _row(fault: str, healers: Mapping[str, Mapping[str, Any]]) -> str:
    cells = [_seconds(healers.get(who), key) for who in _WHO for key in _KEYS]
    return f"| `{fault}` | {' | '.join(cells)} |"


def _seconds(figure: Mapping[str, Any] | None, key: str) -> str:
    return "not measured yet" if figure is None else f"{figure[key]:.1f} s"
