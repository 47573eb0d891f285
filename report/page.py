"""One run as one HTML file: verdict, ledger, charts by the second, faults marked; it asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dashboards.view.assets import STATIC, uplot_folder
from dashboards.view.bundle import bundle
from report import gameday as gamedays
from report import links, sections
from report.columns import columns_of
from report.markup import Markup, element, joined
from report.times import parse_time
from warren.errors import BadInputError, NotReadyError
from warren.results import LoadResult

_STATIC = Path(__file__).parent / "static"

#: Version of the recording that `write_report` draws.
RECORDING_SCHEMA = 1


def write_report(
    result: Mapping[str, Any],
    *,
    out: Path,
    recording: Mapping[str, Any] | None = None,
    gameday: Mapping[str, Any] | None = None,
) -> Path:
    """Write the page of ``result`` (a load result, version 1) to ``out`` and return ``out``.

    ``recording`` holds panels of the dashboards over the run's time:
    ``{"schema": 1, "panels": [{"panel": <Grafana panel>, "results": {refId: {"query": text, "start_s": n,
    "step_s": n, "found": series that there were, "series": [{"name": text, "values": [number or null]}]}}}],
    "left_out": [names of panels]}``. ``gameday`` is the record of the game day that the run was part of
    (docs/experiments.md): its verdict stands first then.

    The same input gives the same bytes. Raises BadInputError when either is of another form, NotReadyError
    when uPlot is not installed or ``out`` cannot be written.
    """
    LoadResult.from_dict(result)
    if recording is not None and recording.get("schema") != RECORDING_SCHEMA:
        raise BadInputError("recording: schema", f"is {recording.get('schema')!r}, not {RECORDING_SCHEMA}")
    page = render(result, recording, gameday)
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(page, encoding="utf-8")
        partial.replace(out)
    except OSError as error:
        raise NotReadyError(str(out), f"the report cannot be written: {error.strerror}") from error
    return out


def render(
    result: Mapping[str, Any],
    recording: Mapping[str, Any] | None,
    gameday: Mapping[str, Any] | None = None,
) -> str:
    """The page as text."""
    folder = uplot_folder()
    style = Markup(
        _read(folder / "uPlot.min.css") + _read(STATIC / "view.css") + _read(_STATIC / "report.css")
    )
    script = _read(folder / "uPlot.iife.js") + "\n" + bundle((_STATIC, STATIC), "report")
    data = data_json(result, recording)
    head = joined((
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="dark light">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_policy(script, style)}">'),
        element("title", _title(gameday or result)),
        Markup(f"<style>{style}</style>"),
    ))  # fmt: skip
    body = joined((
        _content(result, gameday),
        Markup(f'<script type="application/json" id="data">{data}</script>'),
        Markup(f"<script>{script}</script>"),
    ))  # fmt: skip
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>{body}</body>\n</html>\n'


def _title(what: Mapping[str, Any]) -> str:
    return f"{what.get('title') or what['profile']}: {what['verdict']} · {what['run_id']}"


def _content(result: Mapping[str, Any], gameday: Mapping[str, Any] | None) -> Markup:
    charts = element(
        "section",
        element("h2", "By the second"),
        element(
            "p",
            "The charts need JavaScript; the figures above and below do not.",
            class_="faint",
            id="charts-note",
        ),
        Markup('<div id="charts"></div>'),
    )
    parts = (
        gamedays.section(gameday), element("h2", "Its load run") if gameday else None,
        sections.heading(result), sections.tiles(result),
        links.section(result), sections.faults(result),
        charts, sections.parts(result), sections.phases(result), sections.ledger(result),
        sections.latency(result), sections.oracles(result), sections.reconciliation(result),
        sections.totals(result), sections.parameters(result), sections.repeat(result),
        Markup('<section id="boards"></section>'),
    )  # fmt: skip
    bar = element(
        "p", "Report of a Warren load run. Charts are drawn by the dashboards' preview.", class_="banner"
    )
    return joined((bar, element("main", *(part for part in parts if part is not None), class_="report")))


def data_json(result: Mapping[str, Any], recording: Mapping[str, Any] | None) -> str:
    """What the charts are drawn from; no ``<`` in it, so that no text can end the script element."""
    content = {
        "started_s": parse_time(result["started_at"]).timestamp(),
        "ended_s": parse_time(result["ended_at"]).timestamp(),
        "series": columns_of(result.get("series") or ()),
        "faults": [_fault(fault) for fault in result.get("faults") or ()],
        "recording": recording,
    }
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _fault(fault: Mapping[str, Any]) -> dict[str, Any]:
    healed = fault.get("healed_at")
    return {
        "text": f"{fault['name']} {fault['target']}",
        "from": parse_time(fault["injected_at"]).timestamp(),
        "to": parse_time(healed).timestamp() if healed else None,
    }


def _policy(script: str, style: str) -> str:
    """Only this very script and style; no request to anywhere."""
    return (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; base-uri 'none'; "
        "form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
