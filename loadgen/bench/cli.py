"""`warren bench`: Warren beside PerfTest, and the ledger alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from loadgen.bench import cells, ledger, scrapes, streams
from loadgen.bench.engine import Bench, Plan
from loadgen.bench.prepare import prepare, prepare_streams
from loadgen.bench.table import markdown
from warren import process
from warren.errors import EXIT_FAILED, EXIT_OK, InconclusiveError
from warren.operate import options
from warren.operate.cli import NamedByFlag, json_option, topology_option

_OPTIONS = (
    topology_option,
    click.option(
        "--cells",
        "wanted",
        cls=NamedByFlag,
        default=cells.ALL,
        show_default=True,
        help="Cells and lists of cells, separated by commas; see --list.",
    ),
    click.option(
        "--list", "listing", cls=NamedByFlag, is_flag=True, help="Say what cells there are, and end."
    ),
    click.option(
        "--repeats",
        default=5,
        show_default=True,
        type=click.IntRange(1, 100),
        help="Turns of each of the two.",
    ),
    click.option(
        "--warmup",
        "warmup_s",
        cls=NamedByFlag,
        default=30,
        show_default=True,
        type=click.IntRange(1, 600),
        help="Seconds of a turn that do not count.",
    ),
    click.option(
        "--window",
        "window_s",
        cls=NamedByFlag,
        default=20,
        show_default=True,
        type=click.IntRange(5, 3600),
        help="Seconds of a turn that count.",
    ),
    click.option("--resume", is_flag=True, help="Go on with the newest benchmark of this cluster."),
    json_option,
)
_F = TypeVar("_F", bound=Callable[..., Any])


def _measuring(command: _F) -> _F:
    """The options of both comparisons."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@_measuring
@click.pass_context
def bench(
    ctx: click.Context,
    *,
    topology: Path | None,
    wanted: str,
    listing: bool,
    repeats: int,
    warmup_s: int,
    window_s: int,
    resume: bool,
    json_path: Path | None,
) -> None:
    """Warren beside PerfTest on the running cluster, alternating. Takes from minutes to hours."""
    if ctx.invoked_subcommand is not None:
        return
    known = cells.read()
    if listing:
        _list(known)
        return
    options.check_writable(json_path)
    plan = Plan(repeats=repeats, warmup_s=warmup_s, window_s=window_s)
    chosen = known.choose(wanted)
    _measure(prepare(options.context(topology), chosen, plan, resuming=resume), chosen, json_path)


@bench.command("streams")
@_measuring
def over_streams(
    *,
    topology: Path | None,
    wanted: str,
    listing: bool,
    repeats: int,
    warmup_s: int,
    window_s: int,
    resume: bool,
    json_path: Path | None,
) -> None:
    """The stream protocol beside AMQP 0-9-1, both by Warren, on the same streams of the running cluster."""
    known = cells.read(streams.FILE)
    if listing:
        _list(known)
        return
    options.check_writable(json_path)
    plan = Plan(repeats=repeats, warmup_s=warmup_s, window_s=window_s)
    chosen = known.choose(wanted)
    _measure(prepare_streams(options.context(topology), chosen, plan, resuming=resume), chosen, json_path)


def _list(known: cells.Cells) -> None:
    click.echo("\n".join(f"{cell.name:<12} {cell}" for cell in known.cells.values()))
    click.echo("\n".join(f"{name:<12} {', '.join(names)}" for name, names in known.lists.items()))


def _measure(this: Bench, chosen: tuple[cells.Cell, ...], json_path: Path | None) -> None:
    unmeasured = this.run(chosen)
    text = markdown(this.record)
    this.record.path.with_suffix(".md").write_text(text, encoding="utf-8")
    options.write_json(json_path, this.record.as_dict())
    click.echo(text)
    if unmeasured:
        name, error = next(iter(unmeasured.items()))
        raise InconclusiveError(", ".join(unmeasured), f"not measured; {name}: {error.what}", error.remedy)


@bench.command("ledger")
@click.option(
    "--up-to",
    default=100_000_000,
    show_default=True,
    type=click.IntRange(min=1_000_000),
    help="Leave out the cases of more messages.",
)
@json_option
def ledger_costs(*, up_to: int, json_path: Path | None) -> int:
    """What the ledger costs at the size of long runs: memory and time a message. Needs no cluster.

    Exit code: 0 when it keeps to 64 MiB and a message's cost does not grow, 1 when not.
    """
    options.check_writable(json_path)
    cases = [case for case in ledger.CASES if case.messages <= up_to]
    with tempfile.TemporaryDirectory(prefix="warren-ledger-") as folder:
        found = ledger.measure(cases, folder=Path(folder), run=process.run, say=options.say)
    broken = ledger.faults(found)
    options.write_json(json_path, ledger.as_dict(found))
    click.echo(
        "\n".join([ledger.table(found), "", *(broken or ["holds: memory, cost a message, judgement"])])
    )
    return EXIT_FAILED if broken else EXIT_OK


@bench.command("scrapes")
@topology_option
@click.option(
    "--queues", default=10_000, show_default=True, type=click.IntRange(1, 20_000), help="How many to make."
)
@click.option(
    "--type",
    "kind",
    cls=NamedByFlag,
    default="classic",
    show_default=True,
    type=click.Choice(["classic", "quorum"]),
    help="Their type; so many quorum queues need more memory than a node of the lab has.",
)
@click.option(
    "--rounds", default=5, show_default=True, type=click.IntRange(1, 100), help="Times to ask each endpoint."
)
@json_option
def costs_of_scrapes(
    *, topology: Path | None, queues: int, kind: str, rounds: int, json_path: Path | None
) -> None:
    """What a scrape of many queues costs: the exporter beside the broker's own endpoints."""
    options.check_writable(json_path)
    found = scrapes.measure(options.context(topology), queues=queues, kind=kind, rounds=rounds)
    options.write_json(json_path, scrapes.as_dict(found, queues=queues, kind=kind))
    click.echo(scrapes.table(found))
