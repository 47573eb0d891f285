"""The front door: the root command, its groups mounted when they are asked for, errors made exit codes."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem

import warren
from warren.command_group import CommandGroup
from warren.errors import EXIT_BUG, EXIT_INTERRUPTED, WarrenError, machine_trouble

#: Command -> (where it is, one line for the list of commands, which is shown without importing it).
GROUPS = {
    "cluster": ("warren.operate.cli:cluster", "Bring the cluster up and down, look at it, use its tools."),
    "hosts": ("warren.hosts.cli:hosts", "Test hosts with systemd and sshd, to provision and to break."),
    "topology": ("warren.objects.cli:topology", "Check, render, plan and apply deploy/topology.yml."),
    "queue": ("warren.queues.cli:queue", "Look at queues; move dead letters back; purge."),
    "links": ("warren.links.cli:links", "Shovels and federation to other clusters: state and proof."),
    "load": ("loadgen.cli:load", "Run load and prove that nothing confirmed was lost."),
    "chaos": ("chaos.cli:chaos", "Break nodes on purpose, and heal them."),
    "dashboards": ("dashboards.cli:dashboards", "Build, check and open the dashboards."),
    "exporter": ("exporters.cli:exporter", "Serve the metrics that the broker leaves out."),
    "report": ("report.cli:report", "Make the page of one run."),
    "bench": ("loadgen.bench.cli:bench", "Warren beside PerfTest, in turn, cell by cell."),
    "demo": ("warren.demo.cli:demo", "Everything once: cluster, load, a killed leader, verdicts."),
}

#: What the shell says of a program that SIGPIPE has ended.
_EXIT_PIPE = 141


class LazyGroup(CommandGroup):
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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The groups' names and lines, without importing any."""
        named = [
            CompletionItem(name, help=line)
            for name, (_, line) in GROUPS.items()
            if name.startswith(incomplete)
        ]
        return named + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in GROUPS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={
        "auto_envvar_prefix": "WARREN",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 120,  # of a terminal that has them: click's own 80 cuts what a command does
    },
    epilog="Every option can also come from a variable: --rate of `load run` is WARREN_LOAD_RUN_RATE. "
    'Completion in bash: eval "$(_WARREN_COMPLETE=bash_source warren)"; in zsh: zsh_source, in fish: '
    "fish_source.",
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
    except SystemExit as leaving:
        # No command of ours exits by itself. Click does so after completion, and with 1 where the reader
        # of a pipe (head, less) has gone: a verdict may have been cut off then, so this is no failed one.
        if leaving.code == 1 and "_WARREN_COMPLETE" not in os.environ:
            return _EXIT_PIPE
        raise
    except Exception as error:  # the edge: whatever is left is a bug of ours, or the machine's own trouble
        return _machine_trouble(error) or _report_bug()
    return outcome if isinstance(outcome, int) else 0


def _machine_trouble(error: Exception) -> int | None:
    """Say what the machine lacks where ``error`` is of that kind, and return its exit code; else None."""
    trouble = machine_trouble(error)
    if trouble is None:
        return None
    click.echo(f"warren: {trouble}", err=True)
    return trouble.exit_code


def _report_bug() -> int:
    trace = traceback.format_exc()
    last = trace.strip().splitlines()[-1]
    try:
        descriptor, name = tempfile.mkstemp(prefix="warren-bug-", suffix=".txt")  # mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8") as report:
            report.write(f"warren {warren.__version__}, Python {sys.version}\n\n{trace}")
    except OSError as error:
        click.echo(f"{trace}\nwarren: this is a bug; no report could be written: {error.strerror}", err=True)
    else:
        click.echo(f"warren: this is a bug: {last}\n  its report is in {name}", err=True)
    return EXIT_BUG
