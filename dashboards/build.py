"""Boards to Grafana JSON: found by name, laid out, drawn by grafanalib, mended, written or compared."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grafanalib import core
from grafanalib._gen import DashboardEncoder

import dashboards.boards as boards_package
from dashboards import marks, mend
from dashboards.drawn import Table
from dashboards.house import DATASOURCE, Board, Panel, Section, Variable, reference
from warren import siblings
from warren.errors import WarrenError

#: Where the committed JSON lies, below the checkout.
GENERATED = Path("dashboards") / "generated"
_COLUMNS = 24


def boards() -> tuple[Board, ...]:
    """Every board: each module of ``dashboards/boards`` has a function ``board()``."""
    modules = (siblings.module(boards_package, name) for name in siblings.files(boards_package))
    return tuple(module.board() for module in modules)


def texts() -> dict[str, str]:
    """File name → JSON text of every board, the same every time."""
    return {f"{board.uid}.json": _text(board_json(board)) for board in boards()}


def write(folder: Path) -> tuple[Path, ...]:
    """Write every board into ``folder``, remove JSON there that is of no board; return what was written."""
    made = texts()
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.json"):
        if stale.name not in made:
            stale.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    return tuple(folder / name for name in made)


def differences(folder: Path) -> tuple[str, ...]:
    """One sentence for each file in ``folder`` that is not what the code would write."""
    made = texts()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return tuple(
        f"{name} {'is missing' if name not in there else 'is of no board' if name not in made else 'differs'}"
        for name in sorted(made.keys() | there.keys())
        if made.get(name) != there.get(name)
    )


def board_json(board: Board) -> dict[str, Any]:
    """One board as Grafana 12 reads it."""
    drawn = core.Dashboard(
        title=board.title,
        uid=board.uid,
        description=board.description,
        tags=["warren", "rabbitmq"],
        editable=False,
        graphTooltip=1,
        timezone="browser",
        refresh="5s",
        time=core.Time("now-15m", "now"),
        timePicker=core.TimePicker(refreshIntervals=["5s", "10s", "30s", "1m", "5m"], timeOptions=[]),
        templating=core.Templating([_datasource(), *(_variable(each) for each in board.variables)]),
        annotations=core.Annotations(list=marks.every()),
        links=[_LINKS],
        panels=list(_placed(board)),
    )
    plain = json.loads(json.dumps(drawn, cls=DashboardEncoder))
    return mend.dashboard(plain)


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _placed(board: Board) -> Iterator[Any]:
    """Panels with their places: a heading for each section, then rows of panels from left to right."""
    number, y = 1, 0
    for section in board.sections:
        yield core.RowPanel(title=section.title, id=number, gridPos=core.GridPos(h=1, w=_COLUMNS, x=0, y=y))
        number, y = number + 1, y + 1
        for panel, x, below in _flow(section):
            yield _draw(panel, number, core.GridPos(h=panel.height, w=panel.width, x=x, y=y + below))
            number += 1
        y += _height(section)


def _flow(section: Section) -> Iterator[tuple[Panel, int, int]]:
    x = below = tallest = 0
    for panel in section.panels:
        if x + panel.width > _COLUMNS:
            x, below, tallest = 0, below + tallest, 0
        yield panel, x, below
        x, tallest = x + panel.width, max(tallest, panel.height)


def _height(section: Section) -> int:
    return max((below + panel.height for panel, _, below in _flow(section)), default=0)


def _draw(panel: Panel, number: int, place: Any) -> Any:
    targets = [
        core.Target(
            expr=query.expr, legendFormat=query.legend, instant=query.instant, refId=reference(index),
            datasource=DATASOURCE,
        )
        for index, query in enumerate(panel.queries)
    ]  # fmt: skip
    description, look = _saying_why_empty(panel)
    try:
        return panel.draw(
            title=panel.title, description=description, id=number, gridPos=place,
            dataSource=DATASOURCE, targets=targets, **look,
        )  # fmt: skip
    except TypeError as error:
        raise WarrenError(panel.title, f"cannot be drawn: {error}", "report this bug") from error


def _saying_why_empty(panel: Panel) -> tuple[str, Mapping[str, Any]]:
    """The panel's description and look, with what an empty one means.

    Grafana shows a field's ``noValue`` in place of "No data"; in a table it would stand in empty cells too.
    """
    if not panel.emptiness:
        return panel.description, panel.look
    if panel.draw is Table:
        return f"{panel.description} No rows: {panel.emptiness}.", panel.look
    extra = copy.deepcopy(dict(panel.look.get("extraJson") or {}))
    extra.setdefault("fieldConfig", {}).setdefault("defaults", {})["noValue"] = panel.emptiness
    return panel.description, {**panel.look, "extraJson": extra}


def _datasource() -> Any:
    return core.Template(name="datasource", label="Data source", query="prometheus", type="datasource")


def _variable(variable: Variable) -> Any:
    return core.Template(
        name=variable.name,
        label=variable.label,
        query=variable.query,
        dataSource=DATASOURCE,
        type="query",
        multi=variable.several,
        includeAll=variable.several,
        allValue=".+" if variable.several else None,
        default=variable.default or None,
        refresh=2,
        sort=1,
    )


_LINKS = {
    "asDropdown": False,
    "icon": "dashboard",
    "includeVars": True,
    "keepTime": True,
    "tags": ["warren"],
    "targetBlank": False,
    "title": "Warren",
    "tooltip": "",
    "type": "dashboards",
    "url": "",
}
