"""`warren cluster`: each command parses, calls one engine function and prints."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from warren import cluster as engine
from warren.assertions import verify as judging
from warren.command_group import CommandGroup
from warren.durations import parse_duration_s
from warren.errors import EXIT_FAILED, EXIT_OK, RefusedError
from warren.images import Policy
from warren.operate import access, options, status
from warren.operating import catalogue

Command = TypeVar("Command", bound=Callable[..., Any])


class NamedByFlag(click.Option):
    """An option whose variable follows from its flag, as the help says, whatever its parameter is called."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        flag = max(self.opts, key=len).lstrip("-").replace("-", "_").upper()
        return os.environ.get(f"{ctx.auto_envvar_prefix}_{flag}") or super().resolve_envvar_value(ctx)


class Duration(click.ParamType[float]):
    """Seconds from ``30s``, ``1.5m``, ``1h``, ``500ms`` or a bare number."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_duration_s(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


#: For commands that no hosts are meant by.
topology_only_option = click.option(
    "--topology",
    envvar="WARREN_TOPOLOGY",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Topology file (default: deploy/topology.yml).",
)


def _use_hosts(_ctx: click.Context, _param: click.Parameter, path: Path | None) -> None:
    """Kept in the environment: what this command starts (a watchdog, a load) works with the same hosts."""
    if path is not None:
        os.environ["WARREN_HOSTS"] = str(path.absolute())


_hosts = click.option(
    "--hosts",
    envvar="WARREN_HOSTS",
    type=click.Path(path_type=Path, dir_okay=False),
    expose_value=False,
    callback=_use_hosts,
    help="Inventory of the hosts that the nodes are services of (default: the nodes are containers).",
)


def topology_option(command: Command) -> Command:
    """Options that say which cluster a command is about. Those of hosts need not be passed on: see
    `warren.context.open_context`."""
    return topology_only_option(_hosts(command))


json_option = click.option(
    "--json",
    "json_path",
    cls=NamedByFlag,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the result here.",
)


class OperationGroup(CommandGroup):
    """Adds a command for every file in ``warren/operations/`` to those written below."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *catalogue.names()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in catalogue.names():
            return super().get_command(ctx, cmd_name)
        operations = importlib.import_module("warren.operating.cli")  # which uses what stands here
        found: click.Command = operations.command(cmd_name)
        return found


@click.group(cls=OperationGroup)
def cluster() -> None:
    """Bring the cluster up and down, look at it, use its tools, operate it while it serves."""


@cluster.command()
@topology_option
@click.option(
    "--images",
    envvar="WARREN_IMAGES",
    type=click.Choice(["auto", "pull", "build"]),
    default="auto",
    help="auto: as settled before, else pull, else build; pull: ask the registry again; build: never ask it.",
)
@click.option(
    "--with-disk-faults/--without-disk-faults",
    default=None,
    help="Whether nodes preload a library by which chaos makes their disks slow, full or broken"
    " (default: as last asked for).",
)
def up(topology: Path | None, images: Policy, with_disk_faults: bool | None) -> None:
    """Have the whole cluster running, whole and monitored. Safe to repeat."""
    context = options.context(topology)
    context.refuse_hosts()  # before an engine is installed for it
    report = engine.up(context, images_policy=images, with_disk_faults=with_disk_faults)
    click.echo(status.up_text(report))
    click.echo(status.places_text(context))


@cluster.command()
@topology_option
def down(topology: Path | None) -> None:
    """Stop and remove the containers. Messages, secrets and runs are kept."""
    context = options.context(topology)
    engine.down(context)
    click.echo(
        f"cluster '{context.topology.cluster}' is down; its data is kept: make cluster-up brings it back"
    )


@cluster.command()
@topology_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def destroy(topology: Path | None, yes: bool) -> None:
    """Remove containers, messages, secrets and run results."""
    context = options.context(topology)
    if not yes:
        confirm(access.destroy_question(context), "warren cluster destroy")
    engine.destroy(context)
    click.echo(f"cluster '{context.topology.cluster}' is gone")


def confirm(question: str, command: str) -> None:
    """Raise RefusedError unless the answer is yes; where nobody can answer, say how to answer ``command``
    beforehand."""
    try:
        agreed = click.confirm(question)
    except click.Abort as error:
        if sys.stdin.isatty():
            raise
        what, remedy = (
            "nobody is there to be asked; nothing was changed",
            f"answer beforehand: {command} --yes",
        )
        raise RefusedError(command, what, remedy) from error
    if not agreed:
        raise RefusedError(command, "not confirmed; nothing was changed")


@cluster.command("status")
@topology_option
@json_option
def show_status(topology: Path | None, json_path: Path | None) -> int:
    """Nodes, leaders, queues, monitoring, faults. Exit code 3 when the cluster is not whole."""
    options.check_writable(json_path)
    context = options.context(topology)
    found = status.read(context)
    options.write_json(json_path, status.as_dict(found))
    click.echo(status.text(found))
    if found.reachable and context.inventory is None:
        click.echo(status.places_text(context))
    return found.exit_code


@cluster.command()
@topology_option
@json_option
def verify(topology: Path | None, json_path: Path | None) -> int:
    """Judge the running cluster by every assertion of docs/assertions.md. Exit code 1 when one fails."""
    options.check_writable(json_path)
    results = judging.verify(options.context(topology))
    options.write_json(json_path, judging.as_result(results))
    click.echo(judging.text(results))
    return EXIT_OK if judging.passed(results) else EXIT_FAILED


@cluster.command()
@topology_option
@click.argument("node")
@click.option(
    "--lines", default=100, show_default=True, type=click.IntRange(1, 100000), help="How many lines."
)
def logs(topology: Path | None, node: str, lines: int) -> None:
    """The last lines of NODE, or of a service around the nodes, such as prometheus or exporter."""
    click.echo(access.logs(options.context(topology), node, lines=lines), nl=False)


@cluster.command()
@topology_option
@click.option("--user", required=True, help="Broker account, as in the topology.")
@click.option(
    "--for",
    "client",
    cls=NamedByFlag,
    type=click.Choice(["shell", "pika", "java", "curl"]),
    default="shell",
    show_default=True,
    help="What to print: variables for a shell, or a snippet.",
)
def env(topology: Path | None, user: str, client: str) -> None:
    """What your own application needs to connect as USER: hosts, authority, credential file."""
    click.echo(access.text(options.context(topology), user, client))


@cluster.command(context_settings={"ignore_unknown_options": True})
@topology_option
@click.argument("node")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def ctl(topology: Path | None, node: str, command: tuple[str, ...]) -> int:
    """Run one of the broker's own tools on NODE: warren cluster ctl rmq1 -- rabbitmqctl list_queues"""
    return access.run_tool(options.context(topology), node, command)
