"""``warren dashboards``: build and check the committed JSON, and preview it."""

from __future__ import annotations

from pathlib import Path

import click

from dashboards import build as engine
from dashboards.view.cli import view
from warren import checkout
from warren.errors import EXIT_FAILED

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


dashboards.add_command(view)
