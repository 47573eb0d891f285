"""The tables in docs/operations.md: what each operation did under load, as the cluster test measured it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from warren.reference import marked

BEGIN, ON_HOSTS = marked.begin("operations"), marked.begin("operations-on-hosts")
_HEAD = (
    "| operation | what it does | clients may count on | took | steps | no confirm for | no delivery for "
    "| connections lost | failed publishes | lost of confirmed |",
    "|---|---|---|---|---|---|---|---|---|---|",
)
_HEAD_ON_HOSTS = (
    "| operation | took | steps | no confirm for | no delivery for | connections lost | failed publishes "
    "| lost of confirmed |",
    "|---|---|---|---|---|---|---|---|",
)
_NOT_YET = "not measured yet"
#: By operation, what was measured; one that was measured in several ways has words in brackets behind it.
Figures = Mapping[str, Mapping[str, Any]]
#: Name, summary and promise.
Row = tuple[str, str, str]


def with_tables(page: str, operations: Iterable[Row], figures: Figures, on_hosts: Figures) -> str:
    """``page`` with both tables between their marks written anew: what was measured of containers, of every
    operation, and ``on_hosts``. Raises BadInputError where a mark is missing."""
    rows = [row for each in operations for row in _rows(*each, figures)]
    page = marked.between(page, BEGIN, [*_HEAD, *rows])
    rows = [f"| {' | '.join([f'`{name}`', *_measured(each)])} |" for name, each in sorted(on_hosts.items())]
    return marked.between(page, ON_HOSTS, [*_HEAD_ON_HOSTS, *rows])


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
    return f"| {' | '.join([*cells, *_measured(figure)])} |"


def _measured(figure: Mapping[str, Any]) -> list[str]:
    cells = [f"{figure['seconds']:.1f} s", str(figure["steps"])]
    if "confirmed" not in figure:
        return [*cells, *["—"] * 4, "not under load"]
    cells += [f"{figure[key]:.2f} s" for key in ("confirm_gap_max_s", "delivery_gap_max_s")]
    cells += [f"{figure[key]:,}" for key in ("links_lost", "failed_publishes")]
    return [*cells, f"{figure['lost']} of {figure['confirmed']:,}"]
