"""The table in docs/operations.md: what each operation did under load, as the cluster test measured it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from warren.errors import BadInputError

BEGIN = "<!-- from figures/operations.json, by: make docs -->"
END = "<!-- end -->"
_HEAD = (
    "| operation | what it does | clients may count on | took | steps | no confirm for | no delivery for "
    "| connections lost | failed publishes | lost |",
    "|---|---|---|---|---|---|---|---|---|---|",
)
_NOT_YET = "not measured yet"
#: By operation, what was measured; one that was measured in several ways has words in brackets behind it.
Figures = Mapping[str, Mapping[str, Any]]
#: Name, summary and promise.
Row = tuple[str, str, str]


def with_table(page: str, operations: Iterable[Row], figures: Figures) -> str:
    """``page`` with the table between its marks written anew; raises BadInputError where one is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise BadInputError("docs/operations.md", f"lacks '{BEGIN}' or '{END}'")
    rows = [row for each in operations for row in _rows(*each, figures)]
    return "\n".join([f"{before}{BEGIN}", *_HEAD, *rows, f"{END}{after}"])


def operation(key: str) -> str:
    """The operation that a key of the figures is of."""
    return key.partition(" (")[0]


def _rows(name: str, summary: str, promise: str, figures: Figures) -> list[str]:
    ways = sorted(key for key in figures if operation(key) == name and key != name)
    rest = (summary, promise)
    found = [] if ways and name not in figures else [_row(f"`{name}`", *rest, figures.get(name))]
    return found + [_row(f"`{name}`{way.removeprefix(name)}", *rest, figures[way]) for way in ways]


def _row(named: str, summary: str, promise: str, figure: Mapping[str, Any] | None) -> str:
    cells = [named, summary, promise]
    if figure is None:
        return f"| {' | '.join([*cells, _NOT_YET, *['—'] * 6])} |"
    cells += [f"{figure['seconds']:.1f} s", str(figure["steps"])]
    if "published" not in figure:
        return f"| {' | '.join([*cells, *['—'] * 4, 'not under load'])} |"
    cells += [f"{figure[key]:.2f} s" for key in ("confirm_gap_max_s", "delivery_gap_max_s")]
    cells += [f"{figure[key]:,}" for key in ("links_lost", "failed_publishes")]
    lost = f"{figure['lost']} of {figure['published']:,}"
    return f"| {' | '.join([*cells, lost])} |"
