"""`warren cluster OPERATION`: a command for every file in ``warren/operations/``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from warren.errors import EXIT_OK
from warren.operate import options
from warren.operate.cli import confirm, json_option, topology_option
from warren.operating import catalogue, page, running, wiring
from warren.operating.model import Parameter


def command(name: str) -> click.Command:
    """The command called ``name``; raises BadInputError where there is no such operation."""
    operation = catalogue.load(name)

    def operate(**given: Any) -> int:
        return _operate(name, **given)

    summary = f"{operation.summary[0].upper()}{operation.summary[1:]}."
    operate.__doc__ = f"{summary}\n\nClients: {operation.promise}."
    decorators = [
        *(_said(each) for each in operation.parameters),
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Print the plan, and change nothing."),
        click.option("--undo", is_flag=True, help="Put back what it did, where it stopped on its way."),
        json_option,
        topology_option,
    ]
    for decorate in reversed(decorators):
        operate = decorate(operate)
    return click.command(name)(operate)


def _said(parameter: Parameter) -> Callable[..., Any]:
    if parameter.default is None:
        return click.argument(parameter.name)
    kind = click.Choice(parameter.choices) if parameter.choices else click.STRING
    return click.option(
        f"--{parameter.name}", type=kind, default=parameter.default, help=f"{parameter.help}."
    )


def _operate(
    name: str,
    *,
    yes: bool,
    dry_run: bool,
    undo: bool,
    json_path: Path | None,
    topology: Path | None,
    **given: str,
) -> int:
    options.check_writable(json_path)
    context = options.context(topology)
    site = wiring.site_of(context)
    with context.state.lock(f"warren cluster {name}"):
        planned = running.plan(site, name, given, undo=undo)
        click.echo(page.plan_text(planned, context.topology.cluster))
        if dry_run:
            options.write_json(json_path, page.plan_dict(planned))
            return EXIT_OK
        if planned.steps and not yes:
            confirm("Do this?", catalogue.command(name, planned.args, planned.options))
        done = running.carry_out(site, planned)
        click.echo(page.done_text(done))
        options.write_json(json_path, page.done_dict(done))
    return EXIT_OK
