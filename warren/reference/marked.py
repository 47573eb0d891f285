"""Tables in pages that are written by hand otherwise: each between two marks, the first of which says where
its figures are from."""

from __future__ import annotations

from collections.abc import Sequence

from warren.errors import BadInputError

END = "<!-- end -->"


def begin(figures: str) -> str:
    """The mark of a table that is made from ``docs/figures/<figures>.json``."""
    return f"<!-- from figures/{figures}.json, by: make docs -->"


def between(page: str, mark: str, lines: Sequence[str]) -> str:
    """``page`` with ``lines`` and nothing else from ``mark`` to the next end; raises BadInputError where one
    of both is missing."""
    before, found, rest = page.partition(mark)
    _, end, after = rest.partition(END)
    if not (found and end):
        raise BadInputError("a page of docs", f"lacks '{mark}' or '{END}' after it")
    return "\n".join([f"{before}{mark}", *lines, f"{END}{after}"])
