"""The matrix of faults and profiles as one HTML file: the grid, each cell's figures, each run. No script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from report import still, words
from report.markup import Markup, element, joined, table
from warren.errors import BadInputError

SCHEMA = 1
#: Figures that a cell of the grid shows, with what it calls them.
_SHOWN = (("confirm_gap_s", "confirm gap"), ("delivery_gap_s", "delivery gap"))
_TITLES = {
    "passed": "Every game day passed",
    "inconclusive": "Not everything can be said",
    "failed": "A game day failed",
    "hang": "A game day hung",
}

Cell = Mapping[str, Any]


def write_matrix(matrix: Mapping[str, Any], *, out: Path) -> Path:
    """Write the page of ``matrix`` (the JSON of `warren chaos matrix`, version 1) to ``out`` and return it.

    Raises BadInputError for another form, NotReadyError when ``out`` cannot be written.
    """
    if matrix.get("schema") != SCHEMA:
        raise BadInputError("matrix: schema", f"is {matrix.get('schema')!r}, not {SCHEMA}")
    return still.write(render(matrix), out)


def render(matrix: Mapping[str, Any]) -> str:
    """The page as text."""
    return still.render(f"Chaos: {matrix['what']}", _content(matrix), sheet="matrix.css")


def _content(matrix: Mapping[str, Any]) -> Iterator[Markup]:
    cells: Sequence[Cell] = matrix["cells"]
    yield element("h1", _TITLES[matrix["verdict"]], class_=f"verdict {_css(matrix['verdict'])}")
    yield element("p", _said(matrix), class_="reasons")
    if doubts := [*matrix["gaps"], *matrix["damage"]]:
        yield element("ul", *(element("li", each) for each in doubts), class_="reasons")
    yield _grid(cells)
    yield _figures(cells)
    bad = [(cell, run) for cell in cells for run in cell["runs"] if run["verdict"] != "passed"]
    if bad:
        yield _runs("Runs that did not pass", bad)
    yield _runs("Every run", [(cell, run) for cell in cells for run in cell["runs"]])
    facts = {**matrix["versions"], **matrix["settings"]}
    if facts:
        rows = [(words.label(str(key)), str(value)) for key, value in sorted(facts.items())]
        yield table("What it was measured on", ("Setting", "Value"), rows, numbers=frozenset())


def _said(matrix: Mapping[str, Any]) -> str:
    loss = matrix["loss"]
    said = [f"{matrix['made']} of {matrix['planned']} runs, seed {matrix['seed']}."]
    said.append(f"Lost {loss['lost']:,} of {loss['confirmed']:,} confirmed messages.")
    if loss["days"]:
        said.append(f"{_bound(loss['days'])}.")
    if together := matrix.get("together"):
        said.append(f"Run at once, under one fault, each judged by itself: {', '.join(together)}.")
    if matrix["stopped"]:
        said.append(f"Not everything was run: {matrix['stopped']}.")
    return " ".join(said)


def _bound(bound: Mapping[str, Any]) -> str:
    of = f"{bound['events']} of {bound['trials']} game days with a loss"
    if not bound["events"]:
        return f"{of}: with 95 % certainty at most {words.share(bound['high'])} (3/n)"
    return f"{of}: with 95 % certainty {words.share(bound['low'])} to {words.share(bound['high'])} (Wilson)"


def _css(verdict: str | None) -> str:
    return {"passed": "passed", "failed": "failed", "hang": "failed"}.get(str(verdict), "inconclusive")


def _grid(cells: Sequence[Cell]) -> Markup:
    """Faults down, profiles across; each place has its verdicts, its loss and its gaps."""
    profiles = list(dict.fromkeys(cell["profile"] for cell in cells))
    faults = list(dict.fromkeys(cell["fault"] for cell in cells))
    places = {(cell["fault"], cell["profile"]): cell for cell in cells}
    head = element(
        "tr", element("th", "Fault", scope="col"), *(element("th", each, scope="col") for each in profiles)
    )
    body = [
        element(
            "tr",
            element("th", fault, scope="row"),
            *(_place(places.get((fault, profile))) for profile in profiles),
        )
        for fault in faults
    ]
    inside = joined((
        element("caption", "The grid"), element("thead", head), element("tbody", *body),
    ))  # fmt: skip
    return element("div", element("table", inside, class_="data matrix"), class_="table-scroll")


def _place(cell: Cell | None) -> Markup:
    if cell is None:
        return element("td", "")
    if not cell["made"]:
        return element("td", element("span", "none", class_="mark none"), element("p", cell["why_empty"]))
    counts = ", ".join(f"{count} {verdict}" for verdict, count in cell["verdicts"].items())
    lines = [element("span", counts, class_=f"mark {_css(cell['verdict'])}")]
    loss = cell["loss"]
    if loss["days"]:
        bound = loss["days"]
        share = (
            f"at most {words.share(bound['high'])}"
            if not bound["events"]
            else f"{words.share(bound['low'])} to {words.share(bound['high'])}"
        )
        lines.append(
            element("p", f"lost {loss['lost']:,}: {bound['events']} of {bound['trials']} days, {share}")
        )
    figures = {each["name"]: each for each in cell["figures"]}
    for name, called in _SHOWN:
        if name in figures:
            lines.append(_gap(called, figures[name]))
    return element("td", *lines)


def _gap(called: str, figure: Mapping[str, Any]) -> Markup:
    said = f"{called} {words.seconds(figure['median'])}, at most {words.seconds(figure['maximum'])}"
    expected = words.interval(figure["low"], figure["high"], "_s")
    outside = figure["slower"] or figure["faster"]
    return element(
        "p", f"{said}; expected {expected}" if expected else said, class_="outside" if outside else None
    )


def _figures(cells: Sequence[Cell]) -> Markup:
    headings = ("Cell", "Figure", "n", "Median", "p95", "Max", "Expected", "Slower", "Faster", "Source")
    rows = [
        (
            cell["key"],
            words.label(each["name"]),
            str(each["count"]),
            *(words.figure(each["name"], each[key]) for key in ("median", "p95", "maximum")),
            words.interval(each["low"], each["high"], each["name"]),
            str(each["slower"] or ""),
            str(each["faster"] or ""),
            each["source"],
        )
        for cell in cells
        for each in cell["figures"]
    ]
    return table("Figures beside what was expected", headings, rows, numbers=frozenset(range(2, 9)))


def _runs(caption: str, found: Sequence[tuple[Cell, Mapping[str, Any]]]) -> Markup:
    rows = [
        (
            cell["key"],
            str(run["repeat"] + 1),
            str(run["seed"]),
            run["verdict"],
            run["run_id"],
            "; ".join(run["reasons"]),
        )
        for cell, run in found
    ]
    return table(
        caption, ("Cell", "Repeat", "Seed", "Verdict", "Record", "Reasons"), rows, numbers=frozenset({1, 2})
    )
