"""The front door: the root command, its groups mounted when they are asked for, errors made exit codes."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

import warren
from warren.errors import EXIT_BUG, EXIT_INTERRUPTED, WarrenError

#: Command -> (where it is, one line for the list of commands, which is shown without importing it).
GROUPS = {
    "cluster": ("warren.operate.cli:cluster", "Bring the cluster up and down, look at it, use its tools."),
    "topology": ("warren.objects.cli:topology", "Check, render, plan and apply deploy/topology.yml."),
    "load": ("loadgen.cli:load", "Run load and prove that nothing confirmed was lost."),
    "chaos": ("chaos.cli:chaos", "Break nodes on purpose, and heal them."),
    "dashboards": ("dashboards.cli:dashboards", "Build, check and open the dashboards."),
    "exporter": ("exporters.cli:exporter", "Serve the metrics that the broker leaves out."),
    "report": ("report.cli:report", "Make the page of one run."),
    "demo": ("warren.demo.cli:demo", "Everything once: cluster, load, a killed leader, verdicts."),
}


class LazyGroup(click.Group):
    """Imports a group only when it is used, so that one broken package cannot break the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in GROUPS:
            return None
        module, _, name = GROUPS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)  # noqa: S101 - the table above is ours
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(f"{error.message} Commands: {', '.join(GROUPS)}.", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in GROUPS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"auto_envvar_prefix": "WARREN", "help_option_names": ["-h", "--help"]},
    epilog="Every option can also come from a variable: --rate of `load run` is WARREN_LOAD_RUN_RATE.",
)
@click.version_option(warren.__version__, prog_name="warren")
def root() -> None:
    """Warren: a proving ground for RabbitMQ."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with the code that `warren.errors` gives its outcome."""
    sys.exit(_run(list(sys.argv[1:] if arguments is None else arguments)))


def _run(arguments: list[str]) -> int:
    try:
        outcome = root.main(arguments, prog_name="warren", standalone_mode=False)
    except WarrenError as error:
        click.echo(f"warren: {error}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("warren: interrupted", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe (head, less) has gone; nothing is left to say, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:  # the edge: whatever is left is a bug of ours, and says where its report is
        return _report_bug()
    return outcome if isinstance(outcome, int) else 0


def _report_bug() -> int:
    descriptor, name = tempfile.mkstemp(prefix="warren-bug-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8") as report:
        report.write(f"warren {warren.__version__}, Python {sys.version}\n\n{traceback.format_exc()}")
    last = traceback.format_exc().strip().splitlines()[-1]
    click.echo(f"warren: this is a bug: {last}\n  its report is in {Path(name)}", err=True)
    return EXIT_BUG
