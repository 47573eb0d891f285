"""`warren load merge|compare|sweep|record`: each command parses, calls one engine function and prints."""

from __future__ import annotations

from pathlib import Path

import click

from loadgen import measured, merge, parts, runs, summary
from loadgen.page import page_writer
from warren.operate import options
from warren.operate.cli import json_option, topology_option
from warren.results import write_result


@click.command("merge")
@click.argument("parts_given", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the joined run; by default one of the run's name beside the parts.",
)
@json_option
@topology_option
def merge_parts(
    parts_given: tuple[str, ...], out: Path | None, json_path: Path | None, topology: Path | None
) -> int:
    """Judge the parts of a run together: folders, run ids, or a pattern of them. Exit code as of load run."""
    options.check_writable(json_path)
    known = options.context(topology).state.runs
    folders = [
        folder for given in parts_given for folder in runs.folders(given, known, holding=measured.FILE)
    ]
    where = out or known / parts.whole_name(folders[0].name)
    result = merge.merge(folders, where)
    write_result(result, where / runs.RESULT)
    page_writer()(result, where)
    if json_path:
        write_result(result, json_path)
    click.echo(summary.text(result))
    click.echo(f"result     {where / runs.RESULT}\nreport     {where / 'report.html'}")
    return result.exit_code


STUDIES = (merge_parts,)
