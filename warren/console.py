"""How engines speak to a person while they work: a callable that takes one line."""

from __future__ import annotations

from typing import Protocol


class Say(Protocol):
    """Prints one line of progress; engines never print by themselves."""

    def __call__(self, line: str) -> None: ...


def silent(line: str) -> None:
    """A `Say` that drops everything."""


def shorten(text: str, width: int = 160) -> str:
    """``text`` on one line, cut to ``width`` characters with an ellipsis."""
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"
