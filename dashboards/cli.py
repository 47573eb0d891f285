"""``warren dashboards``: build and check the committed JSON, and preview it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from dashboards import build as engine
from dashboards import timing
from dashboards.view.cli import view
from warren import checkout
from warren.errors import EXIT_FAILED
from warren.operate import opening, options
from warren.operate.cli import json_option, topology_option

_FOLDER = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Where the JSON lies instead of dashboards/generated.",
)


@click.group()
def dashboards() -> None:
    """Build, check and open the dashboards."""


@dashboards.command()
@_FOLDER
def build(folder: Path | None) -> None:
    """Write the dashboards' JSON from their code."""
    for path in engine.write(folder or checkout.path(*engine.GENERATED.parts)):
        click.echo(str(path))


@dashboards.command()
@_FOLDER
@click.pass_context
def check(context: click.Context, folder: Path | None) -> None:
    """Fail when the committed JSON is not what the code would write."""
    faults = engine.differences(folder or checkout.path(*engine.GENERATED.parts))
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        click.echo("write it again: warren dashboards build", err=True)
        context.exit(EXIT_FAILED)
    click.echo("the dashboards are up to date")


@dashboards.command("open")
@topology_option
@click.option(
    "--browser/--no-browser", default=None, help="Start a browser (default: where there is a display)."
)
def open_(topology: Path | None, browser: bool | None) -> None:
    """Open the running cluster's dashboards: Grafana, or the preview of them."""
    url, text = opening.open_text(options.context(topology))
    click.echo(text)
    has_display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if has_display if browser is None else browser:
        click.launch(url)


@dashboards.command("time")
@topology_option
@click.option(
    "--rounds", default=3, show_default=True, type=click.IntRange(1, 100), help="Times to ask each."
)
@json_option
def time_(*, topology: Path | None, rounds: int, json_path: Path | None) -> None:
    """How long each panel waits for the running cluster's Prometheus."""
    options.check_writable(json_path)
    found = timing.measure(options.context(topology), engine.boards(), rounds=rounds)
    options.write_json(json_path, timing.as_dict(found))
    click.echo(timing.table(found))


dashboards.add_command(view)
