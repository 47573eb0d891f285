"""Times of a result."""

from __future__ import annotations

from datetime import datetime


def parse_time(text: str) -> datetime:
    """An ISO-8601 time in UTC, as results hold it."""
    return datetime.fromisoformat(text)
