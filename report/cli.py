"""``warren report``: parse, call the engine, print."""

from __future__ import annotations

import os
from pathlib import Path

import click

from report.find import find_result
from report.page import write_report
from report.take import take_recording
from warren.json_file import read_object
from warren.operate import options

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(name="report")
@click.argument("run")
@click.option("--out", type=_FILE, help="Where to write the page; by default report.html beside the result.")
@click.option("--panels", is_flag=True, help="Ask Prometheus for the dashboards' panels over the run's time.")
@click.option("--topology", envvar="WARREN_TOPOLOGY", type=_FILE, help="With --panels: which cluster.")
def report(run: str, out: Path | None, panels: bool, topology: Path | None) -> None:
    """Write the page of one run: an HTML file that stands alone.

    RUN is a run's id, its folder, a result file, or `last`. Panels asked for once are kept beside the result
    and drawn from there afterwards.
    """
    path = find_result(run, os.environ)
    result = read_object(path)
    kept = path.with_name("recording.json")
    if panels:
        take_recording(options.context(topology), result, out=kept)
    recording = read_object(kept) if kept.is_file() else None
    page = write_report(result, out=out or path.with_name("report.html"), recording=recording)
    click.echo(f"report: {page}")
