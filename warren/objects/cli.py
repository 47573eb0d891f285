"""`warren topology`: each command parses, calls one engine function and prints."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from warren import checkout, committed
from warren.assertions.verify import check_waivers
from warren.errors import EXIT_FAILED, EXIT_OK, RefusedError
from warren.objects import planning
from warren.objects.writing import command_for
from warren.operate import options
from warren.operate.cli import json_option
from warren.topology_reader import load

topology_option = click.option(
    "--topology",
    "path",
    envvar="WARREN_TOPOLOGY",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Topology file (default: deploy/topology.yml).",
)


@click.group()
def topology() -> None:
    """Check, render, plan and apply deploy/topology.yml."""


@topology.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
def check(file: Path | None) -> None:
    """Read FILE (default: deploy/topology.yml) and name every fault in it. Needs no cluster."""
    path = file or checkout.path("deploy", "topology.yml")
    found = load(path)
    check_waivers(found, name=str(path))
    click.echo(f"{path}: no faults; {planning.summary(found)}")


@topology.command()
@topology_option
@click.option(
    "--check",
    "only_check",
    envvar="WARREN_TOPOLOGY_RENDER_CHECK",
    is_flag=True,
    help="Write nothing; exit 1 where a file differs.",
)
def render(path: Path | None, only_check: bool) -> int:
    """Write the committed files that follow from the topology."""
    found = load(path or checkout.path("deploy", "topology.yml"))
    changed = committed.write(found, checkout.ROOT, only_check=only_check)
    verb = "differs from the topology" if only_check else "written"
    for name in changed:
        click.echo(f"{name}: {verb}")
    if not changed:
        click.echo("the generated files are up to date")
    elif only_check:
        click.echo("write them with: warren topology render")
    return EXIT_FAILED if changed and only_check else EXIT_OK


@topology.command()
@topology_option
@json_option
def plan(path: Path | None, json_path: Path | None) -> None:
    """Show what `apply` would do to the running cluster. Changes nothing."""
    options.check_writable(json_path)
    found = planning.current_plan(options.context(path))
    options.write_json(json_path, found.as_result())
    click.echo(planning.text(found))


@topology.command()
@topology_option
@json_option
def diff(path: Path | None, json_path: Path | None) -> int:
    """Like `plan`, and exit 1 when the broker differs from the topology: for a watch or a pipeline."""
    options.check_writable(json_path)
    found = planning.current_plan(options.context(path))
    options.write_json(json_path, found.as_result())
    click.echo(planning.text(found))
    return EXIT_FAILED if found else EXIT_OK


@topology.command()
@topology_option
@click.option("--prune", is_flag=True, help="Also remove what the topology does not have, if nobody uses it.")
@click.option(
    "--recreate", is_flag=True, help="Also delete and declare anew what cannot be changed, if it is empty."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def apply(path: Path | None, prune: bool, recreate: bool, yes: bool, json_path: Path | None) -> int:
    """Make the running cluster's objects those of the topology. Exit 1 when differences are left."""
    options.check_writable(json_path)
    context = options.context(path)
    found = planning.current_plan(context)
    click.echo(planning.text(found))
    if found and not yes:
        _ask()
    applied = planning.apply_now(context, prune=prune, recreate=recreate)
    left = planning.left_text([step.line for step in applied.left], command_for(applied.left))
    click.echo(f"{len(applied.done)} steps done" + (f"\n{left}" if left else ""))
    options.write_json(json_path, applied.as_result())
    return EXIT_FAILED if applied.left else EXIT_OK


def _ask() -> None:
    if not sys.stdin.isatty():
        raise RefusedError("warren topology apply", "nobody is there to be asked", "add --yes")
    click.confirm("Do this?", abort=True)
