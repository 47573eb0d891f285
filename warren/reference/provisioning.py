"""The tables of docs/hosts.md: what the role refuses and prints, and how long provisioning took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from warren.reference import marked

REFUSALS, RUNS = marked.begin("refusals"), marked.begin("provision")
_REFUSALS_HEAD = ("| refused when | it prints |", "|---|---|")
_RUNS_HEAD = ("| run | seconds | tasks changed | hosts lost |", "|---|---|---|---|")
#: The runs that a reader asks for, in their order, by the names that the test records them under.
RUN_NAMES: Mapping[str, str] = {
    "check on fresh hosts": "check (`--check --diff`) on fresh hosts",
    "first run": "first run",
    "second run": "second run",
    "check on converged hosts": "check on converged hosts",
    "run that mends a file and a queue": "run after a file and a queue were changed by hand",
    "run whose second host died": "run whose second host was killed in the middle",
    "run after that": "resumed after the dead host came back",
}
_NOT_YET = "not measured yet"


def with_tables(page: str, refusals: Mapping[str, Mapping[str, Any]], runs: Mapping[str, Any]) -> str:
    """``page`` with both tables between their marks written anew; raises BadInputError where one is
    missing."""
    refused = [f"| {each['when']} | {_cell(str(each['prints']))} |" for each in refusals.values()]
    page = marked.between(page, REFUSALS, [*_REFUSALS_HEAD, *refused])
    return marked.between(page, RUNS, [*_RUNS_HEAD, *rows_of_runs(runs)])


def rows_of_runs(runs: Mapping[str, Any]) -> list[str]:
    """A row for each run of `RUN_NAMES`; of each in ``runs``: ``seconds``, ``changed`` and ``lost`` hosts."""
    rows = []
    for name, shown in RUN_NAMES.items():
        figure = runs.get(name)
        cells = [_NOT_YET, "—", "—"]
        if figure is not None:
            cells = [f"{figure['seconds']:.0f}", str(figure["changed"]), ", ".join(figure["lost"]) or "none"]
        rows.append(f"| {' | '.join([shown, *cells])} |")
    return rows


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
