"""What a check says: whether it passed (None: it cannot be judged), why, and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Finding = tuple[bool | None, str, Mapping[str, Any]]

#: Why most checks cannot be judged.
NO_LOAD = "the load left no result"


def unjudged(why: str = NO_LOAD, **figures: Any) -> Finding:
    return None, why, figures


def judged(passed: bool, why: str, **figures: Any) -> Finding:
    return passed, why, figures
