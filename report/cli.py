"""``warren report``: parse, call the engine, print."""

from __future__ import annotations

import os
from pathlib import Path

import click

from report.find import find_result, read_json
from report.page import write_report

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(name="report")
@click.argument("run")
@click.option("--out", type=_FILE, help="Where to write the page; by default report.html beside the result.")
@click.option("--recording", type=_FILE, help="Recorded panels to draw below the run's own charts.")
def report(run: str, out: Path | None, recording: Path | None) -> None:
    """Write the page of one run: an HTML file that stands alone.

    RUN is a run's id, its folder, a result file, or `last`.
    """
    path = find_result(run, os.environ)
    panels = read_json(recording) if recording else None
    page = write_report(read_json(path), out=out or path.with_name("report.html"), recording=panels)
    click.echo(f"report: {page}")
